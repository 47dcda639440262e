// SPDX-License-Identifier: Apache-2.0

package framering

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"framering/internal/control"
	"framering/internal/ring"
	"framering/internal/shm"
	"framering/internal/wire"
)

// How a sleeper is woken, as in Attach.bell. The third, a futex, is not for Go's poller.
const (
	bellEventfd = 1
	bellLine    = 2
)

// attachment is what the broker handed out for one reader of one generation.
type attachment struct {
	id         uint64
	generation uint64
	view       ring.View
	ringMemory shm.Memory
	bellPage   shm.Memory
	bellKind   uint32
	bellPageFD int       // shown again to a broker that restarted
	line       *doorbell // ends when the producer does
	bell       *doorbell // the line, or the eventfd
	hungUp     atomic.Bool
	uses       int // by the reader and by its leases; guarded by Reader.mu
}

// accept checks everything that came with attached.
func accept(message wire.Attached, descriptors control.Descriptors) (*attachment, error) {
	a := &attachment{id: message.Id(), generation: message.Generation(), bellKind: message.Bell(), bellPageFD: -1}
	if err := a.fill(descriptors); err != nil {
		a.free()
		return nil, err
	}
	return a, nil
}

func (a *attachment) fill(descriptors control.Descriptors) error {
	wanted := map[uint32]int{bellEventfd: 4, bellLine: 3}[a.bellKind]
	if wanted == 0 || len(descriptors) != wanted {
		return fmt.Errorf("the broker gave bell %d and %d descriptors", a.bellKind, len(descriptors))
	}
	var err error
	if a.ringMemory, err = shm.MapForeign(descriptors[0], ring.MinBytes, ring.MaxBytes); err != nil {
		return fmt.Errorf("ring: %w", err)
	}
	if a.view, err = ring.Open(a.ringMemory); err != nil {
		return err
	}
	if a.view.Generation != a.generation {
		return fmt.Errorf("the ring is of generation %x, the broker said %x", a.view.Generation, a.generation)
	}
	if a.bellPage, err = shm.MapForeign(descriptors[1], shm.PageBytes, shm.PageBytes); err != nil {
		return fmt.Errorf("bell page: %w", err)
	}
	if err = ring.CheckBellPage(a.bellPage); err != nil {
		return err
	}
	if a.line, err = newLine(descriptors.Take(2)); err != nil {
		return fmt.Errorf("line: %w", err)
	}
	a.bell = a.line
	if a.bellKind == bellEventfd {
		if a.bell, err = newEvent(descriptors.Take(3)); err != nil {
			return fmt.Errorf("eventfd: %w", err)
		}
	}
	a.bellPageFD = descriptors.Take(1)
	return nil
}

// watchLine sees the producer's end where the line is not the bell as well; it ends when the line is closed.
func (a *attachment) watchLine(poke func()) {
	for {
		if err := a.line.wait(); err != nil {
			a.hungUp.Store(true)
			poke()
			return
		}
	}
}

// nudge asks the producer to look at the reader page. A full line holds an unanswered nudge already.
func (a *attachment) nudge() {
	_ = a.line.raw.Control(func(fd uintptr) {
		_, _ = unix.SendmsgN(int(fd), []byte{1}, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	})
}

// hangUp ends what the producer notices. Mappings stay until free.
func (a *attachment) hangUp() {
	a.hungUp.Store(true)
	if a.bell != nil {
		a.bell.close()
	}
	if a.line != nil && a.line != a.bell {
		a.line.close()
	}
	if a.bellPageFD >= 0 {
		_ = unix.Close(a.bellPageFD)
		a.bellPageFD = -1
	}
}

func (a *attachment) free() {
	a.hangUp()
	a.ringMemory.Unmap()
	a.bellPage.Unmap()
}
