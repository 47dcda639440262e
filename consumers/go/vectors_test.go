// SPDX-License-Identifier: Apache-2.0

package framering_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"framering/internal/control"
	"framering/internal/ring"
	"framering/internal/ringtest"
	"framering/internal/shm"
	"framering/internal/wire"
)

// vectors are the lines of the file that all implementations share, split into words.
func vectors(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../tests/abi/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	var lines [][]string
	for _, line := range strings.Split(string(text), "\n") {
		if line != "" && line[0] != '#' {
			lines = append(lines, strings.Fields(line))
		}
	}
	return lines
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	bytes, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func number(truth bool) int {
	if truth {
		return 1
	}
	return 0
}

func TestTheGoldenRingIsReadAsItSays(t *testing.T) {
	lines := vectors(t)
	memory := make(shm.Memory, 0)
	for _, line := range lines {
		if line[0] == "length" {
			length, _ := strconv.Atoi(line[1])
			words := make([]uint64, length/8)
			memory = unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), length)
		}
	}
	for _, line := range lines {
		if line[0] == "bytes" {
			at, _ := strconv.Atoi(line[1])
			copy(memory[at:], unhex(t, line[2]))
		}
	}
	view, err := ring.Open(memory)
	if err != nil {
		t.Fatal(err)
	}
	cursor := ring.NewCursor(ringtest.NewHeap(ringtest.Small).Memory[:shm.PageBytes], ring.Every, 0)
	cursor.Attach(view, nil, ring.StartKey, false)
	var f ring.Record
	var data []byte
	var lost ring.Loss
	if outcome := cursor.CopyNext(&f, &data, &lost); outcome != ring.GotFrame {
		t.Fatalf("outcome %d", outcome)
	}
	header := map[string]any{"generation": view.Generation, "segment_bytes": view.SegmentBytes,
		"arena_offset": view.ArenaOffset, "arena_bytes": view.ArenaBytes, "slot_count": view.SlotCount,
		"codec": view.Codec, "inter_coded": number(view.InterCoded), "time_base_num": view.TimeBaseNum,
		"time_base_den": view.TimeBaseDen, "max_width": view.MaxWidth, "max_height": view.MaxHeight,
		"max_frame_bytes": view.MaxFrameBytes, "lease_cells": view.LeaseCells, "max_readers": view.MaxReaders,
		"created_ns": view.CreatedNs}
	frame := map[string]any{"number": f.Number, "published_ns": f.PublishedNs, "size": f.Size, "pts": f.PTS, "dts": f.DTS,
		"captured_ns": f.CapturedNs, "encoded_ns": f.EncodedNs, "parameter_set": f.ParameterSet, "flags": f.Flags,
		"codec": f.Codec, "width": f.Width, "height": f.Height, "stride_2": f.Stride[2],
		"plane_offset_3": f.PlaneOffset[3], "primaries": f.Primaries, "transfer": f.Transfer, "matrix": f.Matrix,
		"full_range": number(f.FullRange)}
	for _, line := range lines {
		switch line[0] {
		case "header":
			same(t, "header", header, line)
		case "frame3":
			same(t, "frame3", frame, line)
		case "payload":
			if string(data) != string(unhex(t, line[1])) {
				t.Errorf("payload %x", data)
			}
		}
	}
	if set, ok := cursor.ParameterSet(f.ParameterSet, nil); !ok || string(set) != "SPS!" {
		t.Errorf("parameter set %q", set)
	}
}

// same compares a line "KIND NAME VALUE" with what was read.
func same(t *testing.T, kind string, read map[string]any, line []string) {
	t.Helper()
	value, known := read[line[1]]
	if !known {
		t.Errorf("%s: nothing read for %s", kind, line[1])
	} else if got := strings.ReplaceAll(fmt.Sprint(value), " ", "_"); got != line[2] {
		t.Errorf("%s: %s is %s, the vector says %s", kind, line[1], got, line[2])
	}
}

func TestGoldenMessagesAreReadAsTheySay(t *testing.T) {
	var read map[string]any
	kind, messages := "", 0
	for _, line := range vectors(t) {
		switch line[0] {
		case "message":
			message, err := control.Parse(unhex(t, line[2]))
			if err != nil || message.Which().String() != line[1] {
				t.Fatalf("%s: read as %v, %v", line[1], message.Which(), err)
			}
			kind, read = line[1], fields(t, message)
			messages++
		case "field":
			same(t, kind, read, line)
		}
	}
	if messages != 4 {
		t.Fatalf("%d messages", messages)
	}
}

func fields(t *testing.T, message wire.Message) map[string]any {
	t.Helper()
	read := map[string]any{"request": message.Request()}
	switch message.Which() {
	case wire.Message_Which_refused:
		m, _ := message.Refused()
		text, _ := m.Text()
		read["reason"], read["text"] = uint16(m.Reason()), text
	case wire.Message_Which_attached:
		m, _ := message.Attached()
		read["id"], read["generation"], read["bell"], read["layout"] = m.Id(), m.Generation(), m.Bell(), m.Layout()
	case wire.Message_Which_attach:
		m, _ := message.Attach()
		stream, _ := m.Stream()
		name, _ := m.Name()
		read["protocol"], read["layout"], read["stream"] = m.Protocol(), m.Layout(), stream
		read["wait"], read["bell"], read["name"] = number(m.Wait()), m.Bell(), name
	case wire.Message_Which_detached:
		m, _ := message.Detached()
		read["id"], read["cause"] = m.Id(), uint16(m.Cause())
	}
	return read
}
