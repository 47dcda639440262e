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

const frameBytes = 100_000

// measure times each call of read by itself and reports percentiles, allocations and GC cycles.
func measure(b *testing.B, pace time.Duration, publish, read func()) {
	for range 100 {
		publish()
		read()
	}
	took := make([]time.Duration, 0, b.N)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if pace > 0 {
			time.Sleep(pace)
		}
		publish()
		begin := time.Now()
		read()
		took = append(took, time.Since(begin))
	}
	b.StopTimer()
	runtime.ReadMemStats(&after)
	slices.Sort(took)
	at := func(part float64) float64 { return float64(took[int(part*float64(len(took)-1))].Nanoseconds()) / 1e3 }
	b.ReportMetric(at(0.50), "p50-µs")
	b.ReportMetric(at(0.99), "p99-µs")
	b.ReportMetric(at(0.999), "p99.9-µs")
	b.ReportMetric(at(1), "worst-µs")
	b.ReportMetric(float64(after.NumGC-before.NumGC), "GCs")
	b.ReportMetric(0, "ns/op") // with the pause in it, this says nothing
}

var kept []byte

func BenchmarkFrame100KB(b *testing.B) {
	for _, pace := range []time.Duration{0, 4 * time.Millisecond} {
		name := "every-" + pace.String()
		if pace == 0 {
			name = "unpaced"
		}
		b.Run("cgo/"+name, func(b *testing.B) {
			encoded := outsideGo(frameBytes)
			frame := unsafe.Slice((*byte)(encoded), frameBytes)
			source := make([]byte, frameBytes)
			pattern.Write(source, 1)
			measure(b, pace, func() { copy(frame, source) }, func() { kept = throughCGO(encoded, frameBytes) })
		})
		for _, lease := range []bool{false, true} {
			how := map[bool]string{false: "ring/", true: "ring-in-place/"}[lease]
			b.Run(how+name, func(b *testing.B) { ringBench(b, pace, lease) })
		}
	}
}

func ringBench(b *testing.B, pace time.Duration, lease bool) {
	shape := ringtest.Shape{Slots: 256, ArenaBytes: 4 << 20, MaxFrame: 1 << 20, Generation: 1}
	memory, _, err := shm.Create("bench", shape.Bytes())
	if err != nil {
		b.Fatal(err)
	}
	writer := ringtest.New(memory, shape)
	page, _, err := ring.NewReaderPage()
	if err != nil {
		b.Fatal(err)
	}
	view, err := ring.Open(memory)
	if err != nil {
		b.Fatal(err)
	}
	cursor := ring.NewCursor(page, ring.Every, 0)
	bell := ringtest.NewBell(ringtest.Heap(shm.PageBytes))
	bell.Attach()
	cursor.Attach(view, bell.Memory, ring.StartKey, false)
	source := make([]byte, frameBytes)
	pattern.Write(source, 1)
	var record ring.Record
	var data []byte
	var lost ring.Loss
	var held ring.Lease
	measure(b, pace, func() { writer.Publish(source, ring.FlagKey) }, func() {
		outcome := ring.Nothing
		if lease {
			outcome = cursor.LeaseNext(&record, &held, &lost)
			held.Release()
		} else {
			outcome = cursor.CopyNext(&record, &data, &lost)
		}
		if outcome != ring.GotFrame {
			b.Fatal("no frame")
		}
	})
}
