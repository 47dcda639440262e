// SPDX-License-Identifier: Apache-2.0

package framering

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"framering/internal/control"
	"framering/internal/ring"
	"framering/internal/wire"
)

const (
	shortestBackoff = 10 * time.Millisecond
	longestBackoff  = 2 * time.Second
	retrySoon       = 500 * time.Millisecond // limit, noSuchStream, producerFailed
	retryLater      = 2 * time.Second        // any other refusal
	leastStay       = 50 * time.Millisecond  // else a producer that drops readers at once has them spend all attaches
)

// link keeps a reader attached: it finds the broker, attaches, claims after the broker's restart, attaches again
// after the producer's. One goroutine for each reader; frames do not pass here.
type link struct {
	dir, stream, name string
	pageFD            int
	bell              uint32
	poke              func()
	attachedAt        time.Time // run's goroutine only

	mu      sync.Mutex
	current *attachment // to be claimed from a new broker; nil: attach
	arrived *attachment // for the reader to take
	failure error       // for the reader's owner to hear, once
	conn    *control.Conn
	spoiled error // what the broker gave turned out unusable
}

// run ends with ctx.
func (l *link) run(ctx context.Context) {
	backoff := shortestBackoff
	for ctx.Err() == nil {
		conn, err := control.Dial(ctx, l.dir, control.ConsumerSocket)
		if err != nil {
			waitForSocket(ctx, control.SocketDir(l.dir), backoff)
			backoff = min(backoff*2, longestBackoff)
			continue
		}
		l.setConn(conn)
		heard, err := l.serve(ctx, conn)
		l.setConn(nil)
		conn.Close()
		if heard {
			backoff = shortestBackoff
		}
		if err != nil {
			l.fail(err)
			sleep(ctx, retryLater)
			continue
		}
		sleep(ctx, backoff)
		backoff = min(backoff*2, longestBackoff)
	}
}

func (l *link) setConn(conn *control.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = conn
}

// serve speaks over one connection until it ends. An error is for the owner; the end of the broker is none.
func (l *link) serve(ctx context.Context, conn *control.Conn) (heard bool, err error) {
	defer context.AfterFunc(ctx, conn.Close)()
	if err := l.introduce(conn); err != nil {
		return false, nil
	}
	for {
		message, descriptors, err := conn.Receive()
		if err != nil {
			return heard, l.takeSpoiled()
		}
		heard = true
		err = l.handle(ctx, conn, message, descriptors)
		descriptors.Close()
		if errors.Is(err, errAttachAgain) {
			err = l.attach(conn)
		}
		if err != nil {
			return heard, err
		}
	}
}

// errAttachAgain is how handle asks for another attach.
var errAttachAgain = errors.New("attach again")

func (l *link) handle(ctx context.Context, conn *control.Conn, message wire.Message, descriptors control.Descriptors) error {
	switch message.Which() {
	case wire.Message_Which_attached:
		attached, err := message.Attached()
		if err != nil {
			return err
		}
		a, err := accept(attached, descriptors)
		if err != nil {
			return err
		}
		l.attachedAt = time.Now()
		l.offer(a)
		return nil
	case wire.Message_Which_claimed:
		return nil
	case wire.Message_Which_detached:
		l.forget()
		sleep(ctx, time.Until(l.attachedAt.Add(leastStay)))
		return errAttachAgain
	case wire.Message_Which_refused:
		return l.refused(ctx, control.Refusal(message))
	}
	return fmt.Errorf("unexpected message %v from the broker", message.Which())
}

func (l *link) refused(ctx context.Context, err error) error {
	wait := retryLater
	var refused *control.RefusedError
	if errors.As(err, &refused) {
		switch refused.Reason {
		case wire.Refused_Reason_limit, wire.Refused_Reason_noSuchStream, wire.Refused_Reason_producerFailed:
			wait = retrySoon
		default:
			l.fail(err)
		}
	}
	sleep(ctx, wait)
	return errAttachAgain
}

// introduce claims what this reader has, or attaches.
func (l *link) introduce(conn *control.Conn) error {
	l.mu.Lock()
	a := l.current
	if a == nil || a.hungUp.Load() || a.bellPageFD < 0 {
		l.current = nil
		l.mu.Unlock()
		return l.attach(conn)
	}
	defer l.mu.Unlock() // so that the descriptor is not closed meanwhile
	return conn.Send(func(message wire.Message) error {
		claim, err := message.NewClaim()
		if err != nil {
			return err
		}
		claim.SetProtocol(wire.ProtocolVersion)
		claim.SetLayout(ring.LayoutVersion)
		claim.SetGeneration(a.generation)
		claim.SetId(a.id)
		claim.SetBell(a.bellKind)
		return errors.Join(claim.SetStream(l.stream), claim.SetName(l.name))
	}, l.pageFD, a.bellPageFD)
}

func (l *link) attach(conn *control.Conn) error {
	return conn.Send(func(message wire.Message) error {
		attach, err := message.NewAttach()
		if err != nil {
			return err
		}
		message.SetRequest(1)
		attach.SetProtocol(wire.ProtocolVersion)
		attach.SetLayout(ring.LayoutVersion)
		attach.SetWait(true)
		attach.SetBell(l.bell)
		return errors.Join(attach.SetStream(l.stream), attach.SetName(l.name))
	}, l.pageFD)
}

// offer puts an attachment where the reader takes it; one that it never took is freed.
func (l *link) offer(a *attachment) {
	l.mu.Lock()
	old := l.arrived
	l.arrived, l.current = a, a
	l.mu.Unlock()
	if old != nil {
		old.free()
	}
	if a.bell != a.line {
		go a.watchLine(l.poke)
	}
	l.poke()
}

// peek shows the generation of what waits to be taken; take takes it.
func (l *link) peek() (generation uint64, waiting bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.arrived == nil {
		return 0, false
	}
	return l.arrived.generation, true
}

func (l *link) take() *attachment {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.arrived
	l.arrived = nil
	return a
}

// hangUp closes an attachment's descriptors while no claim uses them.
func (l *link) hangUp(a *attachment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == a {
		l.current = nil
	}
	a.hangUp()
}

func (l *link) forget() {
	l.mu.Lock()
	l.current = nil
	l.mu.Unlock()
	l.poke()
}

// restart begins anew, after a while: what the broker gave is not usable.
func (l *link) restart(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current, l.spoiled = nil, why
	if l.conn != nil {
		l.conn.Close()
	}
}

func (l *link) takeSpoiled() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.spoiled
	l.spoiled = nil
	return err
}

func (l *link) fail(err error) {
	l.mu.Lock()
	l.failure = err
	l.mu.Unlock()
	l.poke()
}

func (l *link) takeFailure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.failure
	l.failure = nil
	return err
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// waitForSocket returns when something was made in the directory, or after the back-off.
func waitForSocket(ctx context.Context, dir string, backoff time.Duration) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		sleep(ctx, backoff)
		return
	}
	file := os.NewFile(uintptr(fd), "inotify")
	defer func() { _ = file.Close() }()
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_ATTRIB); err != nil {
		sleep(ctx, backoff)
		return
	}
	_ = file.SetReadDeadline(time.Now().Add(backoff))
	defer context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Now()) })()
	if ctx.Err() == nil {
		var event [unix.SizeofInotifyEvent + unix.NAME_MAX + 1]byte
		_, _ = file.Read(event[:])
	}
}
