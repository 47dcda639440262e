// SPDX-License-Identifier: Apache-2.0

package shm

import "sync/atomic"

// Fence orders all loads and stores before it against those after it.
//
// Go has no fence. Its atomics are sequentially consistent, but an atomic load alone does not keep *earlier
// plain loads* (a copy out of the ring) before it: on arm64 they may still be on their way after LDAR. A store
// does (STLR, or FENCE on riscv64), and a store stays before a load that follows it; both cost nothing on
// amd64 beyond one XCHG. The word is the caller's own, so that no cache line is shared.
type Fence struct {
	word atomic.Uint64
	_    [56]byte
}

// Full is that fence.
func (f *Fence) Full() {
	f.word.Store(1)
	_ = f.word.Load()
}
