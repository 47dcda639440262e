// SPDX-License-Identifier: Apache-2.0

// Package shm makes sealed pages, and checks and maps those of other processes.
// Specification: schema/README.md, "Rules for all of it".
package shm

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PageBytes is the length of a reader page and of a bell page.
const PageBytes = 4096

const (
	allSeals   = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_FUTURE_WRITE | unix.F_SEAL_SEAL
	tmpfsMagic = 0x01021994
	blockBytes = 512
)

// Memory is mapped bytes with words in them. Words are loaded and stored atomically; at must be aligned.
type Memory []byte

// Word is the 64-bit word at an offset.
func (m Memory) Word(at uint64) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&m[at : at+8][0]))
}

// Word32 is the 32-bit word at an offset.
func (m Memory) Word32(at uint64) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&m[at : at+4][0]))
}

// Words16 are 16 words from an offset on.
func (m Memory) Words16(at uint64) *[16]atomic.Uint64 {
	return (*[16]atomic.Uint64)(unsafe.Pointer(&m[at : at+128][0]))
}

// Unmap gives the memory back; nothing may point into it any more.
func (m *Memory) Unmap() {
	if *m != nil {
		_ = unix.Munmap(*m)
		*m = nil
	}
}

// Create makes memory of length bytes that only the returned mapping can write: allocated in full, mapped,
// then sealed. The caller owns both.
func Create(name string, length int) (Memory, int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	// Where vm.memfd_noexec is 2, memory that does not renounce being run is refused; kernels before 6.3 do not
	// know how to.
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, -1, fmt.Errorf("memfd_create %s: %w", name, err)
	}
	memory, err := allocate(fd, length)
	if err != nil {
		_ = unix.Close(fd)
		return nil, -1, fmt.Errorf("memfd %s of %d bytes: %w", name, length, err)
	}
	return memory, fd, nil
}

func allocate(fd, length int) (Memory, error) {
	if err := unix.Fallocate(fd, 0, 0, int64(length)); err != nil {
		return nil, fmt.Errorf("fallocate: %w", err)
	}
	bytes, err := unix.Mmap(fd, 0, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, allSeals); err != nil {
		_ = unix.Munmap(bytes)
		return nil, fmt.Errorf("F_ADD_SEALS (Linux 5.1 or later is needed): %w", err)
	}
	return bytes, nil
}

// MapForeign checks a descriptor that another process sent and maps it read-only. It is refused unless it is
// ordinary shared memory with all its blocks, can no longer change, and is least to most bytes long. The
// descriptor stays the caller's.
func MapForeign(fd int, least, most int64) (Memory, error) {
	length, err := checkForeign(fd, least, most)
	if err != nil {
		return nil, err
	}
	bytes, err := unix.Mmap(fd, 0, int(length), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("mmap of %d bytes: %w", length, err)
	}
	return bytes, nil
}

func checkForeign(fd int, least, most int64) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return 0, fmt.Errorf("fstatfs: %w", err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return 0, fmt.Errorf("fstat: %w", err)
	}
	if int64(fs.Type) != tmpfsMagic || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, fmt.Errorf("the descriptor is not shared memory made by memfd_create")
	}
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&allSeals != allSeals {
		return 0, fmt.Errorf("the shared memory is not sealed against change (seals %#x, wanted %#x)", seals, allSeals)
	}
	// Only now the length: with the seals on, it stays.
	if err := unix.Fstat(fd, &stat); err != nil {
		return 0, fmt.Errorf("fstat: %w", err)
	}
	if stat.Size < least || stat.Size > most {
		return 0, fmt.Errorf("the shared memory is %d bytes long, expected %d to %d", stat.Size, least, most)
	}
	// Drops blocks beyond the end (FALLOC_FL_KEEP_SIZE), which would make up for holes in the count.
	if err := unix.Ftruncate(fd, stat.Size); err != nil {
		return 0, fmt.Errorf("ftruncate to its own length: %w", err)
	}
	if err := unix.Fstat(fd, &stat); err != nil {
		return 0, fmt.Errorf("fstat: %w", err)
	}
	if stat.Blocks*blockBytes < stat.Size {
		return 0, fmt.Errorf("the shared memory has holes: %d of %d bytes allocated", stat.Blocks*blockBytes, stat.Size)
	}
	return stat.Size, nil
}
