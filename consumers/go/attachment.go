// SPDX-License-Identifier: Apache-2.0

package framering

import (
	"fmt"
	"os"
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
	bellPageFD int      // shown again to a broker that restarted
	line       *os.File // ends when the producer does
	bell       *os.File // the line, or the eventfd
	hungUp     atomic.Bool
	uses       int // by the reader and by its leases; guarded by Reader.mu
}

// accept checks everything that came with attached.
func accept(message wire.Attached, descriptors control.Descriptors) (*attachment, error) {
	a := &attachment{id: message.Id(), generation: message.Generation(), bellPageFD: -1}
	if err := a.fill(message.Bell(), descriptors); err != nil {
		a.free()
		return nil, err
	}
	return a, nil
}

func (a *attachment) fill(bell uint32, descriptors control.Descriptors) error {
	wanted := map[uint32]int{bellEventfd: 4, bellLine: 3}[bell]
	if wanted == 0 || len(descriptors) != wanted {
		return fmt.Errorf("the broker gave bell %d and %d descriptors", bell, len(descriptors))
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
	if a.line, err = pollable(descriptors.Take(2), "line"); err != nil {
		return err
	}
	a.bell = a.line
	if bell == bellEventfd {
		if a.bell, err = pollable(descriptors.Take(3), "eventfd"); err != nil {
			return err
		}
	}
	a.bellPageFD = descriptors.Take(1)
	return nil
}

// pollable makes a file of a descriptor that Go's poller waits for. It owns the descriptor.
func pollable(fd int, name string) (*os.File, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// watchLine sees the producer's end where the line is not the bell as well; it ends when the line is closed.
func (a *attachment) watchLine(poke func()) {
	var bytes [64]byte
	for {
		if _, err := a.line.Read(bytes[:]); err != nil {
			a.hungUp.Store(true)
			poke()
			return
		}
	}
}

// nudge asks the producer to look at the reader page. A full line holds an unanswered nudge already.
func (a *attachment) nudge() {
	raw, err := a.line.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_, _ = unix.SendmsgN(int(fd), []byte{1}, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	})
}

// hangUp ends what the producer notices. Mappings stay until free.
func (a *attachment) hangUp() {
	a.hungUp.Store(true)
	if a.bell != nil {
		_ = a.bell.Close()
	}
	if a.line != nil && a.line != a.bell {
		_ = a.line.Close()
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
