// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/binary"
	"fmt"

	"capnproto.org/go/capnp/v3"

	"framering/internal/wire"
)

const (
	wordBytes   = 8
	maxSegments = 64
	// A message is read field by field a few times; a loop of pointers in it ends here.
	traverseLimit = 16 * uint64(wire.MaxMessageBytes)
	depthLimit    = 16
)

// Parse checks the frame of a flat message: whole words, a segment table that adds up to exactly its length.
// The result points into data.
func Parse(data []byte) (wire.Message, error) {
	if len(data) == 0 || len(data) > int(wire.MaxMessageBytes) || len(data)%wordBytes != 0 {
		return wire.Message{}, fmt.Errorf("%d bytes", len(data))
	}
	segments := uint64(binary.LittleEndian.Uint32(data)) + 1
	table := (4 + 4*segments + wordBytes - 1) &^ (wordBytes - 1)
	if segments > maxSegments || table > uint64(len(data)) {
		return wire.Message{}, fmt.Errorf("%d segments", segments)
	}
	length := table
	for i := range segments {
		length += wordBytes * uint64(binary.LittleEndian.Uint32(data[4+4*i:]))
	}
	if length != uint64(len(data)) {
		return wire.Message{}, fmt.Errorf("segments of %d bytes in %d", length, len(data))
	}
	message, err := capnp.Unmarshal(data)
	if err != nil {
		return wire.Message{}, err
	}
	message.TraverseLimit = traverseLimit
	message.DepthLimit = depthLimit
	return wire.ReadRootMessage(message)
}

// Text is a text field, bounded.
func Text(text string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if len(text) > int(wire.MaxTextBytes) {
		return "", fmt.Errorf("text of %d bytes is over the limit of %d", len(text), wire.MaxTextBytes)
	}
	return text, nil
}

// RefusedError is a refusal of the broker. Text says what was wrong and what to do.
type RefusedError struct {
	Reason wire.Refused_Reason
	Text   string
}

func (e *RefusedError) Error() string { return "refused: " + e.Text }

// Refusal turns a refused message into an error.
func Refusal(message wire.Message) error {
	refused, err := message.Refused()
	if err != nil {
		return fmt.Errorf("bad refusal: %w", err)
	}
	text, err := Text(refused.Text())
	if err != nil {
		return fmt.Errorf("bad refusal: %w", err)
	}
	return &RefusedError{refused.Reason(), text}
}

// CheckStreamName says what is wrong with the name of a stream.
func CheckStreamName(name string) error {
	if name == "" || len(name) > int(wire.MaxNameBytes) {
		return fmt.Errorf("stream name %q: 1 to %d bytes are allowed", name, wire.MaxNameBytes)
	}
	start := 0
	for i := 0; i <= len(name); i++ {
		if i == len(name) || name[i] == '/' {
			if part := name[start:i]; part == "" || part == "." || part == ".." {
				return fmt.Errorf("stream name %q: no part may be empty, \".\" or \"..\"", name)
			}
			start = i + 1
			continue
		}
		if b := name[i]; !('a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_' || b == '.' || b == '-') {
			return fmt.Errorf("stream name %q: only A-Z a-z 0-9 _ . - and / are allowed", name)
		}
	}
	return nil
}
