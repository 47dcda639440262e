// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSealedMemoryIsTakenAndCannotBeWrittenByOthers(t *testing.T) {
	memory, fd, err := Create("test", PageBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Unmap()
	defer func() { _ = unix.Close(fd) }()
	foreign, err := MapForeign(fd, PageBytes, PageBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Unmap()
	memory.Word(64).Store(42)
	if foreign.Word(64).Load() != 42 {
		t.Fatal("another mapping shows other bytes")
	}
	if _, err := unix.Mmap(fd, 0, PageBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
		t.Error("mapped writable a second time")
	}
	if unix.Mprotect(foreign, unix.PROT_READ|unix.PROT_WRITE) == nil {
		t.Error("made writable")
	}
	if _, err := unix.Pwrite(fd, []byte{1}, 0); err == nil {
		t.Error("written")
	}
	if unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, PageBytes) == nil {
		t.Error("punched")
	}
	if unix.Ftruncate(fd, 0) == nil {
		t.Error("truncated")
	}
}

func TestForeignDescriptorsThatAreRefused(t *testing.T) {
	memfd := func(length int64, allocate bool, seals int) int {
		fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		if err != nil {
			t.Fatal(err)
		}
		_ = unix.Ftruncate(fd, length)
		if allocate {
			_ = unix.Fallocate(fd, 0, 0, length)
		}
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
		return fd
	}
	regular, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = regular.Close() }()
	socket, _ := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	for name, c := range map[string]struct {
		fd    int
		named string
	}{
		"without FUTURE_WRITE": {memfd(4096, true, allSeals&^unix.F_SEAL_FUTURE_WRITE), "not sealed"},
		"without SEAL":         {memfd(4096, true, allSeals&^unix.F_SEAL_SEAL), "not sealed"},
		"with holes":           {memfd(4096, false, allSeals), "holes"},
		"too long":             {memfd(8192, true, allSeals), "8192 bytes long"},
		"empty":                {memfd(0, false, allSeals), "0 bytes long"},
		"a file":               {int(regular.Fd()), "not s"},
		"a socket":             {socket, "not shared memory"},
		"closed":               {-1, "fstatfs"},
	} {
		if _, err := MapForeign(c.fd, 4096, 4096); err == nil || !strings.Contains(err.Error(), c.named) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
