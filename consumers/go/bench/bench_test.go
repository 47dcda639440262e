// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package bench

import (
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"framering/internal/pattern"
	"framering/internal/ring"
	"framering/internal/ringtest"
	"framering/internal/shm"
)

const (
	frameBytes = 100_000
	rounds     = 10 // the ways take turns, so that a machine that is slower for a while is so for all of them
	warmUp     = 20 // frames at the beginning of a turn
)

// way is one of those compared: publish puts a frame there, read takes it and is timed.
type way struct {
	name          string
	publish, read func()
	took          []time.Duration
	allocations   uint64
	cycles        uint32 // of the garbage collector
}

func (w *way) turn(frames int, pace time.Duration) {
	for range warmUp {
		w.publish()
		w.read()
	}
	var before, after runtime.MemStats
	runtime.GC() // what the way before left
	runtime.ReadMemStats(&before)
	for range frames {
		if pace > 0 {
			time.Sleep(pace)
		}
		w.publish()
		begin := time.Now()
		w.read()
		w.took = append(w.took, time.Since(begin))
	}
	runtime.ReadMemStats(&after)
	w.allocations += after.Mallocs - before.Mallocs
	w.cycles += after.NumGC - before.NumGC
}

// at is a percentile in µs, once took is sorted.
func (w *way) at(part float64) float64 {
	return float64(w.took[int(part*float64(len(w.took)-1))].Nanoseconds()) / 1e3
}

// compare prints a line for each way; the first is what the others are held against.
func compare(b *testing.B, pace time.Duration, ways []*way) {
	if b.N == 1 {
		return // package testing asks whether there are benchmarks below this one
	}
	for _, w := range ways {
		w.took, w.allocations, w.cycles = make([]time.Duration, 0, b.N+rounds), 0, 0
	}
	for range rounds {
		for _, w := range ways {
			w.turn((b.N+rounds-1)/rounds, pace)
		}
	}
	b.Logf("%-24s%9s%9s%9s%9s%12s%5s%10s%10s", "µs", "p50", "p99", "p99.9", "worst", "allocations", "GCs",
		"1/ of p50", "1/ of p99")
	base := ways[0]
	for _, w := range ways {
		slices.Sort(w.took)
		b.Logf("%-24s%9.2f%9.2f%9.2f%9.2f%12d%5d%10.1f%10.1f", w.name, w.at(0.5), w.at(0.99), w.at(0.999), w.at(1),
			w.allocations, w.cycles, base.at(0.5)/w.at(0.5), base.at(0.99)/w.at(0.99))
	}
	b.ReportMetric(0, "ns/op") // with the pauses in it, this says nothing
}

func BenchmarkFrame100KB(b *testing.B) {
	source := make([]byte, frameBytes)
	pattern.Write(source, 1)
	ways := []*way{
		cgo("CGO", source), cgo("CGO again", source), // the second of a kind shows what a difference is worth
		newStream(b, source).copied("ring"), newStream(b, source).copied("ring again"),
		newStream(b, source).inPlace("ring, in place"),
		newStream(b, source).floor("one plain copy"),
		{name: "the clock alone", publish: func() {}, read: func() {}},
	}
	b.Run("unpaced", func(b *testing.B) { compare(b, 0, ways) })
	b.Run("every-4ms", func(b *testing.B) { compare(b, 4*time.Millisecond, ways) })
}

var kept []byte

func cgo(name string, source []byte) *way {
	encoded := outsideGo(frameBytes)
	frame := unsafe.Slice((*byte)(encoded), frameBytes)
	return &way{name: name, publish: func() { copy(frame, source) },
		read: func() { kept = throughCGO(encoded, frameBytes) }}
}

// stream is a ring with its writer and a reader's cursor.
type stream struct {
	b       *testing.B
	writer  *ringtest.Writer
	cursor  *ring.Cursor
	publish func()
	record  ring.Record
	data    []byte
	lost    ring.Loss
}

func newStream(b *testing.B, source []byte) *stream {
	shape := ringtest.Shape{Slots: 256, ArenaBytes: 4 << 20, MaxFrame: 1 << 20, Generation: 1}
	memory, _, err := shm.Create("bench", shape.Bytes())
	if err != nil {
		b.Fatal(err)
	}
	writer := ringtest.New(memory, shape)
	view, err := ring.Open(memory)
	if err != nil {
		b.Fatal(err)
	}
	page, _, err := ring.NewReaderPage()
	if err != nil {
		b.Fatal(err)
	}
	bell := ringtest.NewBell(ringtest.Heap(shm.PageBytes))
	bell.Attach()
	cursor := ring.NewCursor(page, ring.Every, 0)
	cursor.Attach(view, bell.Memory, ring.StartKey, false)
	return &stream{b: b, writer: writer, cursor: cursor, publish: func() { writer.Publish(source, ring.FlagKey) }}
}

func (s *stream) check(outcome ring.Outcome) {
	if outcome != ring.GotFrame {
		s.b.Fatal("no frame")
	}
}

func (s *stream) copied(name string) *way {
	return &way{name: name, publish: s.publish,
		read: func() { s.check(s.cursor.CopyNext(&s.record, &s.data, &s.lost)) }}
}

func (s *stream) inPlace(name string) *way {
	var held ring.Lease
	return &way{name: name, publish: s.publish, read: func() {
		s.check(s.cursor.LeaseNext(&s.record, &held, &s.lost))
		held.Release()
	}}
}

// floor copies a frame whose place is known and looks at nothing: no reader that copies is faster.
func (s *stream) floor(name string) *way {
	data := make([]byte, frameBytes)
	var held ring.Lease
	return &way{name: name, read: func() { copy(data, held.Bytes) }, publish: func() {
		held.Release()
		s.publish()
		s.check(s.cursor.LeaseNext(&s.record, &held, &s.lost))
	}}
}
