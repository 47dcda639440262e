// SPDX-License-Identifier: Apache-2.0

package control

import (
	"strings"
	"testing"

	"capnproto.org/go/capnp/v3"

	"framering/internal/vectors"
	"framering/internal/wire"
)

func encoded(t testing.TB, fill func(wire.Message) error) []byte {
	t.Helper()
	message, segment, err := capnp.NewMessage(capnp.SingleSegment(nil))
	if err != nil {
		t.Fatal(err)
	}
	root, err := wire.NewRootMessage(segment)
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(root); err != nil {
		t.Fatal(err)
	}
	data, err := message.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func refusal(message wire.Message) error {
	refused, err := message.NewRefused()
	if err != nil {
		return err
	}
	refused.SetReason(wire.Refused_Reason_limit)
	return refused.SetText("64 readers already: raise --max-readers")
}

func TestARefusalKeepsItsReasonAndSentence(t *testing.T) {
	message, err := Parse(encoded(t, refusal))
	if err != nil {
		t.Fatal(err)
	}
	refused, ok := Refusal(message).(*RefusedError)
	if !ok || refused.Reason != wire.Refused_Reason_limit || !strings.Contains(refused.Error(), "--max-readers") {
		t.Fatalf("%v", refused)
	}
}

func TestDatagramsOfTheWrongShapeAreRefused(t *testing.T) {
	good := encoded(t, refusal)
	for name, data := range map[string][]byte{
		"empty":            {},
		"not whole words":  good[:len(good)-1],
		"cut short":        good[:len(good)-8],
		"trailing word":    append(append([]byte{}, good...), make([]byte, 8)...),
		"too long":         make([]byte, 65536+8),
		"4G segments":      append([]byte{255, 255, 255, 255}, good[4:]...),
		"no message at it": {0, 0, 0, 0, 0, 0, 0, 0},
	} {
		if message, err := Parse(data); err == nil && message.IsValid() {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestTextsOverTheLimitAreRefused(t *testing.T) {
	if _, err := Text(strings.Repeat("x", 513), nil); err == nil {
		t.Fatal("513 bytes of text were taken")
	}
}

func TestStreamNames(t *testing.T) {
	for _, name := range []string{"a", "hdmi/h264", "A-Z_0.9/x", strings.Repeat("x", 64)} {
		if err := CheckStreamName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "/a", "a/", "a//b", ".", "a/..", "a b", "ä", strings.Repeat("x", 65)} {
		if CheckStreamName(name) == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(encoded(f, refusal))
	f.Add(encoded(f, func(message wire.Message) error {
		list, err := message.NewSettings(2)
		if err != nil {
			return err
		}
		return list.At(1).SetKey("gop")
	}))
	for _, line := range vectors.Of(f, "message") {
		f.Add(vectors.Unhex(f, line[2]))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		message, err := Parse(data)
		if err != nil {
			return
		}
		switch message.Which() {
		case wire.Message_Which_refused:
			if Refusal(message) == nil {
				t.Fatal("a refusal without an error")
			}
		case wire.Message_Which_attached:
			if attached, err := message.Attached(); err == nil {
				_, _, _ = attached.Id(), attached.Generation(), attached.Bell()
			}
		case wire.Message_Which_detached:
			if detached, err := message.Detached(); err == nil {
				_, _ = detached.Id(), detached.Cause()
			}
		case wire.Message_Which_settings:
			if list, err := message.Settings(); err == nil {
				for i := range min(list.Len(), 100) {
					_, _ = Text(list.At(i).Key())
					_, _ = Text(list.At(i).Range())
				}
			}
		case wire.Message_Which_streams:
			if list, err := message.Streams(); err == nil {
				for i := range min(list.Len(), 100) {
					_, _ = Text(list.At(i).Name())
				}
			}
		}
	})
}
