// SPDX-License-Identifier: Apache-2.0

// Package framering reads video frames from a Framering broker's streams: whole frames out of shared memory that
// this process cannot write, without CGO, without an allocation for each frame, waiting in Go's own poller.
//
//	reader, err := framering.Open("hdmi/h264", framering.Options{Policy: framering.Live})
//	defer reader.Close()
//	var frame framering.Frame
//	for {
//		if err := reader.Next(ctx, &frame); err != nil { ... }
//		use(frame.Data) // until the next call of Next with the same Frame
//	}
//
// Neither broker nor producer need to be there when a reader is opened, and both may come and go.
package framering

import (
	"errors"
	"fmt"

	"framering/internal/control"
	"framering/internal/ring"
	"framering/internal/wire"
)

// Policy says what a reader does that cannot keep up.
type Policy = ring.Policy

// The policies.
const (
	Live   = ring.Live   // in order; when lapped, or over MaxLag behind, on at the newest key frame
	Newest = ring.Newest // always the newest that can be decoded
	Every  = ring.Every  // in order; each loss is told
)

// Start says where a reader begins.
type Start = ring.Start

// The starting points.
const (
	StartKey    = ring.StartKey    // at the newest key frame
	StartOldest = ring.StartOldest // at the oldest key frame in the history
	StartHead   = ring.StartHead   // at what comes next
)

// Bits of Frame.Flags.
const (
	FlagKey                   = ring.FlagKey
	FlagParameterSetsIncluded = ring.FlagParameterSetsIncluded
	FlagDiscontinuity         = ring.FlagDiscontinuity
	FlagDroppable             = ring.FlagDroppable
)

// Loss counts frames that were not handed out, by cause.
type Loss = ring.Loss

// Counts of a reader since it was opened.
type Counts = ring.Counts

// Reasons in a RefusedError that a program may want to tell apart.
const (
	RefusedNotAllowed = wire.Refused_Reason_notAllowed
	RefusedBadSetting = wire.Refused_Reason_badSetting
)

// RefusedError is a refusal of the broker; its text says what to do.
type RefusedError = control.RefusedError

// What Next and Lease return besides a refusal and the error of their context.
var (
	ErrClosed       = errors.New("framering: the reader is closed")
	ErrBadRing      = errors.New("framering: the ring holds what no producer writes; attaching again")
	ErrStateChanged = errors.New("framering: the state of the source changed")
	ErrNoLease      = errors.New("framering: no free lease cell: release one, or copy")
)

// SourceState is what the producer says of its source.
type SourceState uint32

// The states. NoProducer is this package's: there is no ring, or the one there is was abandoned.
const (
	Starting SourceState = iota
	StateLive
	NoSignal
	UnsupportedResolution
	ChangingResolution
	EncoderError
	FrameTooLarge
	Ended
	Replaced
	Idle
	NoProducer SourceState = 1 << 31
)

func (s SourceState) String() string {
	if s == NoProducer {
		return "no producer"
	}
	names := [...]string{"starting", "live", "no signal", "unsupported resolution", "changing resolution",
		"encoder error", "frame too large", "ended", "replaced", "idle"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state %d", uint32(s))
}

// Options of a reader. The zero value reads live from the newest key frame on.
type Options struct {
	SocketDir string // where the broker's sockets are; default $FRAMERING_DIR, else /run/framering
	Name      string // for people, in `framering stat`; default: the program's name
	Policy    Policy
	Start     Start
	MaxLag    uint64 // frames behind the head at which Live jumps; 0: only when lapped
	Paused    bool   // open without demand; SetDemand(true) ends that

	// A line as bell even where the broker would trust this process with an eventfd.
	LineBell bool
	// Next and Lease return ErrStateChanged when the source has another state and all frames are read.
	StateChanges bool
}

// Frame is a frame's record and, after Next, a copy of its bytes. Use one again and again: Next reuses Data.
type Frame struct {
	ring.Record
	Data       []byte
	Lost       Loss   // since the frame before
	Generation uint64 // of the producer; numbers start at 1 with each
}

// IsKey tells whether decoding can begin here.
func (f *Frame) IsKey() bool { return f.Flags&FlagKey != 0 }
