// SPDX-License-Identifier: Apache-2.0

package framering_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"framering"
	"framering/internal/livetest"
	"framering/internal/pattern"
)

func lease(t *testing.T, ctx context.Context, reader *framering.Reader, to *framering.Lease) {
	t.Helper()
	for {
		err := reader.Lease(ctx, to)
		if err == nil {
			return
		}
		if !errors.Is(err, framering.ErrNoLease) { // attached in a moment
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestACopyOfALeaseIsReleasedOnceAndOneInUseAgainLosesNoCell(t *testing.T) {
	t.Parallel()
	w := livetest.New(t)
	w.Broker()
	w.Producer("--source", "pattern", "--stream", "test", "--size", "10K", "--fps", "500")
	reader := open(t, w, "test", framering.Options{})
	ctx := timeout(t, 2*livetest.Patience)
	var first, other framering.Lease
	lease(t, ctx, reader, &first)
	lease(t, ctx, reader, &other)
	copied := first
	if !first.Release() || copied.Valid() || copied.Release() {
		t.Fatal("a frame was given back twice")
	}
	copied = other
	for range 100 { // more than there are cells; each takes the place of the one before
		lease(t, ctx, reader, &first)
	}
	reader.Close()
	if _, err := pattern.Check(other.Data); err != nil {
		t.Fatalf("a lease that outlives its reader: %v", err)
	}
	other.Release()
	first.Release()
	if copied.Valid() || copied.Release() || first.Release() {
		t.Fatal("given back after all was unmapped")
	}
}

func TestALeaseIsReleasedWhileAnotherGoroutineWaits(t *testing.T) {
	t.Parallel()
	w := livetest.New(t)
	w.Broker()
	w.Producer("--source", "pattern", "--stream", "test", "--size", "10K", "--fps", "50", "--frames", "20",
		"--linger-seconds", "20")
	reader := open(t, w, "test", framering.Options{})
	var held framering.Lease
	lease(t, timeout(t, 2*livetest.Patience), reader, &held)
	w.Until("the stream has ended", func() bool { return reader.Info().State == framering.Ended })
	ended := make(chan error)
	go func() {
		var frame framering.Frame
		for {
			if err := reader.Next(context.Background(), &frame); err != nil {
				ended <- err
				return
			}
		}
	}()
	time.Sleep(100 * time.Millisecond) // it has read what there was and sleeps
	released := make(chan struct{})
	go func() {
		held.Release()
		_ = reader.Counts()
		close(released)
	}()
	select {
	case <-released:
	case <-time.After(livetest.Patience):
		t.Error("a waiting Next holds up Release")
	}
	reader.Close()
	if err := <-ended; !errors.Is(err, framering.ErrClosed) {
		t.Fatal(err)
	}
}

func TestReadersAreClosedAtAnyMoment(t *testing.T) {
	t.Parallel()
	w := livetest.New(t)
	w.Broker()
	w.Producer("--source", "pattern", "--stream", "test", "--size", "10K", "--fps", "1000")
	for n := range 60 {
		reader := open(t, w, "test", framering.Options{LineBell: n%2 == 0, StateChanges: true})
		var all sync.WaitGroup
		for _, use := range []func() error{
			func() error {
				var frame framering.Frame
				return reader.Next(context.Background(), &frame)
			},
			func() error {
				var held framering.Lease
				defer held.Release()
				if err := reader.Lease(context.Background(), &held); !errors.Is(err, framering.ErrNoLease) {
					return err
				}
				return nil
			},
			func() error {
				reader.RequestKey()
				reader.SetBacklog(1, 2, 3)
				_, _ = reader.Counts(), reader.Info()
				_, _ = reader.ParameterSet(1, nil)
				if reader.NextBefore(context.Background(), time.Now(), new(framering.Frame)) == framering.ErrClosed {
					return framering.ErrClosed
				}
				return nil
			},
		} {
			all.Add(1)
			go func() {
				defer all.Done()
				for {
					if err := use(); err != nil && !errors.Is(err, framering.ErrStateChanged) {
						if !errors.Is(err, framering.ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			}()
		}
		time.Sleep(time.Duration(n) * time.Millisecond / 2)
		reader.Close()
		all.Wait()
	}
}

func TestAContextEndsAWaitAndTheNextOneIsHeard(t *testing.T) {
	t.Parallel()
	w := livetest.New(t)
	w.Broker()
	w.Producer("--source", "pattern", "--stream", "test", "--size", "1K", "--fps", "1")
	reader := open(t, w, "test", framering.Options{})
	var frame framering.Frame
	read(t, timeout(t, 2*livetest.Patience), reader, &frame, 1)
	late := 0
	for n := range 200 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(n%5)*time.Millisecond)
		begin := time.Now()
		err := reader.Next(ctx, &frame)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if time.Since(begin) > 900*time.Millisecond {
			late++ // a sleeper looks around once a second, whatever it missed
		}
	}
	if late > 2 { // or the machine was elsewhere
		t.Fatalf("%d of 200 waits have not heard the end of their context", late)
	}
}

// What the reader has made in this process: goroutines, descriptors, mappings.
func footprint(t *testing.T) [3]int {
	t.Helper()
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return [3]int{runtime.NumGoroutine(), len(descriptors), strings.Count(string(maps), "memfd:")}
}

func TestNothingIsLeftOfAClosedReader(t *testing.T) {
	w := livetest.New(t)
	broker := w.Broker()
	producer := w.Producer("--source", "pattern", "--stream", "test", "--size", "1K", "--fps", "500")
	ctx := timeout(t, 4*livetest.Patience)
	cycle := func(n int) {
		reader, err := framering.Open("test", framering.Options{SocketDir: w.Dir, LineBell: n%2 == 0})
		if err != nil {
			t.Fatal(err)
		}
		if n%4 != 0 { // else closed before it is attached
			var frame framering.Frame
			read(t, ctx, reader, &frame, 3)
			var held framering.Lease
			lease(t, ctx, reader, &held)
			defer held.Release() // after Close
		}
		reader.Close()
	}
	mappings := footprint(t)[2]
	cycle(1) // Go's poller makes descriptors of its own
	w.Until("the first is gone", func() bool { return footprint(t)[2] <= mappings })
	before := footprint(t)
	for n := range 40 {
		cycle(n)
		if n == 20 {
			broker.Kill()
			producer.Kill()
			broker = w.Broker()
			producer = w.Producer("--source", "pattern", "--stream", "test", "--size", "1K", "--fps", "500")
		}
	}
	var after [3]int
	for end := time.Now().Add(livetest.Patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if after = footprint(t); after[0] <= before[0] && after[1] <= before[1] && after[2] <= before[2] {
			return
		}
	}
	t.Fatalf("goroutines, descriptors, mappings: %v before, %v after", before, after)
}
