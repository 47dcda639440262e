// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"framering/internal/shm"
)

// State of the source, header offset 256.
type State uint32

// Flags of a frame.
const (
	FlagKey                   = 1 << 0
	FlagParameterSetsIncluded = 1 << 1
	FlagDiscontinuity         = 1 << 2
	FlagDroppable             = 1 << 3
)

// Record is a copy of a slot.
type Record struct {
	Number       uint64
	position     uint64
	PublishedNs  uint64
	Size         uint32
	PTS, DTS     int64
	CapturedNs   uint64
	EncodedNs    uint64
	ParameterSet uint64
	Flags        uint32
	Codec        uint32
	Width        uint32
	Height       uint32
	Stride       [4]uint32
	PlaneOffset  [4]uint32
	Primaries    uint8
	Transfer     uint8
	Matrix       uint8
	FullRange    bool
}

// View is a mapped ring whose header is checked. It does not own the memory.
type View struct {
	Header
	memory shm.Memory
}

// Open checks a mapped ring.
func Open(memory shm.Memory) (View, error) {
	header, err := parseHeader(memory)
	return View{header, memory}, err
}

// Head is the newest frame, 0: none yet (R1).
func (v *View) Head() uint64 {
	head := v.memory.Word(atHead).Load()
	if head > maxNumber {
		return 0
	}
	return head
}

// newest is the newest frame and the newest key frame, a hint, 0: none. The producer stores the key frame's number
// before the head that brings it, so it is loaded first and may be one more than head: it counts, for who took
// it for none would be handed the oldest frames while a producer stands between the two. Without references
// between frames each of them is one to begin with.
func (v *View) newest() (head, key uint64) {
	key = v.memory.Word(atNewestKey).Load()
	head = v.Head()
	switch {
	case !v.InterCoded:
		key = head
	case key > head+1:
		key = 0
	}
	return head, key
}

// SourceState is the state and since when (CLOCK_MONOTONIC).
func (v *View) SourceState() (State, uint64) {
	return State(v.memory.Word32(atState).Load()), v.memory.Word(atStateSince).Load()
}

// HeartbeatNs is when the producer last showed that it lives (CLOCK_MONOTONIC).
func (v *View) HeartbeatNs() uint64 { return v.memory.Word(atHeartbeat).Load() }

// PictureSize is that of the newest frame.
func (v *View) PictureSize() (width, height uint32) {
	return v.memory.Word32(atWidth).Load(), v.memory.Word32(atHeight).Load()
}

// kept: neither the bytes nor the slot of frame n are given up. The caller has ordered its reads before (R2,
// R5, C).
func (v *View) kept(n, position uint64) bool {
	return position >= v.memory.Word(atReclaimed).Load() && v.slotKept(n)
}

func (v *View) slotKept(n uint64) bool {
	intent := v.memory.Word(atIntent).Load()
	return n+v.SlotCount > intent
}

type found uint8

const (
	foundWhole   found = iota
	foundLapped        // given up
	foundInvalid       // no correct producer writes this
)

// read copies the record of frame n, 1 <= n <= head (R2). All its loads are atomic and Go's are sequentially
// consistent, so none of them is late when kept() looks: no fence is needed here.
func (v *View) read(n uint64, record *Record) found {
	slot := v.memory.Words16(slotsOffset + n&(v.SlotCount-1)*slotBytes)
	number := slot[0].Load()
	record.Number = number
	record.position = slot[1].Load()
	record.PublishedNs = slot[2].Load()
	record.Size = uint32(slot[3].Load())
	record.PTS = int64(slot[4].Load())
	record.DTS = int64(slot[5].Load())
	record.CapturedNs = slot[6].Load()
	record.EncodedNs = slot[7].Load()
	record.ParameterSet = slot[8].Load()
	record.Flags, record.Codec = halves(slot[9].Load())
	record.Width, record.Height = halves(slot[10].Load())
	record.Stride[0], record.Stride[1] = halves(slot[11].Load())
	record.Stride[2], record.Stride[3] = halves(slot[12].Load())
	record.PlaneOffset[0], record.PlaneOffset[1] = halves(slot[13].Load())
	record.PlaneOffset[2], record.PlaneOffset[3] = halves(slot[14].Load())
	colour := uint32(slot[15].Load())
	record.Primaries, record.Transfer = uint8(colour), uint8(colour>>8)
	record.Matrix, record.FullRange = uint8(colour>>16), colour>>24 != 0

	if !v.kept(n, record.position) {
		return foundLapped
	}
	// Not given up, so the words above are those of a whole record, or nonsense.
	offset := record.position % v.ArenaBytes
	if number != n || record.position%64 != 0 ||
		uint64(record.Size) > v.MaxFrameBytes || offset+uint64(record.Size) > v.ArenaBytes {
		return foundInvalid
	}
	return foundWhole
}

// halves are the two fields in a word, the one at the lower offset first: a ring is little-endian, as are all machines
// that this is for.
func halves(word uint64) (low, high uint32) { return uint32(word), uint32(word >> 32) }

// bytes are the frame's, in place.
func (v *View) bytes(record *Record) []byte {
	start := v.ArenaOffset + record.position%v.ArenaBytes
	return v.memory[start : start+uint64(record.Size) : start+uint64(record.Size)]
}

// oldestKept is the oldest frame whose slot and bytes are kept, head+1 if there is none. What is kept grows
// with the number, so it bisects: at most 17 steps.
func (v *View) oldestKept(head uint64) uint64 {
	low, high := uint64(1), head+1
	if head > v.SlotCount {
		low = head - v.SlotCount + 1
	}
	for low < high {
		middle := low + (high-low)/2
		position := v.memory.Word(slotsOffset + middle&(v.SlotCount-1)*slotBytes + 8).Load()
		if v.kept(middle, position) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// ParameterSet appends set k (SPS, PPS, VPS in Annex B) to to; false if k is given up or none.
func (c *Cursor) ParameterSet(k uint64, to []byte) ([]byte, bool) {
	at := parameterSetsOffset + k%2*parameterSetBytes
	if k == 0 || c.memory.Word(at).Load() != k {
		return to, false
	}
	size := uint64(c.memory.Word32(at + 8).Load())
	if size > parameterSetBytes-parameterSetHeader {
		return to, false
	}
	length := len(to)
	to = append(to, c.memory[at+parameterSetHeader:at+parameterSetHeader+size]...)
	c.fence.Full()
	if c.memory.Word(atParameterIntent).Load() >= k+2 {
		return to[:length], false
	}
	return to, true
}
