// SPDX-License-Identifier: Apache-2.0

package ring_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"framering/internal/pattern"
	"framering/internal/ring"
	"framering/internal/ringtest"
	"framering/internal/shm"
	"framering/internal/vectors"
)

const key = ring.FlagKey

// bench is a ring, and a reader of it.
type bench struct {
	*ringtest.Writer
	cursor *ring.Cursor
	bell   shm.Memory
	page   shm.Memory
	record ring.Record
	data   []byte
	lost   ring.Loss
}

func page() shm.Memory { return ringtest.Heap(shm.PageBytes) }

func newBench(t testing.TB, shape ringtest.Shape, policy ring.Policy, start ring.Start, before int) *bench {
	t.Helper()
	b := &bench{Writer: ringtest.NewHeap(shape), page: page(), bell: page()}
	for range before {
		b.frame(key)
	}
	b.bell.Word32(128).Store(1) // attached
	b.cursor = ring.NewCursor(b.page, policy, 0)
	b.attach(t, start)
	return b
}

func (b *bench) attach(t testing.TB, start ring.Start) {
	t.Helper()
	view, err := ring.Open(b.Memory)
	if err != nil {
		t.Fatal(err)
	}
	b.cursor.Attach(view, b.bell, start, false)
}

func (b *bench) frame(flags uint32) {
	data := make([]byte, 1000)
	pattern.Write(data, b.Memory.Word(128).Load()+1)
	b.Publish(data, flags)
}

func (b *bench) next() ring.Outcome { return b.cursor.CopyNext(&b.record, &b.data, &b.lost) }

func (b *bench) expect(t *testing.T, number uint64, lost ring.Loss) {
	t.Helper()
	if outcome := b.next(); outcome != ring.GotFrame {
		t.Fatalf("outcome %d instead of frame %d", outcome, number)
	}
	carried, err := pattern.Check(b.data)
	if err != nil || carried != number || b.record.Number != number || b.lost != lost {
		t.Fatalf("frame %d carrying %d (%v), lost %+v; wanted %d, lost %+v", b.record.Number, carried, err, b.lost, number, lost)
	}
}

func (b *bench) expectNothing(t *testing.T) {
	t.Helper()
	if outcome := b.next(); outcome != ring.Nothing {
		t.Fatalf("outcome %d (frame %d) instead of nothing", outcome, b.record.Number)
	}
}

func TestEveryFrameComesInOrderAndWhole(t *testing.T) {
	b := newBench(t, ringtest.Small, ring.Every, ring.StartKey, 0)
	b.expectNothing(t)
	for n := uint64(1); n <= 100; n++ {
		b.frame(key)
		b.expect(t, n, ring.Loss{})
		b.expectNothing(t)
	}
	if c := b.cursor.Counts; c.Delivered != 100 || c.ReadTo != 100 || b.page.Word(200).Load() != 100 {
		t.Fatalf("counts %+v", c)
	}
}

func TestALappedReaderIsToldHowManyItLost(t *testing.T) {
	b := newBench(t, ringtest.Small, ring.Every, ring.StartKey, 1)
	b.expect(t, 1, ring.Loss{})
	for range 100 {
		b.frame(key)
	}
	// Kept: 94 to 101, since intent is 101 and there are 8 slots. An eighth of 7 is none.
	b.expect(t, 94, ring.Loss{Lapped: 92})
	for n := uint64(95); n <= 101; n++ {
		b.expect(t, n, ring.Loss{})
	}
	b.expectNothing(t)
}

func TestNothingUndecodableAfterALossInAnInterCodedStream(t *testing.T) {
	shape := ringtest.Small
	shape.InterCoded = true
	b := newBench(t, shape, ring.Every, ring.StartKey, 1)
	b.expect(t, 1, ring.Loss{})
	for n := 2; n <= 20; n++ {
		flags := uint32(0)
		if n == 18 {
			flags = key
		}
		b.frame(flags)
	}
	b.expect(t, 18, ring.Loss{Lapped: 11, Undecodable: 5})
	b.expect(t, 19, ring.Loss{})
}

func TestPoliciesJumpToTheNewestKeyFrame(t *testing.T) {
	shape := ringtest.Small
	shape.InterCoded = true
	for policy, want := range map[ring.Policy]uint64{ring.Newest: 4, ring.Live: 2, ring.Every: 2} {
		b := newBench(t, shape, policy, ring.StartKey, 1)
		b.expect(t, 1, ring.Loss{})
		b.expectNothing(t)
		for _, flags := range []uint32{0, 0, key, 0} {
			b.frame(flags)
		}
		b.expect(t, want, ring.Loss{Skipped: want - 2})
	}
}

// The producer was stopped after it had stored the newest key frame's number, before the head that brings it.
func TestAKeyFrameThatIsAboutToComeIsWaitedFor(t *testing.T) {
	shape := ringtest.Small
	shape.InterCoded = true
	b := newBench(t, shape, ring.Newest, ring.StartKey, 0)
	for _, flags := range []uint32{key, 0, 0, key} {
		b.frame(flags)
	}
	b.Memory.Word(128).Store(3) // head
	b.expectNothing(t)
	b.Memory.Word(128).Store(4)
	b.expect(t, 4, ring.Loss{Skipped: 3})
}

func TestLiveJumpsWhenFurtherBehindThanMaxLag(t *testing.T) {
	b := newBench(t, ringtest.Small, ring.Live, ring.StartKey, 1)
	b.cursor = ring.NewCursor(b.page, ring.Live, 3)
	b.attach(t, ring.StartKey)
	b.expect(t, 1, ring.Loss{})
	b.expectNothing(t)
	for range 6 {
		b.frame(key)
	}
	b.expect(t, 7, ring.Loss{Skipped: 5})
}

func TestStartingPoints(t *testing.T) {
	shape := ringtest.Small
	shape.InterCoded = true
	for start, want := range map[ring.Start]uint64{ring.StartKey: 4, ring.StartOldest: 2, ring.StartHead: 7} {
		b := newBench(t, shape, ring.Every, ring.StartHead, 0)
		for _, flags := range []uint32{0, key, 0, key, 0, 0} {
			b.frame(flags)
		}
		b.attach(t, start)
		b.frame(key)
		b.expect(t, want, ring.Loss{})
	}
}

func TestWithoutAKeyFrameTheReaderWishesForOne(t *testing.T) {
	shape := ringtest.Small
	shape.InterCoded = true
	b := newBench(t, shape, ring.Live, ring.StartKey, 0)
	for range 10 {
		b.frame(0)
	}
	b.attach(t, ring.StartKey)
	b.expectNothing(t)
	if !b.cursor.TakeKeyWish() || b.cursor.TakeKeyWish() {
		t.Fatal("the wish is to be told once")
	}
	b.frame(0)
	b.expectNothing(t)
	b.frame(key)
	b.expect(t, 12, ring.Loss{})
}

func TestALeaseNamesItsFrameUntilReleased(t *testing.T) {
	b := newBench(t, ringtest.Small, ring.Every, ring.StartKey, 1)
	var lease ring.Lease
	if b.cursor.LeaseNext(&b.record, &lease, &b.lost) != ring.GotFrame {
		t.Fatal("no lease")
	}
	if b.page.Word(512).Load() != 1 || !lease.Valid() {
		t.Fatal("the lease is not announced")
	}
	if _, err := pattern.Check(lease.Bytes); err != nil {
		t.Fatal(err)
	}
	if !lease.Release() || b.page.Word(512).Load() != 0 || lease.Release() {
		t.Fatal("the lease is not given back")
	}
}

func TestARevokedLeaseIsNotTrusted(t *testing.T) {
	b := newBench(t, ringtest.Small, ring.Every, ring.StartKey, 1)
	var lease ring.Lease
	b.cursor.LeaseNext(&b.record, &lease, &b.lost)
	b.bell.Word(512).Store(1)
	if lease.Valid() || lease.Release() || b.cursor.Counts.LeasesRevoked != 1 {
		t.Fatal("a revoked lease passed")
	}
	b.frame(key)
	b.cursor.LeaseNext(&b.record, &lease, &b.lost)
	b.bell.Word32(128).Store(2) // detached
	if lease.Valid() {
		t.Fatal("a lease outlived the attachment")
	}
}

func TestNoLeaseWhileNotAttachedNorWithoutAFreeCell(t *testing.T) {
	b := newBench(t, ringtest.Small, ring.Every, ring.StartKey, 0)
	b.bell.Word32(128).Store(0)
	b.frame(key)
	var leases [9]ring.Lease
	if b.cursor.LeaseNext(&b.record, &leases[0], &b.lost) != ring.NoCell {
		t.Fatal("leased while the attachment is pending")
	}
	b.bell.Word32(128).Store(1)
	for i := range leases {
		want := ring.GotFrame
		if i == 8 {
			want = ring.NoCell
		}
		if got := b.cursor.LeaseNext(&b.record, &leases[i], &b.lost); got != want {
			t.Fatalf("lease %d: outcome %d", i, got)
		}
		b.frame(key)
		if i < 7 && b.cursor.Next() != uint64(i)+2 {
			t.Fatalf("next is %d", b.cursor.Next())
		}
	}
}

func TestArmingBesideAFrameThatIsThereRefuses(t *testing.T) {
	b := newBench(t, ringtest.Small, ring.Every, ring.StartKey, 0)
	if !b.cursor.Arm(1) || b.page.Word(64).Load() != 1 {
		t.Fatal("not armed")
	}
	b.frame(key)
	if b.cursor.Arm(1) || b.page.Word(64).Load() != 0 {
		t.Fatal("armed beside a frame")
	}
	b.expect(t, 1, ring.Loss{})
	if b.cursor.Arm(2) {
		t.Fatal("armed although the state changed")
	}
}

func TestADeadProducersHalfFrameIsNotSeen(t *testing.T) {
	b := newBench(t, ringtest.Small, ring.Every, ring.StartKey, 3)
	b.PublishHalf(make([]byte, 1000), key)
	b.attach(t, ring.StartOldest)
	for n := uint64(1); n <= 3; n++ {
		b.expect(t, n, ring.Loss{})
	}
	b.expectNothing(t)
}

// What a hostile producer may write, and what the reader makes of it.
func TestHostileRings(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(b *bench)
		want  ring.Outcome
	}{
		"head beyond all numbers":  {func(b *bench) { b.Memory.Word(128).Store(1<<62 + 1) }, ring.Nothing},
		"newest key over the head": {func(b *bench) { b.Memory.Word(136).Store(99) }, ring.GotFrame},
		"position not aligned":     {func(b *bench) { b.Memory.Word(b.Slot(3) + 8).Store(65) }, ring.Broken},
		"frame over the arena end": {func(b *bench) { b.Memory.Word(b.Slot(3) + 8).Store(16384 - 64) }, ring.Broken},
		"size over the limit":      {func(b *bench) { b.Memory.Word32(b.Slot(3) + 24).Store(4097) }, ring.Broken},
		"size of 4 GiB":            {func(b *bench) { b.Memory.Word32(b.Slot(3) + 24).Store(1<<32 - 1) }, ring.Broken},
		"number of another frame":  {func(b *bench) { b.Memory.Word(b.Slot(3)).Store(11) }, ring.Broken},
		"everything given up":      {func(b *bench) { b.Memory.Word(200).Store(1 << 63) }, ring.Nothing},
		"all bytes given up":       {func(b *bench) { b.Memory.Word(192).Store(1 << 63) }, ring.Nothing},
		"unknown required flag":    {func(b *bench) { b.Memory.Word32(b.Slot(3) + 72).Store(1<<20 | key) }, ring.Nothing},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, ringtest.Small, ring.Every, ring.StartKey, 3)
			c.spoil(b)
			if got := b.next(); got != c.want {
				t.Fatalf("outcome %d, wanted %d", got, c.want)
			}
		})
	}
}

func TestImpossibleHeadersAreRefusedByName(t *testing.T) {
	for at, c := range map[uint64]struct {
		value uint32
		named string
	}{
		0: {0, "not ready"}, 12: {256, "header_bytes"}, 24: {4096, "segment_bytes"}, 32: {4096, "arena_offset"},
		40: {0, "arena_bytes"}, 48: {7, "slot_count"}, 52: {64, "slot_bytes"}, 56: {0, "slots_offset"},
		68: {1 << 31, "flags"}, 72: {0, "time base"}, 76: {0, "time base"}, 88: {4097, "max_frame_bytes"},
		96: {65, "lease_cells"}, 112: {0, "parameter_sets_offset"}, 16: {0, "generation"},
	} {
		w := ringtest.NewHeap(ringtest.Small)
		w.Memory.Word32(at).Store(c.value)
		if _, err := ring.Open(w.Memory); err == nil || !strings.Contains(err.Error(), c.named) {
			t.Errorf("offset %d = %d: %v, which does not say %q", at, c.value, err, c.named)
		}
	}
}

func TestAnotherLayoutIsRefusedWithTheSideToUpgrade(t *testing.T) {
	for version, side := range map[uint32]string{2: "this program must be upgraded", 0: "the producer must be upgraded"} {
		w := ringtest.NewHeap(ringtest.Small)
		w.Memory.Word32(8).Store(version)
		_, err := ring.Open(w.Memory)
		if !errors.Is(err, ring.ErrNewerLayout) || !strings.Contains(fmt.Sprint(err), side) {
			t.Errorf("layout %d: %v", version, err)
		}
	}
}

func TestParameterSetsAreHandedOutUntilGivenUp(t *testing.T) {
	b := newBench(t, ringtest.Small, ring.Every, ring.StartKey, 0)
	at := uint64(4096 + 2048) // set 3
	copy(b.Memory[at+16:], "spspps")
	b.Memory.Word32(at + 8).Store(6)
	b.Memory.Word(at).Store(3)
	if set, ok := b.cursor.ParameterSet(3, nil); !ok || string(set) != "spspps" {
		t.Fatalf("%q %v", set, ok)
	}
	b.Memory.Word(208).Store(5)
	if _, ok := b.cursor.ParameterSet(3, nil); ok {
		t.Fatal("handed out although set 5 is being written over it")
	}
	b.Memory.Word(208).Store(0)
	b.Memory.Word32(at + 8).Store(2033)
	if _, ok := b.cursor.ParameterSet(3, nil); ok {
		t.Fatal("handed out although it cannot be that long")
	}
}

func TestTheFramePathDoesNotAllocate(t *testing.T) {
	b := newBench(t, ringtest.Small, ring.Every, ring.StartKey, 0)
	frame := make([]byte, 4096)
	pattern.Write(frame, 1)
	var lease ring.Lease
	b.Publish(frame, key)
	b.next()
	if allocations := testing.AllocsPerRun(1000, func() {
		b.Publish(frame, key)
		if b.next() != ring.GotFrame {
			t.Fatal("no frame")
		}
		b.Publish(frame, key)
		if b.cursor.LeaseNext(&b.record, &lease, &b.lost) != ring.GotFrame || !lease.Release() {
			t.Fatal("no lease")
		}
		b.cursor.Arm(1)
		b.cursor.Disarm()
	}); allocations != 0 {
		t.Fatalf("%v allocations a frame", allocations)
	}
}

// asWrites makes input of FuzzRing from "OFFSET HEX" pairs.
func asWrites(f *testing.F, pairs []string) (writes []byte) {
	for ; len(pairs) > 0; pairs = pairs[2:] {
		at, err := strconv.Atoi(pairs[0])
		if err != nil {
			f.Fatal(err)
		}
		for bytes := vectors.Unhex(f, pairs[1]); len(bytes) >= 4; bytes, at = bytes[4:], at+4 {
			writes = append(append(writes, byte(at), byte(at>>8)), bytes[:4]...)
		}
	}
	return writes
}

func FuzzRing(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0}, uint8(0))
	f.Add([]byte("\x80\x00\xff\xff\xff\xff\xc8\x00\x05\x00\x00\x00"), uint8(1))
	for i, line := range vectors.Of(f, "state") {
		f.Add(asWrites(f, line[3:]), uint8(i))
	}
	f.Fuzz(func(t *testing.T, writes []byte, mode uint8) {
		shape := ringtest.Small
		shape.InterCoded = mode&1 != 0
		b := newBench(t, shape, ring.Policy(mode>>1%3), ring.Start(mode>>3%3), 6)
		for ; len(writes) >= 6; writes = writes[6:] {
			at := (uint64(writes[0]) | uint64(writes[1])<<8) &^ 3 % (8192 + 8*128)
			if at+4 > uint64(len(b.Memory)) {
				continue
			}
			b.Memory.Word32(at).Store(uint32(writes[2]) | uint32(writes[3])<<8 | uint32(writes[4])<<16 | uint32(writes[5])<<24)
			if view, err := ring.Open(b.Memory); err == nil {
				b.cursor.Attach(view, b.bell, ring.Start(mode>>3%3), mode&64 != 0)
			}
			for range 3 {
				b.next()
				if b.next() == ring.GotFrame && uint64(len(b.data)) > b.cursor.MaxFrameBytes {
					t.Fatal("longer than a frame can be")
				}
				b.cursor.ParameterSet(b.record.ParameterSet, nil)
				var lease ring.Lease
				if b.cursor.LeaseNext(&b.record, &lease, &b.lost) == ring.GotFrame {
					_, _ = pattern.Check(lease.Bytes)
					lease.Release()
				}
				b.cursor.Arm(1)
				b.cursor.Disarm()
			}
		}
	})
}
