// SPDX-License-Identifier: Apache-2.0

package framering

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"framering/internal/ring"
)

const (
	longestSleep   = time.Second           // then the line and the attachment are looked at again
	pendingPause   = time.Millisecond      // attached in a moment
	abandonedPause = 10 * time.Millisecond // let go by the producer: frames come, but no bells
)

// waiter lets one goroutine sleep on a bell and any other wake it.
type waiter struct {
	poked atomic.Bool
	news  chan struct{}
	bell  atomic.Pointer[doorbell]

	watched <-chan struct{} // the context whose end pokes
	unwatch func() bool
}

// poke wakes the sleeper, or keeps it from sleeping. The order matters: the sleeper sets its own deadline first
// and looks at poked then, so either it sees poked or this deadline comes after its own.
func (w *waiter) poke() {
	w.poked.Store(true)
	if bell := w.bell.Load(); bell != nil {
		_ = bell.setDeadline(time.Unix(1, 0))
	}
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// watch pokes at the end of ctx. A context that is used again and again is registered once.
func (w *waiter) watch(ctx context.Context) {
	if done := ctx.Done(); done != w.watched {
		if w.unwatch != nil {
			w.unwatch()
			w.unwatch = nil
		}
		w.watched = done
		if done != nil {
			w.unwatch = context.AfterFunc(ctx, w.poke)
		}
	}
}

// wait sleeps until there may be something new. nil: look again. While it sleeps others may take the reader's
// lock: leases are released meanwhile, and Close is not held up.
func (r *Reader) wait(ctx context.Context, deadline time.Time) error {
	r.waiter.watch(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	pause := longestSleep
	if !deadline.IsZero() {
		if pause = min(pause, time.Until(deadline)); pause <= 0 {
			return os.ErrDeadlineExceeded
		}
	}
	a := r.current
	if a == nil || a.hungUp.Load() {
		return r.rest(pause)
	}
	switch ring.AttachmentOf(a.bellPage) {
	case ring.Attached:
	case ring.Pending:
		return r.rest(min(pause, pendingPause))
	default:
		return r.rest(min(pause, abandonedPause))
	}
	if r.cursor.Arm(r.seen) {
		r.mu.Unlock()
		hungUp := r.waiter.listen(a.bell, pause)
		r.mu.Lock()
		if r.closed.Load() { // and the page unmapped
			return ErrClosed
		}
		if hungUp {
			a.hungUp.Store(true)
		}
	}
	r.cursor.Disarm()
	return nil
}

// rest waits without a bell.
func (r *Reader) rest(pause time.Duration) error {
	r.mu.Unlock()
	defer r.mu.Lock()
	r.waiter.rest(pause)
	return nil
}

// listen waits for the bell; true: the other end has hung up.
func (w *waiter) listen(bell *doorbell, pause time.Duration) bool {
	if err := bell.setDeadline(time.Now().Add(pause)); err != nil {
		return true
	}
	if w.poked.Load() {
		return false
	}
	err := bell.wait()
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// rest waits for a poke alone.
func (w *waiter) rest(pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-w.news:
	case <-timer.C:
	}
}
