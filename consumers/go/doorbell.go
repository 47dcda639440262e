// SPDX-License-Identifier: Apache-2.0

package framering

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// doorbell is what a producer rings: a line or an eventfd. The open file is the producer's as well, who may make it
// blocking at any time, and leave descriptors in a line; so no plain read(2) here.
type doorbell struct {
	file *os.File
	raw  syscall.RawConn
	look func(fd uintptr) bool // made once: frames must not allocate
	end  error                 // what the last look found; nil: a ring

	bytes  [64]byte
	vector [][]byte    // of an eventfd: its counter
	header unix.Msghdr // of a line: no room for descriptors
	part   unix.Iovec
}

var errDescriptorsOnLine = errors.New("the producer left descriptors in the line")

// newDoorbell owns the descriptor.
func newDoorbell(fd int, name string) (*doorbell, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	d := &doorbell{file: os.NewFile(uintptr(fd), name)}
	raw, err := d.file.SyscallConn()
	if err != nil {
		_ = d.file.Close()
		return nil, err
	}
	d.raw = raw
	return d, nil
}

func newLine(fd int) (*doorbell, error) {
	d, err := newDoorbell(fd, "line")
	if err == nil {
		d.part.Base = &d.bytes[0]
		d.part.SetLen(len(d.bytes))
		d.look = d.lookAtLine
	}
	return d, err
}

func newEvent(fd int) (*doorbell, error) {
	d, err := newDoorbell(fd, "eventfd")
	if err == nil {
		d.vector = [][]byte{d.bytes[:8]}
		d.look = d.lookAtEvent
	}
	return d, err
}

// wait returns after a ring, or with the error that ended it: a deadline, or the producer's end.
func (d *doorbell) wait() error {
	if err := d.raw.Read(d.look); err != nil {
		return err
	}
	return d.end
}

func (d *doorbell) setDeadline(t time.Time) error { return d.file.SetReadDeadline(t) }

// close does not wait: what a producer left in a line may hang when the kernel drops it.
func (d *doorbell) close() {
	_ = d.file.SetReadDeadline(time.Unix(1, 0))
	go func() { _ = d.file.Close() }()
}

// lookAtLine takes no more than it has looked at: to receive descriptors without room for them drops them, which may
// hang as well. (unix.Recvmsg allocates.)
func (d *doorbell) lookAtLine(fd uintptr) bool {
	for {
		d.header = unix.Msghdr{Iov: &d.part}
		d.header.SetIovlen(1)
		n, _, err := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&d.header)), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return false
		case err != 0:
			d.end = err
		case d.header.Flags&unix.MSG_CTRUNC != 0:
			d.end = errDescriptorsOnLine
		case n == 0:
			d.end = io.EOF
		default:
			_, _, _ = unix.Syscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&d.bytes[0])), n, unix.MSG_DONTWAIT, 0, 0)
			d.end = nil
		}
		return true
	}
}

// readIfRung is second best: a producer that is quicker with a read of its own can hold us.
func readIfRung(fd int, counter []byte) error {
	poll := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll[:], 0)
	if err == nil && n == 0 {
		err = unix.EAGAIN
	}
	if err == nil {
		_, err = unix.Read(fd, counter)
	}
	return err
}

func (d *doorbell) lookAtEvent(fd uintptr) bool {
	for {
		_, err := unix.Preadv2(int(fd), d.vector, -1, unix.RWF_NOWAIT)
		if err == unix.ENOSYS || err == unix.EOPNOTSUPP { // a sandbox, or an emulator
			err = readIfRung(int(fd), d.bytes[:8])
		}
		if err == unix.EINTR {
			continue
		}
		d.end = err
		return err != unix.EAGAIN
	}
}
