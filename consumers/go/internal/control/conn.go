// SPDX-License-Identifier: Apache-2.0

// Package control speaks with the broker: one Cap'n Proto message for each SOCK_SEQPACKET datagram, with
// descriptors beside it. Specification: schema/README.md, "Control messages".
package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"capnproto.org/go/capnp/v3"
	"golang.org/x/sys/unix"

	"framering/internal/wire"
)

// Sockets of the broker, by role.
const (
	ConsumerSocket = "consumer.sock"
	OperatorSocket = "operator.sock"
)

const sendTimeout = 2 * time.Second

// SocketDir is dir, or what the environment says, or the default.
func SocketDir(dir string) string {
	if dir == "" {
		dir = os.Getenv("FRAMERING_DIR")
	}
	if dir == "" {
		dir = "/run/framering"
	}
	return dir
}

// Conn is one connection to the broker. Send and Receive may be used by two goroutines, one each.
type Conn struct {
	socket  *net.UnixConn
	data    []byte
	control []byte
}

// Dial connects to a socket of the broker.
func Dial(ctx context.Context, dir, socket string) (*Conn, error) {
	path := filepath.Join(SocketDir(dir), socket)
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unixpacket", path)
	if err != nil {
		return nil, fmt.Errorf("no broker at %s (is framering-broker running?): %w", path, err)
	}
	return New(conn.(*net.UnixConn)), nil
}

// New speaks over a connected SOCK_SEQPACKET socket.
func New(socket *net.UnixConn) *Conn {
	return &Conn{
		socket:  socket,
		data:    make([]byte, wire.MaxMessageBytes+8), // room to see that one is too long
		control: make([]byte, unix.CmsgSpace(4*(int(wire.MaxDescriptors)+4))),
	}
}

// Close ends the connection, and with it the reader that was attached over it.
func (c *Conn) Close() { _ = c.socket.Close() }

// SetReadDeadline bounds Receive; the zero time ends that.
func (c *Conn) SetReadDeadline(t time.Time) { _ = c.socket.SetReadDeadline(t) }

// Send fills a message and sends it with descriptors, which stay the caller's.
func (c *Conn) Send(fill func(wire.Message) error, descriptors ...int) error {
	message, segment, err := capnp.NewMessage(capnp.SingleSegment(nil))
	if err != nil {
		return err
	}
	root, err := wire.NewRootMessage(segment)
	if err != nil {
		return err
	}
	if err := fill(root); err != nil {
		return err
	}
	data, err := message.Marshal()
	if err != nil {
		return err
	}
	if len(data) > int(wire.MaxMessageBytes) || len(descriptors) > int(wire.MaxDescriptors) {
		return fmt.Errorf("message of %d bytes with %d descriptors is over the limit", len(data), len(descriptors))
	}
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	_ = c.socket.SetWriteDeadline(time.Now().Add(sendTimeout))
	_, _, err = c.socket.WriteMsgUnix(data, rights, nil)
	return err
}

// Receive returns the next message and its descriptors, which are then the caller's. Only valid until the next
// Receive.
func (c *Conn) Receive() (wire.Message, Descriptors, error) {
	n, controlBytes, flags, _, err := c.socket.ReadMsgUnix(c.data, c.control)
	if err != nil {
		return wire.Message{}, nil, err
	}
	descriptors, err := parseRights(c.control[:controlBytes])
	if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = errors.New("truncated")
	}
	if err == nil && len(descriptors) > int(wire.MaxDescriptors) {
		err = fmt.Errorf("%d descriptors", len(descriptors))
	}
	var message wire.Message
	if err == nil {
		message, err = Parse(c.data[:n])
	}
	if err != nil {
		descriptors.Close()
		return wire.Message{}, nil, fmt.Errorf("bad message from the broker: %w", err)
	}
	return message, descriptors, nil
}

// Descriptors that came with a message. Taken ones are -1.
type Descriptors []int

// Take hands descriptor i to the caller, -1 if there is none.
func (d Descriptors) Take(i int) int {
	if i >= len(d) {
		return -1
	}
	fd := d[i]
	d[i] = -1
	return fd
}

// Close closes all that were not taken.
func (d Descriptors) Close() {
	for i := range d {
		if d[i] >= 0 {
			_ = unix.Close(d[i])
			d[i] = -1
		}
	}
}

func parseRights(control []byte) (Descriptors, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, fmt.Errorf("control data: %w", err)
	}
	var all Descriptors
	for i := range messages {
		if messages[i].Header.Level == unix.SOL_SOCKET && messages[i].Header.Type == unix.SCM_RIGHTS {
			rights, err := unix.ParseUnixRights(&messages[i])
			if err != nil {
				return all, fmt.Errorf("descriptors: %w", err)
			}
			all = append(all, rights...)
		}
	}
	return all, nil
}
