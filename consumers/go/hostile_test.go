// SPDX-License-Identifier: Apache-2.0

package framering_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"framering"
	"framering/internal/control"
	"framering/internal/livetest"
	"framering/internal/ring"
	"framering/internal/ringtest"
	"framering/internal/shm"
	"framering/internal/wire"
)

// answerAttach is a broker for one attach, which it answers with what the test gives.
func answerAttach(t *testing.T, answer func(conn *control.Conn) error) string {
	t.Helper()
	dir := t.TempDir()
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(dir, "consumer.sock"), Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		socket, err := listener.AcceptUnix()
		if err != nil {
			return
		}
		conn := control.New(socket)
		t.Cleanup(conn.Close)
		message, descriptors, err := conn.Receive()
		if err != nil || message.Which() != wire.Message_Which_attach || len(descriptors) != 1 {
			t.Errorf("the reader introduces itself with %v, %d descriptors, %v", message.Which(), len(descriptors), err)
		}
		descriptors.Close()
		if err := answer(conn); err != nil {
			t.Error(err)
		}
		_, _, _ = conn.Receive() // until the reader hangs up
	}()
	return dir
}

func attached(generation uint64, descriptors ...int) func(*control.Conn) error {
	return func(conn *control.Conn) error {
		return conn.Send(func(message wire.Message) error {
			a, err := message.NewAttached()
			if err != nil {
				return err
			}
			a.SetGeneration(generation)
			a.SetBell(2)
			return nil
		}, descriptors...)
	}
}

func TestWhatABrokerSendsIsCheckedAndTheReaderSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	memory, goodRing, err := shm.Create("ring", ringtest.Small.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	writer := ringtest.New(memory, ringtest.Small)
	bell, goodBell, err := shm.Create("bell", shm.PageBytes)
	if err != nil {
		t.Fatal(err)
	}
	ringtest.NewBell(bell)
	unsealed, _ := unix.MemfdCreate("ring", unix.MFD_ALLOW_SEALING)
	_ = unix.Fallocate(unsealed, 0, 0, int64(ringtest.Small.Bytes()))
	line, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	writer.Publish(make([]byte, 100), ring.FlagKey)
	spoiled, spoiledRing, err := shm.Create("ring", ringtest.Small.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	shape := ringtest.Small
	shape.InterCoded = true
	bad := ringtest.New(spoiled, shape)
	bad.Publish(make([]byte, 100), ring.FlagKey)
	bad.Publish(make([]byte, 100), 0)
	spoiled.Word32(bad.Slot(2) + 24).Store(1 << 31)

	newer, newerRing, err := shm.Create("ring", ringtest.Small.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	ringtest.New(newer, ringtest.Small)
	newer.Word32(8).Store(ring.LayoutVersion + 1)

	for named, answer := range map[string]func(*control.Conn) error{
		"not sealed":         attached(7, unsealed, goodBell, line[1]),
		"no bell page":       attached(7, goodRing, emptyPage(t), line[1]),
		"is of generation 7": attached(8, goodRing, goodBell, line[1]),
		"2 descriptors":      attached(7, goodRing, goodBell),
		"no producer writes": attached(7, spoiledRing, goodBell, line[1]),
		"must be upgraded":   attached(7, newerRing, goodBell, line[1]),
		"unexpected message": func(c *control.Conn) error {
			return c.Send(func(m wire.Message) error { m.SetListStreams(); return nil })
		},
		"you may not, uid 42": refuse("you may not, uid 42"),
	} {
		t.Run(named, func(t *testing.T) {
			reader, err := framering.Open("any", framering.Options{SocketDir: answerAttach(t, answer)})
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			var frame framering.Frame
			ctx := timeout(t, livetest.Patience)
			for err = reader.Next(ctx, &frame); err == nil; err = reader.Next(ctx, &frame) {
				t.Logf("frame %d is good", frame.Number)
			}
			if !strings.Contains(err.Error(), named) {
				t.Fatalf("%v", err)
			}
		})
	}
}

func emptyPage(t *testing.T) int {
	_, fd, err := shm.Create("empty", shm.PageBytes)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func refuse(text string) func(*control.Conn) error {
	return func(conn *control.Conn) error {
		return conn.Send(func(message wire.Message) error {
			refused, err := message.NewRefused()
			if err != nil {
				return err
			}
			refused.SetReason(wire.Refused_Reason_notAllowed)
			return refused.SetText(text)
		})
	}
}
