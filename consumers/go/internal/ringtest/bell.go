// SPDX-License-Identifier: Apache-2.0

package ringtest

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"framering/internal/shm"
)

// Offsets in the bell page, schema/README.md.
const (
	BellFutexWord  = 64
	bellAttachment = 128
	bellRevoked    = 512
)

// Bell is the page that a producer writes for one reader.
type Bell struct{ Memory shm.Memory }

// NewBell formats a page of zero bytes; the reader is pending.
func NewBell(memory shm.Memory) Bell {
	memory.Word32(8).Store(1)
	memory.Word(0).Store(0x4C4C454252474E52)
	return Bell{memory}
}

// Attach promises that every publish from here on looks at the reader's page.
func (b Bell) Attach() { b.Memory.Word32(bellAttachment).Store(1) }

// Detach lets go of the reader.
func (b Bell) Detach() { b.Memory.Word32(bellAttachment).Store(2) }

// Revoke takes the lease of frame n in a cell away.
func (b Bell) Revoke(cell, n uint64) { b.Memory.Word(bellRevoked + 8*cell).Store(n) }

// Ring wakes one who sleeps on the futex.
func (b Bell) Ring() {
	const futexWake = 1
	word := b.Memory.Word32(BellFutexWord)
	word.Add(1)
	_, _, _ = unix.Syscall(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, 1)
}
