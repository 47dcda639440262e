// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"framering/internal/ringtest"
	"framering/internal/shm"
	"framering/internal/vectors"
)

// goldenFrame is the only one in the golden ring.
const goldenFrame = 3

func number(truth bool) int {
	if truth {
		return 1
	}
	return 0
}

// same compares what was read with the lines "KIND NAME VALUE". Names in unread are of no use to a reader.
func same(t *testing.T, kind string, read map[string]any, unread ...string) {
	t.Helper()
	for _, name := range unread {
		read[name] = nil
	}
	lines := vectors.Of(t, kind)
	for _, line := range lines {
		value, known := read[line[1]]
		if !known {
			t.Errorf("%s: nothing read for %s", kind, line[1])
		} else if value != nil && fmt.Sprint(value) != line[2] {
			t.Errorf("%s: %s is %v, the vector says %s", kind, line[1], value, line[2])
		}
	}
	if len(lines) != len(read) {
		t.Errorf("%s: %d lines for %d names", kind, len(lines), len(read))
	}
}

func openGolden(t *testing.T) View {
	t.Helper()
	view, err := Open(vectors.Ring(t))
	if err != nil {
		t.Fatal(err)
	}
	return view
}

func TestTheGoldenRingIsReadAsItSays(t *testing.T) {
	v := openGolden(t)
	same(t, "header", map[string]any{"magic": uint64(magic), "layout_version": LayoutVersion, "header_bytes": headerBytes,
		"generation": v.Generation, "segment_bytes": v.SegmentBytes, "arena_offset": v.ArenaOffset,
		"arena_bytes": v.ArenaBytes, "slot_count": v.SlotCount, "slot_bytes": slotBytes, "slots_offset": slotsOffset,
		"codec": v.Codec, "flags": flagInterCoded, "inter_coded": number(v.InterCoded), "time_base_num": v.TimeBaseNum,
		"time_base_den": v.TimeBaseDen, "max_width": v.MaxWidth, "max_height": v.MaxHeight,
		"max_frame_bytes": v.MaxFrameBytes, "lease_cells": v.LeaseCells, "max_readers": v.MaxReaders,
		"created_ns": v.CreatedNs, "parameter_sets_offset": parameterSetsOffset})
	state, since := v.SourceState()
	width, height := v.PictureSize()
	head, key := v.newest()
	same(t, "word", map[string]any{"head": head, "newest_key": key,
		"reclaimed": field64(v.memory, atReclaimed), "intent": field64(v.memory, atIntent),
		"parameter_intent": field64(v.memory, atParameterIntent), "source_state": state, "state_since_ns": since,
		"heartbeat_ns": v.HeartbeatNs(), "width": width, "height": height},
		"parameter_set", "bytes_published", "frames_too_large", "key_requests_wanted", "key_requests_granted",
		"leases_stepped_over", "leases_revoked", "bells_rung", "bells_by_ringer")
	var f Record
	if found := v.read(goldenFrame, &f); found != foundWhole {
		t.Fatalf("found %d", found)
	}
	frame := map[string]any{"number": f.Number, "position": f.position, "published_ns": f.PublishedNs, "size": f.Size,
		"pts": f.PTS, "dts": f.DTS, "captured_ns": f.CapturedNs, "encoded_ns": f.EncodedNs,
		"parameter_set": f.ParameterSet, "flags": f.Flags, "codec": f.Codec, "width": f.Width, "height": f.Height,
		"primaries": f.Primaries, "transfer": f.Transfer, "matrix": f.Matrix, "full_range": number(f.FullRange)}
	for plane := range 4 {
		frame[fmt.Sprint("stride_", plane)] = f.Stride[plane]
		frame[fmt.Sprint("plane_offset_", plane)] = f.PlaneOffset[plane]
	}
	same(t, "frame3", frame)
	if payload := vectors.Unhex(t, vectors.Of(t, "payload")[0][1]); !bytes.Equal(v.bytes(&f), payload) {
		t.Errorf("payload %x", v.bytes(&f))
	}
}

// verdict says what a reader makes of the ring, or else of its frame 3, in the words of the vectors.
func verdict(memory shm.Memory) string {
	view, err := Open(memory)
	if err != nil {
		for part, word := range map[string]string{"not ready": "not_ready", "this program must be": "newer_layout",
			"the producer must be": "older_layout", "does not know": "unknown_flags", "impossible": "bad_sizes"} {
			if strings.Contains(err.Error(), part) {
				return word
			}
		}
		return err.Error()
	}
	if view.Head() == 0 {
		return "none"
	}
	var record Record
	return [...]string{foundWhole: "whole", foundLapped: "given_up", foundInvalid: "nonsense"}[view.read(goldenFrame, &record)]
}

func TestTornLappedDeadAndHostileRingsAreWhatTheVectorsSay(t *testing.T) {
	for _, line := range vectors.Of(t, "state") {
		memory := vectors.Ring(t)
		vectors.Put(t, memory, line[3:]...)
		if got := verdict(memory); got != line[2] {
			t.Errorf("%s: %s, the vector says %s", line[1], got, line[2])
		}
		// Whatever it says, nobody reads outside of it.
		if view, err := Open(memory); err == nil {
			cursor := NewCursor(ringtest.Heap(shm.PageBytes), Every, 0)
			cursor.Attach(view, nil, StartOldest, false)
			var record Record
			var data []byte
			var lost Loss
			cursor.CopyNext(&record, &data, &lost)
		}
	}
}

func TestParameterSetsAreGivenUpWhenTheVectorsSaySo(t *testing.T) {
	golden := vectors.Unhex(t, vectors.Of(t, "set")[0][1])
	for _, line := range vectors.Of(t, "set_state") {
		memory := vectors.Ring(t)
		vectors.Put(t, memory, line[3:]...)
		view, err := Open(memory)
		if err != nil {
			t.Fatal(err)
		}
		cursor := Cursor{View: view}
		set, whole := cursor.ParameterSet(1, nil)
		if whole != (line[2] == "whole") || whole && !bytes.Equal(set, golden) {
			t.Errorf("%s: %v %q, the vector says %s", line[1], whole, set, line[2])
		}
	}
}

// What this package writes is, byte for byte, the golden page.
func TestTheReaderPageIsWrittenAsTheVectorSays(t *testing.T) {
	page, _, err := NewReaderPage()
	if err != nil {
		t.Fatal(err)
	}
	defer page.Unmap()
	cursor := NewCursor(page, Every, 0)
	cursor.Counts = Counts{Loss: Loss{Lapped: 11, Skipped: 12, Undecodable: 13}, Delivered: 9, DeliveredBytes: 10,
		LeasesRevoked: 14}
	bell := ringtest.NewBell(ringtest.Heap(shm.PageBytes))
	bell.Attach()
	cursor.Attach(openGolden(t), bell.Memory, StartKey, false)
	for cell := range 7 {
		cursor.holder[cell] = 99
	}
	var record Record
	var lease Lease
	var lost Loss
	if outcome := cursor.LeaseNext(&record, &lease, &lost); outcome != GotFrame {
		t.Fatalf("outcome %d", outcome)
	}
	if !cursor.Arm(1) {
		t.Fatal("not armed")
	}
	for range 5 {
		RequestKey(page)
	}
	SetBacklog(page, 6, 7, 8)
	SetAttachedNs(page, 16)
	samePage(t, page, vectors.Page(t, "reader_page"))
}

func TestTheBellPageIsReadAndWrittenAsTheVectorSays(t *testing.T) {
	golden := vectors.Page(t, "bell_page")
	if err := CheckBellPage(golden); err != nil {
		t.Fatal(err)
	}
	same(t, "bell_page_word", map[string]any{"magic": uint64(bellPageMagic), "layout_version": LayoutVersion,
		"futex_word": field32(golden, ringtest.BellFutexWord), "attachment": AttachmentOf(golden),
		"revoked_7": field64(golden, bellRevoked+8*7), "revoked_63": field64(golden, bellRevoked+8*63)})
	bell := ringtest.NewBell(ringtest.Heap(shm.PageBytes))
	bell.Ring()
	bell.Ring()
	bell.Attach()
	bell.Revoke(7, goldenFrame)
	bell.Revoke(63, 99)
	samePage(t, bell.Memory, golden)
	// The golden page revokes frame 3 in cell 7 alone.
	for cell, protects := range map[uint32]bool{6: true, 7: false} {
		cursor := &Cursor{}
		cursor.holder[cell] = 1
		lease := Lease{number: goldenFrame, cell: cell, serial: 1, bell: golden, cursor: cursor}
		if lease.Valid() != protects {
			t.Errorf("a lease in cell %d: valid %v", cell, !protects)
		}
	}
	golden.Word32(8).Store(LayoutVersion + 1)
	if err := CheckBellPage(golden); !errors.Is(err, ErrNewerLayout) {
		t.Errorf("a newer bell page: %v", err)
	}
}

func samePage(t *testing.T, written, golden shm.Memory) {
	t.Helper()
	for at := uint64(0); at < shm.PageBytes; at += 4 {
		if got, want := field32(written, at), field32(golden, at); got != want {
			t.Errorf("offset %d holds %d, the vector says %d", at, got, want)
		}
	}
}
