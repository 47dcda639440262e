// SPDX-License-Identifier: Apache-2.0

// Package ringtest writes rings, for tests only: the simplest correct producer, without leases, and every byte of
// it open to be spoiled.
package ringtest

import (
	"unsafe"

	"framering/internal/shm"
)

// Shape of a ring.
type Shape struct {
	Slots      uint32
	ArenaBytes uint64
	MaxFrame   uint64
	InterCoded bool
	Generation uint64
}

// Small is a ring that is soon lapped.
var Small = Shape{Slots: 8, ArenaBytes: 16384, MaxFrame: 4096, Generation: 7}

// Writer publishes into a ring.
type Writer struct {
	Memory shm.Memory
	shape  Shape
	arena  uint64 // offset
	head   uint64
	end    uint64 // position after the newest frame
	fence  shm.Fence
}

// Bytes a ring of this shape has.
func (s Shape) Bytes() int { return int(s.arenaOffset() + s.ArenaBytes) }

func (s Shape) arenaOffset() uint64 { return (8192 + uint64(s.Slots)*128 + 4095) &^ 4095 }

// New formats memory of shape.Bytes() zero bytes, aligned to 8.
func New(memory shm.Memory, shape Shape) *Writer {
	w := &Writer{Memory: memory, shape: shape, arena: shape.arenaOffset()}
	flags := uint32(0)
	if shape.InterCoded {
		flags = 1 << 16
	}
	for at, value := range map[uint64]uint64{16: shape.Generation, 24: uint64(len(memory)), 32: w.arena,
		40: shape.ArenaBytes, 56: 8192, 88: shape.MaxFrame, 112: 4096} {
		memory.Word(at).Store(value)
	}
	for at, value := range map[uint64]uint32{8: 1, 12: 512, 48: shape.Slots, 52: 128, 64: 0x4E544150, 68: flags,
		72: 1, 76: 90000, 96: 8, 100: 64, 256: 1} {
		memory.Word32(at).Store(value)
	}
	memory.Word(0).Store(0x474E4952454D5246)
	return w
}

// NewHeap formats a ring in ordinary memory.
func NewHeap(shape Shape) *Writer {
	return New(Heap(shape.Bytes()), shape)
}

// Slot is where the slot of frame n begins.
func (w *Writer) Slot(n uint64) uint64 { return 8192 + n%uint64(w.shape.Slots)*128 }

// Publish writes the next frame, W1 to W6, and returns its number.
func (w *Writer) Publish(data []byte, flags uint32) uint64 {
	n := w.head + 1
	w.PublishHalf(data, flags)
	w.Memory.Word(w.Slot(n)).Store(n)
	if flags&1 != 0 {
		w.Memory.Word(136).Store(n)
	}
	w.Memory.Word(128).Store(n)
	w.head = n
	return n
}

// PublishHalf announces the next frame and writes its bytes and record, but neither number nor head: what a
// producer leaves that dies in the middle.
func (w *Writer) PublishHalf(data []byte, flags uint32) {
	n := w.head + 1
	position := (w.end + 63) &^ 63
	if position%w.shape.ArenaBytes+uint64(len(data)) > w.shape.ArenaBytes {
		position += w.shape.ArenaBytes - position%w.shape.ArenaBytes
	}
	w.end = position + uint64(len(data))
	if w.end > w.shape.ArenaBytes {
		reclaimed := w.end - w.shape.ArenaBytes
		if reclaimed > w.Memory.Word(192).Load() {
			w.Memory.Word(192).Store(reclaimed)
		}
	}
	w.Memory.Word(200).Store(n)
	w.fence.Full() // W2: on arm64 a store-release lets the plain stores of copy pass it
	copy(w.Memory[w.arena+position%w.shape.ArenaBytes:], data)
	slot := w.Slot(n)
	w.Memory.Word(slot + 8).Store(position)
	w.Memory.Word32(slot + 24).Store(uint32(len(data)))
	w.Memory.Word(slot + 32).Store(n * 3000)
	w.Memory.Word32(slot + 72).Store(flags)
	w.Memory.Word32(slot + 76).Store(0x4E544150)
}

// Heap is ordinary memory, zero and aligned for words.
func Heap(length int) shm.Memory {
	words := make([]uint64, (length+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), length)
}
