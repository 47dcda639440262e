// SPDX-License-Identifier: Apache-2.0

// Package vectors reads tests/abi/vectors.txt, the golden bytes that all implementations are held against. For
// tests only.
package vectors

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"framering/internal/ringtest"
	"framering/internal/shm"
)

// Line is one of the file, split into words.
type Line []string

// All lines, without comments.
func All(t testing.TB) []Line {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../../../tests/abi/vectors.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []Line
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 0 && words[0][0] != '#' {
			lines = append(lines, words)
		}
	}
	return lines
}

// Of are the lines that begin with kind; there is at least one.
func Of(t testing.TB, kind string) []Line {
	t.Helper()
	var found []Line
	for _, line := range All(t) {
		if line[0] == kind {
			found = append(found, line)
		}
	}
	if len(found) == 0 {
		t.Fatalf("no vectors of kind %s", kind)
	}
	return found
}

// Unhex turns hex into bytes.
func Unhex(t testing.TB, text string) []byte {
	t.Helper()
	bytes, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// Put puts "OFFSET HEX" pairs over memory.
func Put(t testing.TB, memory shm.Memory, pairs ...string) {
	t.Helper()
	for ; len(pairs) > 0; pairs = pairs[2:] {
		at, err := strconv.Atoi(pairs[0])
		if err != nil {
			t.Fatal(err)
		}
		copy(memory[at:], Unhex(t, pairs[1]))
	}
}

// Ring is the golden one.
func Ring(t testing.TB) shm.Memory {
	t.Helper()
	length, err := strconv.Atoi(Of(t, "length")[0][1])
	if err != nil {
		t.Fatal(err)
	}
	return golden(t, length, "bytes")
}

// Page is the golden reader_page or bell_page.
func Page(t testing.TB, kind string) shm.Memory {
	t.Helper()
	return golden(t, shm.PageBytes, kind)
}

func golden(t testing.TB, length int, kind string) shm.Memory {
	t.Helper()
	memory := ringtest.Heap(length)
	for _, line := range Of(t, kind) {
		Put(t, memory, line[1:]...)
	}
	return memory
}
