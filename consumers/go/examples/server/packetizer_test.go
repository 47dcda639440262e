// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"

	"github.com/pion/webrtc/v4"
)

// nal is a NAL unit of a type in Annex B.
func nal(kind byte, bytes int) []byte {
	return append([]byte{0, 0, 0, 1, kind}, make([]byte, bytes)...)
}

func TestAKeyFrameIsOnePictureInSeveralPackets(t *testing.T) {
	p := newPacketizer([]webrtc.RTPHeaderExtensionParameter{{URI: "other", ID: 3}, {URI: playoutDelay, ID: 5}})
	first := p.sequence
	access := bytes.Join([][]byte{nal(0x67, 10), nal(0x68, 4), nal(0x65, 5000)}, nil)
	packets, err := p.packets(access, 2_000_000_000)
	if err != nil || len(packets) < 5 {
		t.Fatalf("%d packets, %v", len(packets), err)
	}
	for i, packet := range packets {
		if packet.SequenceNumber != first+uint16(i) || packet.Timestamp != 2*clockRate {
			t.Errorf("packet %d: number %d, time %d", i, packet.SequenceNumber, packet.Timestamp)
		}
		if packet.Marker != (i == len(packets)-1) {
			t.Errorf("packet %d: marker %v", i, packet.Marker)
		}
		if !bytes.Equal(packet.GetExtension(5), []byte{0, 0, 0}) {
			t.Errorf("packet %d: playout delay % x", i, packet.GetExtension(5))
		}
		if size := packet.MarshalSize(); size > packetBytes+20 {
			t.Errorf("packet %d has %d bytes", i, size)
		}
	}
	if next, _ := p.packets(nal(0x41, 100), 2_033_000_000); len(next) != 1 ||
		next[0].SequenceNumber != first+uint16(len(packets)) || next[0].Timestamp != 2*clockRate+2970 {
		t.Errorf("the next picture: %+v", next)
	}
}

func TestAViewerWithoutTheExtensionGetsNone(t *testing.T) {
	packets, err := newPacketizer(nil).packets(nal(0x41, 100), 0)
	if err != nil || len(packets) != 1 || packets[0].Extension {
		t.Fatalf("%+v, %v", packets, err)
	}
}
