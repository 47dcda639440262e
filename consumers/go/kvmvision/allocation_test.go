// SPDX-License-Identifier: Apache-2.0

package kvmvision

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"framering/internal/livetest"
)

// Long form: FRAMERING_GO_SECONDS=60.
func TestReadsOfFramesDoNotAllocate(t *testing.T) {
	d := newDevice(t)
	k := d.handle(t)
	reads := []func() ([]byte, int){h264(k), mjpeg(k)}
	wanted := []int{ResultI, ResultJPEG}
	for i := range reads {
		until(t, "a picture", wanted[i], reads[i])
	}
	k.SetGop(10)
	for range 50 { // the four buffers of each grow, more than one key frame comes
		reads[0]()
		reads[1]()
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var frames, decodable [2]int
	begin, seconds := time.Now(), time.Duration(livetest.Seconds(2))*time.Second
	for time.Since(begin) < seconds || frames[0] < 20 && time.Since(begin) < livetest.Patience {
		for i, read := range reads {
			_, result := patient(read)
			if result < 0 {
				t.Fatalf("after %v frames: result %d", frames, result)
			}
			if frames[i]++; result == wanted[i] {
				decodable[i]++
			}
		}
	}
	runtime.ReadMemStats(&after)
	allocations := after.Mallocs - before.Mallocs
	t.Logf("H.264 and MJPEG: %v frames, %v of them by themselves, %d allocations", frames, decodable, allocations)
	// A buffer grows now and then, with a larger frame than ever before; nothing is allocated for each.
	if allocations > 16 || frames[0] < 20 || decodable[0] == 0 || decodable[1] == 0 {
		t.Fail()
	}
}

func TestReturnedBytesAreGoodUntilTheFourthReadAfter(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	k := d.handle(t)
	for _, read := range []func() ([]byte, int){h264(k), mjpeg(k)} {
		var held, copies [rotation - 1][]byte
		for n := 0; n < 60; {
			data, result := read()
			if result < 0 {
				held, copies = [rotation - 1][]byte{}, [rotation - 1][]byte{} // that was a read, too
				continue
			}
			for i := range held {
				if !bytes.Equal(held[i], copies[i]) {
					t.Fatalf("read %d: bytes of an earlier one have changed", n)
				}
			}
			held[n%len(held)], copies[n%len(held)] = data, bytes.Clone(data)
			n++
		}
	}
}
