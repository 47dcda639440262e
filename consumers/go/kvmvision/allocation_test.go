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
	for name, read := range map[string]func() ([]byte, int){"H.264": h264(k), "MJPEG": mjpeg(k)} {
		wanted := map[string]int{"H.264": ResultI, "MJPEG": ResultJPEG}[name]
		until(t, name, wanted, read)
		k.SetGop(10)
		for range 100 { // the four buffers grow, more than one key frame comes
			read()
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		frames, keys := 0, 0
		for end := time.Now().Add(time.Duration(livetest.Seconds(2)) * time.Second); time.Now().Before(end); frames++ {
			if _, result := read(); result < 0 {
				t.Fatalf("%s: result %d", name, result)
			} else if result == wanted {
				keys++
			}
		}
		runtime.ReadMemStats(&after)
		allocations := after.Mallocs - before.Mallocs
		t.Logf("%s: %d frames, %d of them by themselves, %d allocations", name, frames, keys, allocations)
		// A buffer grows now and then, with a larger frame than ever before; nothing is allocated for each.
		if allocations > 8 || frames < 20 || keys == 0 {
			t.Fail()
		}
	}
}

func TestReturnedBytesAreGoodUntilTheFourthReadAfter(t *testing.T) {
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
