// SPDX-License-Identifier: Apache-2.0

package framering

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"framering/internal/control"
	"framering/internal/ring"
	"framering/internal/shm"
)

// Reader reads one stream, through restarts of its producer and of the broker. Next and Lease are for one
// goroutine at a time; everything else may be called from any.
type Reader struct {
	options Options
	link    *link
	cancel  context.CancelFunc

	reading sync.Mutex // held by Next and Lease: one at a time

	mu      sync.Mutex // guards what follows; Next and Lease let go of it while they sleep
	cursor  *ring.Cursor
	current *attachment
	resumed bool
	seen    ring.State
	waiter  waiter
	leases  int

	shared  sync.RWMutex // what other goroutines look at while Next waits
	page    shm.Memory
	pageFD  int
	visible *attachment
	closed  atomic.Bool
}

// Open makes a reader and returns at once; it attaches in the background.
func Open(stream string, options Options) (*Reader, error) {
	if err := control.CheckStreamName(stream); err != nil {
		return nil, err
	}
	if options.Name == "" {
		options.Name = filepath.Base(os.Args[0])
	}
	page, fd, err := ring.NewReaderPage()
	if err != nil {
		return nil, fmt.Errorf("reader page: %w", err)
	}
	ring.SetDemand(page, !options.Paused)
	bell := uint32(bellEventfd)
	if options.LineBell {
		bell = bellLine
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Reader{
		options: options,
		cancel:  cancel,
		cursor:  ring.NewCursor(page, options.Policy, options.MaxLag),
		page:    page,
		pageFD:  fd,
	}
	r.waiter.news = make(chan struct{}, 1)
	r.link = &link{dir: options.SocketDir, stream: stream, name: options.Name, pageFD: fd, bell: bell,
		poke: r.waiter.poke}
	go r.keep(ctx)
	return r, nil
}

// keep runs the link; the page's descriptor lives as long as messages carry it.
func (r *Reader) keep(ctx context.Context) {
	r.link.run(ctx)
	_ = unix.Close(r.pageFD)
	if a := r.link.take(); a != nil {
		a.free()
	}
}

// Next copies the next frame into frame, waiting for it as long as ctx allows.
func (r *Reader) Next(ctx context.Context, frame *Frame) error {
	return r.NextBefore(ctx, time.Time{}, frame)
}

// NextBefore is Next that returns os.ErrDeadlineExceeded at the deadline; unlike a context made for each call
// that costs no allocation. The zero time is none.
func (r *Reader) NextBefore(ctx context.Context, deadline time.Time, frame *Frame) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		outcome := ring.Nothing
		if err := r.prepare(); err != nil {
			return err
		}
		if r.current != nil {
			outcome = r.cursor.CopyNext(&frame.Record, &frame.Data, &frame.Lost)
		}
		if done, err := r.settle(ctx, deadline, outcome, frame); done {
			return err
		}
	}
}

// prepare looks at what the link brought.
func (r *Reader) prepare() error {
	if r.closed.Load() {
		return ErrClosed
	}
	if !r.waiter.poked.Swap(false) {
		return nil
	}
	r.takeOver(false)
	return r.link.takeFailure()
}

// takeOver goes on with what the link brought, with another generation only when the old ring is drained.
func (r *Reader) takeOver(drained bool) bool {
	generation, waiting := r.link.peek()
	switch {
	case !waiting:
		return false
	case r.current == nil:
	case r.current.generation == generation:
		r.rebind(r.link.take())
		return true
	case !drained:
		return false
	default:
		r.leave()
	}
	r.adopt(r.link.take())
	return true
}

// settle acts on the outcome of a look at the ring; done: Next returns err.
func (r *Reader) settle(ctx context.Context, deadline time.Time, outcome ring.Outcome, frame *Frame) (bool, error) {
	if r.cursor.TakeKeyWish() {
		r.RequestKey()
	}
	switch outcome {
	case ring.GotFrame:
		frame.Generation = r.current.generation
		return true, nil
	case ring.NoCell:
		return true, ErrNoLease
	case ring.Broken:
		r.leave()
		r.link.restart(ErrBadRing)
		return false, nil
	}
	// All is read: only now a newer generation may take over.
	if r.takeOver(true) {
		return false, nil
	}
	if r.current != nil {
		if state, _ := r.current.view.SourceState(); state != r.seen {
			r.seen = state
			if r.options.StateChanges {
				return true, ErrStateChanged
			}
		}
	}
	err := r.wait(ctx, deadline)
	return err != nil, err
}

// adopt begins to read another ring.
func (r *Reader) adopt(a *attachment) {
	start := r.options.Start
	if r.resumed {
		// Whoever wants every frame begins a later generation at its first.
		start = ring.StartKey
		if r.options.Policy == Every {
			start = ring.StartOldest
		}
	}
	r.use(a)
	r.cursor.Attach(a.view, a.bellPage, start, r.resumed)
	r.resumed = true
	r.seen, _ = a.view.SourceState()
}

// rebind goes on in the same ring after the producer had let go of this reader.
func (r *Reader) rebind(a *attachment) {
	old := r.current
	r.use(a)
	r.cursor.Rebind(a.view, a.bellPage)
	r.drop(old)
}

func (r *Reader) use(a *attachment) {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	ring.SetAttachedNs(r.page, uint64(now.Nano()))
	a.uses++
	r.shared.Lock()
	r.current, r.visible = a, a
	r.shared.Unlock()
	r.waiter.bell.Store(a.bell)
}

func (r *Reader) leave() {
	if old := r.current; old != nil {
		r.shared.Lock()
		r.current, r.visible = nil, nil
		r.shared.Unlock()
		r.waiter.bell.Store(nil)
		r.drop(old)
	}
}

// drop ends one use; the last unmaps.
func (r *Reader) drop(a *attachment) {
	if a.uses--; a.uses == 0 {
		r.link.hangUp(a)
		a.free()
	} else if a != r.current {
		r.link.hangUp(a)
	}
}

// Close ends the reader; a waiting Next returns ErrClosed. Leases stay usable until they are released.
func (r *Reader) Close() {
	if r.closed.Swap(true) {
		return
	}
	r.waiter.poke()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leave()
	r.waiter.watch(context.Background())
	r.cancel()
	r.freePage()
}

// freePage unmaps the page after Close and the last lease.
func (r *Reader) freePage() {
	if r.leases == 0 {
		r.shared.Lock()
		r.page.Unmap()
		r.shared.Unlock()
	}
}

// Counts are those of the reader's whole life.
func (r *Reader) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cursor.Counts
}
