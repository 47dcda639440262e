// SPDX-License-Identifier: Apache-2.0

package framering_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"framering"
	"framering/internal/livetest"
)

// What a process that only reads frames allocates: nothing, so frames never bring a GC cycle about.
// Long form: FRAMERING_GO_SECONDS=60.
func TestFramesCauseNoAllocationAndNoGC(t *testing.T) {
	copied := func(t *testing.T, ctx context.Context, reader *framering.Reader) func() {
		var frame framering.Frame
		return func() {
			if err := reader.NextBefore(ctx, time.Now().Add(livetest.Patience), &frame); err != nil {
				t.Fatal(err)
			}
		}
	}
	leased := func(t *testing.T, ctx context.Context, reader *framering.Reader) func() {
		var lease framering.Lease
		return func() {
			if err := reader.Lease(ctx, &lease); err != nil {
				t.Fatal(err)
			}
			lease.Release()
		}
	}
	for name, c := range map[string]struct {
		fps  string
		line bool
		next func(*testing.T, context.Context, *framering.Reader) func()
	}{
		"copied every 4 ms":          {"250", false, copied},
		"copied every 4 ms, by line": {"250", true, copied},
		"copied unpaced":             {"0", false, copied},
		"leased every 4 ms":          {"250", false, leased},
	} {
		t.Run(name, func(t *testing.T) {
			w := livetest.New(t)
			w.Broker()
			w.Producer("--source", "pattern", "--stream", "test", "--size", "100K", "--fps", c.fps)
			reader := open(t, w, "test", framering.Options{Policy: framering.Every, LineBell: c.line})
			seconds := livetest.Seconds(1)
			next := c.next(t, timeout(t, 10*time.Duration(seconds)*time.Second+4*livetest.Patience), reader)
			w.Until("leases are given", func() bool {
				var lease framering.Lease
				return reader.Lease(context.Background(), &lease) == nil && lease.Release()
			})
			for range 100 { // buffers grow, the context is registered
				next()
			}
			// Others in this process allocate as well (finalizers, what processes of tests say), but not always: what
			// frames allocate would show in each round.
			for round := range 6 {
				var before, after runtime.MemStats
				runtime.GC()
				for range 50 {
					next()
				}
				runtime.ReadMemStats(&before)
				frames := 0
				for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); frames++ {
					next()
				}
				runtime.ReadMemStats(&after)
				t.Logf("round %d: %d frames in %d s: %d allocations, %d GC cycles", round, frames, seconds,
					after.Mallocs-before.Mallocs, after.NumGC-before.NumGC)
				if frames >= seconds*25 && after.Mallocs == before.Mallocs && after.NumGC == before.NumGC {
					return
				}
			}
			t.Fail()
		})
	}
}
