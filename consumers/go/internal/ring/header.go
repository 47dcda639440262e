// SPDX-License-Identifier: Apache-2.0

// Package ring reads a mapped ring: what it says about itself, its frames, and which of them comes next.
// Specification and letters (R1, W2, ...): schema/README.md. Nothing here believes a number of the ring before
// it is checked, and nothing allocates after Open.
package ring

import (
	"errors"
	"fmt"

	"framering/internal/shm"
)

// LayoutVersion is the one that this package reads.
const LayoutVersion = 1

// The layout, schema/README.md "The ring".
const (
	magic       = 0x474E4952454D5246
	headerBytes = 512
	slotBytes   = 128
	pageBytes   = 4096

	parameterSetsOffset = 4096
	parameterSetBytes   = 2048
	parameterSetHeader  = 16
	slotsOffset         = 8192

	atHead            = 128
	atNewestKey       = 136
	atReclaimed       = 192
	atIntent          = 200
	atParameterIntent = 208
	atState           = 256
	atStateSince      = 264
	atHeartbeat       = 272
	atParameterSet    = 280
	atWidth           = 288
	atHeight          = 292

	maxSlots      = 65536
	maxArenaBytes = 64 << 30
	maxLeaseCells = 64
	maxNumber     = 1 << 62

	// MinBytes and MaxBytes bound the length of a ring.
	MinBytes = slotsOffset + 2*slotBytes + pageBytes
	MaxBytes = slotsOffset + maxSlots*slotBytes + pageBytes + maxArenaBytes

	flagInterCoded     = 1 << 16
	mustUnderstandBits = 0xFFFF0000
	knownHeaderFlags   = flagInterCoded
)

// ErrNewerLayout is wrapped by the refusal of a ring that another layout version wrote.
var ErrNewerLayout = errors.New("another layout version")

// Header is what the ring says of itself once, before it is ready; checked.
type Header struct {
	Generation    uint64
	SegmentBytes  uint64
	ArenaOffset   uint64
	ArenaBytes    uint64
	SlotCount     uint64
	Codec         uint32
	InterCoded    bool
	TimeBaseNum   uint32
	TimeBaseDen   uint32
	MaxWidth      uint32
	MaxHeight     uint32
	MaxFrameBytes uint64
	LeaseCells    uint32
	MaxReaders    uint32
	CreatedNs     uint64
}

func field32(m shm.Memory, at uint64) uint32 { return m.Word32(at).Load() }
func field64(m shm.Memory, at uint64) uint64 { return m.Word(at).Load() }

// parseHeader copies the header to a local and then checks that local.
func parseHeader(m shm.Memory) (Header, error) {
	if uint64(len(m)) < MinBytes {
		return Header{}, fmt.Errorf("ring of %d bytes is shorter than the smallest, %d", len(m), MinBytes)
	}
	if got := field64(m, 0); got != magic {
		return Header{}, fmt.Errorf("no ring, or not ready: magic is %#x", got)
	}
	if version := field32(m, 8); version != LayoutVersion {
		side := "this program must be upgraded"
		if version < LayoutVersion {
			side = "the producer must be upgraded"
		}
		return Header{}, fmt.Errorf("%w: the ring has layout %d, this reader knows %d: %s", ErrNewerLayout, version,
			LayoutVersion, side)
	}
	flags := field32(m, 68)
	h := Header{
		Generation:    field64(m, 16),
		SegmentBytes:  field64(m, 24),
		ArenaOffset:   field64(m, 32),
		ArenaBytes:    field64(m, 40),
		SlotCount:     uint64(field32(m, 48)),
		Codec:         field32(m, 64),
		InterCoded:    flags&flagInterCoded != 0,
		TimeBaseNum:   field32(m, 72),
		TimeBaseDen:   field32(m, 76),
		MaxWidth:      field32(m, 80),
		MaxHeight:     field32(m, 84),
		MaxFrameBytes: field64(m, 88),
		LeaseCells:    field32(m, 96),
		MaxReaders:    field32(m, 100),
		CreatedNs:     field64(m, 104),
	}
	wrong := func(what string, value uint64) (Header, error) {
		return Header{}, fmt.Errorf("ring header: impossible %s %d", what, value)
	}
	slotsEnd := uint64(slotsOffset) + h.SlotCount*slotBytes
	switch {
	case field32(m, 12) != headerBytes:
		return wrong("header_bytes", uint64(field32(m, 12)))
	case flags&mustUnderstandBits&^knownHeaderFlags != 0:
		return Header{}, fmt.Errorf("ring header: flags %#x include one that this reader does not know: upgrade it", flags)
	case h.Generation == 0:
		return wrong("generation", 0)
	case h.SegmentBytes != uint64(len(m)):
		return wrong("segment_bytes", h.SegmentBytes)
	case h.SlotCount < 2 || h.SlotCount > maxSlots || h.SlotCount&(h.SlotCount-1) != 0:
		return wrong("slot_count", h.SlotCount)
	case field32(m, 52) != slotBytes:
		return wrong("slot_bytes", uint64(field32(m, 52)))
	case field64(m, 56) != slotsOffset:
		return wrong("slots_offset", field64(m, 56))
	case field64(m, 112) != parameterSetsOffset:
		return wrong("parameter_sets_offset", field64(m, 112))
	case h.ArenaOffset%pageBytes != 0 || h.ArenaOffset < slotsEnd || h.ArenaOffset > h.SegmentBytes:
		return wrong("arena_offset", h.ArenaOffset)
	case h.ArenaBytes%pageBytes != 0 || h.ArenaBytes == 0 || h.ArenaBytes > h.SegmentBytes-h.ArenaOffset:
		return wrong("arena_bytes", h.ArenaBytes)
	case h.TimeBaseNum == 0 || h.TimeBaseDen == 0:
		return wrong("time base with", 0)
	case h.MaxFrameBytes == 0 || h.MaxFrameBytes > h.ArenaBytes/4:
		return wrong("max_frame_bytes", h.MaxFrameBytes)
	case h.LeaseCells > maxLeaseCells:
		return wrong("lease_cells", uint64(h.LeaseCells))
	}
	return h, nil
}
