// SPDX-License-Identifier: Apache-2.0

package ring_test

import (
	"sync/atomic"
	"testing"
	"time"

	"framering/internal/pattern"
	"framering/internal/ring"
	"framering/internal/ringtest"
	"framering/internal/shm"
)

// A writer that laps its reader all the time: what is handed out is whole, and all the rest is counted.
func TestFramesOverwrittenDuringTheCopyAreNotHandedOut(t *testing.T) {
	shape := ringtest.Shape{Slots: 4, ArenaBytes: 32768, MaxFrame: 8192, Generation: 1}
	memory, _, err := shm.Create("lapped", shape.Bytes()) // not Go's memory: the race is meant
	if err != nil {
		t.Fatal(err)
	}
	writer := ringtest.New(memory, shape)
	view, err := ring.Open(memory)
	if err != nil {
		t.Fatal(err)
	}
	cursor := ring.NewCursor(page(), ring.Every, 0)
	cursor.Attach(view, nil, ring.StartOldest, false)
	var stop atomic.Bool
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		frame := make([]byte, 8000)
		for n := uint64(1); !stop.Load(); n++ {
			pattern.Write(frame, n)
			writer.Publish(frame, key)
		}
	}()
	var record ring.Record
	var data []byte
	var lost ring.Loss
	var last uint64
	begin := time.Now()
	enough := func() bool { // after a while; a busy machine may have let only one of the two run
		took := time.Since(begin)
		return took > 30*time.Second ||
			took > 500*time.Millisecond && cursor.Counts.Lapped > 0 && cursor.Counts.Delivered > 0
	}
	for !enough() {
		switch cursor.CopyNext(&record, &data, &lost) {
		case ring.Broken:
			t.Fatalf("a correct ring is said to be broken at frame %d", record.Number)
		case ring.GotFrame:
			number, err := pattern.Check(data)
			if err != nil || number != record.Number || number != last+1+lost.Total() {
				t.Fatalf("frame %d carries %d after %d: %v, lost %+v", record.Number, number, last, err, lost)
			}
			if last = number; cursor.Counts.Delivered%16 == 0 {
				time.Sleep(100 * time.Microsecond) // is lapped also where checking is faster than writing
			}
		}
	}
	stop.Store(true)
	<-stopped
	if c := cursor.Counts; c.Lapped == 0 || c.Delivered == 0 || c.ReadTo != c.Delivered+c.Lapped {
		t.Fatalf("counts %+v", c)
	}
	t.Logf("%+v", cursor.Counts)
	memory.Unmap()
}
