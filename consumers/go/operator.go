// SPDX-License-Identifier: Apache-2.0

package framering

import (
	"context"
	"errors"
	"fmt"
	"time"

	"framering/internal/control"
	"framering/internal/wire"
)

// The broker gives a producer 3 s and answers within 5.
const answerTimeout = 6 * time.Second

// Setting of a stream. Range and Unit are for people and only in answers.
type Setting struct {
	Key, Value, Range, Unit string
}

// StreamInfo is a line of the broker's list.
type StreamInfo struct {
	Name          string
	Program       string
	Codec         uint32
	Width, Height uint32
	State         SourceState
	StateSinceNs  uint64 // CLOCK_MONOTONIC
	Generation    uint64
	Head          uint64
	Readers       uint32
}

// Settings says what holds for a stream now.
func Settings(ctx context.Context, socketDir, stream string) ([]Setting, error) {
	return ChangeSettings(ctx, socketDir, stream)
}

// ChangeSettings changes settings of a stream, all or none, and says what holds then. It speaks through the
// operator socket, whose file mode says who may.
func ChangeSettings(ctx context.Context, socketDir, stream string, values ...Setting) ([]Setting, error) {
	if err := control.CheckStreamName(stream); err != nil {
		return nil, err
	}
	var held []Setting
	err := ask(ctx, socketDir, control.OperatorSocket, func(message wire.Message) error {
		change, err := message.NewChangeSettings()
		if err != nil {
			return err
		}
		list, err := change.NewValues(int32(len(values)))
		if err != nil {
			return err
		}
		for i, value := range values {
			if err := errors.Join(list.At(i).SetKey(value.Key), list.At(i).SetValue(value.Value)); err != nil {
				return err
			}
		}
		return change.SetStream(stream)
	}, wire.Message_Which_settings, func(answer wire.Message) error {
		list, err := answer.Settings()
		if err != nil {
			return err
		}
		for i := range list.Len() {
			var setting Setting
			from := list.At(i)
			for to, read := range map[*string]func() (string, error){&setting.Key: from.Key, &setting.Value: from.Value,
				&setting.Range: from.Range, &setting.Unit: from.Unit} {
				if *to, err = control.Text(read()); err != nil {
					return err
				}
			}
			held = append(held, setting)
		}
		return nil
	})
	return held, err
}

// Streams lists what the broker has.
func Streams(ctx context.Context, socketDir string) ([]StreamInfo, error) {
	var streams []StreamInfo
	err := ask(ctx, socketDir, control.ConsumerSocket, func(message wire.Message) error {
		message.SetListStreams()
		return nil
	}, wire.Message_Which_streams, func(answer wire.Message) error {
		list, err := answer.Streams()
		if err != nil {
			return err
		}
		for i := range list.Len() {
			from := list.At(i)
			name, err := control.Text(from.Name())
			if err != nil {
				return err
			}
			program, err := control.Text(from.Program())
			if err != nil {
				return err
			}
			streams = append(streams, StreamInfo{name, program, from.Codec(), from.Width(), from.Height(),
				SourceState(from.State()), from.StateSinceNs(), from.Generation(), from.Head(), from.Readers()})
		}
		return nil
	})
	return streams, err
}

// ask sends one question over a connection of its own and reads the answer.
func ask(ctx context.Context, socketDir, socket string, fill func(wire.Message) error, wanted wire.Message_Which,
	read func(wire.Message) error) error {
	const request = 1
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	conn, err := control.Dial(ctx, socketDir, socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, conn.Close)()
	if err := conn.Send(func(message wire.Message) error {
		message.SetRequest(request)
		return fill(message)
	}); err != nil {
		return err
	}
	message, descriptors, err := conn.Receive()
	if ctx.Err() != nil {
		return fmt.Errorf("the broker did not answer: %w", ctx.Err())
	}
	if err != nil {
		return err
	}
	defer descriptors.Close()
	switch {
	case message.Which() == wire.Message_Which_refused:
		return control.Refusal(message)
	case message.Which() != wanted || message.Request() != request:
		return fmt.Errorf("the broker answered with %v instead of %v", message.Which(), wanted)
	}
	return read(message)
}
