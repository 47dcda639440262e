// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

func newViewer(window int) *directViewer {
	return &directViewer{window: window, room: make(chan struct{}, 1)}
}

func acknowledgement(timestamp uint64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{acknowledge}, timestamp)
}

func TestAFullWindowWaitsForAnAcknowledgement(t *testing.T) {
	v := newViewer(2)
	for timestamp := range uint64(2) {
		if err := v.waitForRoom(t.Context()); err != nil || !v.wanted(timestamp == 0, timestamp) {
			t.Fatalf("frame %d: %v", timestamp, err)
		}
	}
	full, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := v.waitForRoom(full); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("two of two are in flight: %v", err)
	}
	v.heard(acknowledgement(1)[:8]) // cut short: says nothing
	if !v.full() {
		t.Fatal("half an acknowledgement made room")
	}
	go v.heard(acknowledgement(0))
	if err := v.waitForRoom(t.Context()); err != nil || len(v.inFlight) != 1 {
		t.Fatalf("%v, in flight %v", err, v.inFlight)
	}
	v.heard(acknowledgement(1 << 60)) // cumulative
	if len(v.inFlight) != 0 {
		t.Fatalf("in flight %v", v.inFlight)
	}
}

func TestWithoutAWindowNothingIsWaitedFor(t *testing.T) {
	v := newViewer(0)
	for timestamp := range uint64(100) {
		v.wanted(false, timestamp)
	}
	if v.full() || len(v.inFlight) != 0 {
		t.Fatalf("in flight %v", v.inFlight)
	}
}

func TestAfterAResyncItGoesOnAtAKeyFrame(t *testing.T) {
	v := newViewer(8)
	v.heard([]byte{resync})
	for i, key := range []bool{false, false, true, false} {
		if wanted := v.wanted(key, uint64(i)); wanted != (i >= 2) {
			t.Errorf("frame %d: wanted %v", i, wanted)
		}
	}
}
