// SPDX-License-Identifier: Apache-2.0

package framering

import (
	"context"
	"time"

	"framering/internal/ring"
)

// Lease protects a frame in place: Frame.Data points into the ring and must not be written. For work whose
// result can be thrown away (decode, hash, scale); what leaves the process is to be copied and Valid asked before
// it is sent, since a revoked lease cannot be unsent.
type Lease struct {
	Frame
	lease  ring.Lease
	owner  *Reader
	holder *attachment
}

// Lease hands out the next frame in place, waiting for it as long as ctx allows. lease may be used again
// and again; what it still holds is released first. ErrNoLease: release one, or use Next.
func (r *Reader) Lease(ctx context.Context, lease *Lease) error {
	lease.Release()
	r.reading.Lock()
	defer r.reading.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if err := r.prepare(); err != nil {
			return err
		}
		outcome := ring.Nothing
		if r.current != nil && ring.AttachmentOf(r.current.bellPage) != ring.Pending {
			outcome = r.cursor.LeaseNext(&lease.Record, &lease.lease, &lease.Lost)
		}
		if outcome == ring.GotFrame {
			r.leases++
			r.current.uses++
			lease.Data, lease.owner, lease.holder = lease.lease.Bytes, r, r.current
		}
		if done, err := r.settle(ctx, time.Time{}, outcome, &lease.Frame); done {
			return err
		}
	}
}

// Valid is to be asked after the last look at the bytes: false means that they may have been overwritten and
// what was computed from them is worth nothing.
func (l *Lease) Valid() bool { return l.lease.Valid() }

// Release gives the frame back and says whether the lease was valid to the end. Any goroutine may call it, also
// after Close; a second time, or through a copy, it does nothing.
func (l *Lease) Release() bool {
	r := l.owner
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	holder := l.holder
	l.Data, l.owner, l.holder = nil, nil, nil
	if !l.lease.Holds() {
		return false
	}
	valid := l.lease.Release()
	r.leases--
	r.drop(holder)
	if r.closed.Load() {
		r.freePage()
	}
	return valid
}
