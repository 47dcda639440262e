// SPDX-License-Identifier: Apache-2.0

package framering

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framering/internal/livetest"
)

// line is a doorbell with the producer's end of it.
func line(t *testing.T) (*doorbell, int) {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	bell, err := newLine(ends[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bell.close)
	return bell, ends[1]
}

func expect(t *testing.T, bell *doorbell, want error) {
	t.Helper()
	limit := livetest.Patience
	if errors.Is(want, os.ErrDeadlineExceeded) {
		limit = 50 * time.Millisecond
	}
	if err := bell.setDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	heard := make(chan error, 1)
	go func() { heard <- bell.wait() }()
	select {
	case err := <-heard:
		if !errors.Is(err, want) {
			t.Fatalf("heard %v, not %v", err, want)
		}
	case <-time.After(2 * livetest.Patience):
		t.Fatal("it hangs")
	}
}

func TestALineRingsUntilItsOtherEndIsClosed(t *testing.T) {
	bell, producer := line(t)
	expect(t, bell, os.ErrDeadlineExceeded)
	_, _ = unix.Write(producer, make([]byte, 100))
	expect(t, bell, nil)
	expect(t, bell, nil) // the rest
	expect(t, bell, os.ErrDeadlineExceeded)
	_ = unix.Close(producer)
	expect(t, bell, io.EOF)
}

// To receive them would drop them here, which hangs if they are files of a producer's own file system.
func TestDescriptorsInALineEndItAndAreNotReceived(t *testing.T) {
	bell, producer := line(t)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendmsg(producer, []byte{1}, unix.UnixRights(pipe[1]), nil, 0); err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(pipe[1])
	expect(t, bell, errDescriptorsOnLine)
	// The line holds the pipe's last writer.
	poll := []unix.PollFd{{Fd: int32(pipe[0]), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, 50); err != nil || n != 0 {
		t.Fatalf("the pipe was let go of: %d, %v", n, err)
	}
	_ = unix.Close(producer)
	_ = unix.Close(pipe[0])
}

func TestAnEventfdThatItsProducerMadeBlockingHoldsNobody(t *testing.T) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	bell, err := newEvent(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bell.close)
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	expect(t, bell, os.ErrDeadlineExceeded)
	_, _ = unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	expect(t, bell, nil)
	expect(t, bell, os.ErrDeadlineExceeded)
}
