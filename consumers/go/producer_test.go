// SPDX-License-Identifier: Apache-2.0

package framering_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framering"
	"framering/internal/control"
	"framering/internal/livetest"
	"framering/internal/pattern"
	"framering/internal/ring"
	"framering/internal/ringtest"
	"framering/internal/shm"
	"framering/internal/wire"
)

// goProducer is a producer in Go, for conformance: ring, announcement, bell pages and bells by schema/README.md, so
// that C++ readers can be held against a writer that shares no code with them. It knows no leases: nothing that it
// publishes here laps its readers.
type goProducer struct {
	t      *testing.T
	conn   *control.Conn
	writer *ringtest.Writer

	mu      sync.Mutex
	readers []*goProducersReader
}

type goProducersReader struct {
	page    shm.Memory
	bell    ringtest.Bell
	line    int
	byLine  bool
	rungFor uint64
}

func announce(t *testing.T, dir, stream string) *goProducer {
	t.Helper()
	shape := ringtest.Shape{Slots: 1024, ArenaBytes: 16 << 20, MaxFrame: 1 << 20, Generation: 0x1234567890}
	memory, fd, err := shm.Create("go-ring", shape.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(memory.Unmap)
	ctx, cancel := context.WithTimeout(context.Background(), livetest.Patience)
	defer cancel()
	conn, err := control.Dial(ctx, dir, "producer.sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	p := &goProducer{t: t, conn: conn, writer: ringtest.New(memory, shape)}
	if err := conn.Send(func(message wire.Message) error {
		message.SetRequest(1)
		a, err := message.NewAnnounce()
		if err != nil {
			return err
		}
		a.SetProtocol(wire.ProtocolVersion)
		a.SetLayout(ring.LayoutVersion)
		a.SetGeneration(shape.Generation)
		return errors.Join(a.SetStream(stream), a.SetProgram("go producer of the tests"))
	}, fd); err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(fd)
	message, _, err := conn.Receive()
	if err != nil || message.Which() != wire.Message_Which_announced {
		t.Fatalf("announce: %v, %v, %v", err, message.Which(), control.Refusal(message))
	}
	go p.serve()
	return p
}

func (p *goProducer) serve() {
	for {
		message, descriptors, err := p.conn.Receive()
		if err != nil {
			return // the end of the test
		}
		if message.Which() == wire.Message_Which_addReader {
			if err := p.add(message, descriptors); err != nil {
				p.t.Errorf("addReader: %v", err)
			}
		}
		descriptors.Close()
	}
}

func (p *goProducer) add(message wire.Message, descriptors control.Descriptors) error {
	wish, err := message.AddReader()
	if err != nil {
		return err
	}
	page, err := shm.MapForeign(descriptors[0], shm.PageBytes, shm.PageBytes)
	if err != nil {
		return err
	}
	memory, bellFD, err := shm.Create("go-bell", shm.PageBytes)
	if err != nil {
		return err
	}
	bell := ringtest.NewBell(memory)
	line, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	kind := uint32(0) // futex
	if wish.Bell() != 0 {
		kind = 2 // line
	}
	p.mu.Lock()
	p.readers = append(p.readers, &goProducersReader{page: page, bell: bell, line: line[0], byLine: kind == 2})
	p.mu.Unlock()
	id, request := wish.Id(), message.Request()
	bell.Attach() // publish takes the same lock: from here on it looks at the page
	err = p.conn.Send(func(answer wire.Message) error {
		answer.SetRequest(request)
		added, err := answer.NewReaderAdded()
		if err != nil {
			return err
		}
		added.SetId(id)
		added.SetBell(kind)
		return nil
	}, bellFD, line[1])
	_ = unix.Close(bellFD)
	_ = unix.Close(line[1])
	return err
}

// publish writes a pattern frame and rings who sleeps, W1 to W8.
func (p *goProducer) publish(number uint64, size int) {
	frame := make([]byte, size)
	pattern.Write(frame, number)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writer.Publish(frame, ring.FlagKey)
	for _, reader := range p.readers {
		wake := reader.page.Word(64).Load()
		if wake == 0 || wake > number || wake == reader.rungFor {
			continue
		}
		reader.rungFor = wake
		if reader.byLine {
			_, _ = unix.SendmsgN(reader.line, []byte{1}, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		} else {
			reader.bell.Ring()
		}
	}
}

func TestCppAndGoReadersReadARingWrittenByGo(t *testing.T) {
	t.Parallel()
	const frames = 400
	w := livetest.New(t)
	w.Needs(cppReader)
	w.Broker()
	p := announce(t, w.Dir, "go/ring")
	goReader := open(t, w, "go/ring", framering.Options{Policy: framering.Every, Start: framering.StartOldest})
	cpp := w.Start(nil, cppReader, "cat", "go/ring", "--verify", "--policy", "every", "--start", "oldest", "--frames", "400")
	w.Until("both are attached", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.readers) == 2
	})
	go func() {
		for n := range uint64(frames) {
			p.publish(n+1, 1000+int(n)*37)
			time.Sleep(2 * time.Millisecond)
		}
	}()
	var frame framering.Frame
	read(t, timeout(t, 2*livetest.Patience), goReader, &frame, frames)
	if r := cpp.Report(livetest.Patience); r != (livetest.Report{Delivered: frames}) {
		t.Fatalf("the C++ reader counted %+v", r)
	}
}
