// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand/v2"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

const (
	clockRate    = 90000
	packetBytes  = 1200 // with IP, UDP, SRTP and header extensions it fits an Ethernet frame
	playoutDelay = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
)

// packetizer makes RTP (RFC 6184) of access units, with their own times: whoever has the library count the frames
// instead builds up delay whenever one is missing.
type packetizer struct {
	payloader codecs.H264Payloader
	sequence  uint16
	delayID   uint8 // of the header extension; 0: the viewer does not know it
}

func newPacketizer(extensions []webrtc.RTPHeaderExtensionParameter) *packetizer {
	p := &packetizer{sequence: uint16(rand.Uint32())}
	for _, extension := range extensions {
		if extension.URI == playoutDelay {
			p.delayID = uint8(extension.ID)
		}
	}
	return p
}

func (p *packetizer) packets(accessUnit []byte, capturedNs uint64) ([]*rtp.Packet, error) {
	payloads := p.payloader.Payload(packetBytes, accessUnit)
	packets := make([]*rtp.Packet, len(payloads))
	for i, payload := range payloads {
		packets[i] = &rtp.Packet{Header: rtp.Header{
			Version:        2,
			Marker:         i == len(payloads)-1,
			SequenceNumber: p.sequence,
			Timestamp:      uint32(capturedNs / 1000 * (clockRate / 1000) / 1000),
		}, Payload: payload}
		p.sequence++
		if p.delayID == 0 {
			continue
		}
		// From 0 to 0: show each picture as soon as it is decoded, instead of smoothing at the cost of delay.
		if err := packets[i].SetExtension(p.delayID, []byte{0, 0, 0}); err != nil {
			return nil, err
		}
	}
	return packets, nil
}
