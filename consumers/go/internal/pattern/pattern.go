// SPDX-License-Identifier: Apache-2.0

// Package pattern writes and checks the frames of the pattern source (schema/pattern_frame.h): each carries its
// number and a checksum, so that a torn or wrong frame shows.
package pattern

import (
	"encoding/binary"
	"errors"
)

const (
	magic       = 0x4E52455454415046 // "FPATTERN"
	HeaderBytes = 24
)

// What Check says of a frame that is not whole.
var (
	ErrTooShort = errors.New("pattern frame: too short")
	ErrMagic    = errors.New("pattern frame: no magic number")
	ErrChecksum = errors.New("pattern frame: wrong checksum, so it is torn or altered")
)

func checksum(bytes []byte) uint64 {
	const multiplier = 0x9E3779B97F4A7C15
	lanes := [4]uint64{1, 2, 3, 4}
	mix := func(lane int, word uint64) {
		lanes[lane] = (lanes[lane] ^ word) * multiplier
		lanes[lane] ^= lanes[lane] >> 29
	}
	at := 0
	for ; at+8 <= len(bytes); at += 8 {
		mix(at>>3&3, binary.LittleEndian.Uint64(bytes[at:]))
	}
	if at < len(bytes) {
		var last [8]byte
		copy(last[:], bytes[at:])
		mix(at>>3&3, binary.LittleEndian.Uint64(last[:]))
	}
	return lanes[0] ^ lanes[1]<<1 ^ lanes[2]<<2 ^ lanes[3]<<3 ^ uint64(len(bytes))
}

// Write fills frame, at least HeaderBytes long, as pattern frame number.
func Write(frame []byte, number uint64) {
	payload := frame[HeaderBytes:]
	word := number*0xD1290D3D5C5B3A1F + 1
	for at := 0; at < len(payload); at += 8 {
		word = word*6364136223846793005 + 1442695040888963407
		var bytes [8]byte
		binary.LittleEndian.PutUint64(bytes[:], word)
		copy(payload[at:], bytes[:])
	}
	binary.LittleEndian.PutUint64(frame[0:], magic)
	binary.LittleEndian.PutUint64(frame[8:], number)
	binary.LittleEndian.PutUint64(frame[16:], checksum(payload))
}

// Check returns the number a whole frame carries.
func Check(frame []byte) (uint64, error) {
	if len(frame) < HeaderBytes {
		return 0, ErrTooShort
	}
	number := binary.LittleEndian.Uint64(frame[8:])
	if binary.LittleEndian.Uint64(frame) != magic {
		return number, ErrMagic
	}
	if binary.LittleEndian.Uint64(frame[16:]) != checksum(frame[HeaderBytes:]) {
		return number, ErrChecksum
	}
	return number, nil
}
