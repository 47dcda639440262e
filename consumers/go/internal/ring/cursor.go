// SPDX-License-Identifier: Apache-2.0

package ring

import "framering/internal/shm"

// Policy says what a reader does that cannot keep up.
type Policy uint8

// The policies.
const (
	Live   Policy = iota // in order; on lapping or too much lag on at the newest key frame
	Newest               // always the newest that can be decoded
	Every                // in order, each loss counted
)

// Start says where a reader begins.
type Start uint8

// The starting points.
const (
	StartKey    Start = iota // newest key frame
	StartOldest              // oldest key frame that is kept
	StartHead                // what comes next
)

// Loss counts frames that were not handed out, by cause.
type Loss struct {
	Lapped      uint64 // given up by the producer before they were read
	Skipped     uint64 // passed over by policy
	Undecodable uint64 // between a loss and the next key frame
}

// Total is their number.
func (l Loss) Total() uint64 { return l.Lapped + l.Skipped + l.Undecodable }

// Counts of a reader's life, as in its page.
type Counts struct {
	Loss
	ReadTo         uint64
	Delivered      uint64
	DeliveredBytes uint64
	LeasesRevoked  uint64
}

// Outcome of a look at the ring.
type Outcome uint8

// The outcomes.
const (
	GotFrame Outcome = iota
	Nothing          // all that is published has been dealt with
	NoCell           // LeaseNext only: not attached, or no free cell
	Broken           // the ring says what cannot be true: let go of it
)

// Cursor is a reader's place in a ring. Not for use by two goroutines at once. Nothing here allocates once the
// caller's buffer is large enough.
type Cursor struct {
	View
	Counts Counts

	page   shm.Memory // this reader's own
	bell   shm.Memory // the producer's for this reader; nil in tests only
	policy Policy
	maxLag uint64 // frames, 0: no limit
	fence  shm.Fence

	next     uint64 // the number wanted next
	pending  Loss   // since the last frame handed out
	begun    bool   // something of this ring was handed out
	needKey  bool   // nothing can be decoded before the next key frame
	caughtUp bool   // was at the head since the last jump: maxLag counts from there
	wantsKey bool
	holder   [maxLeaseCells]uint64 // serial number of the lease in each cell, 0: free
	serial   uint64
}

// NewCursor makes the cursor of the reader whose page this is.
func NewCursor(page shm.Memory, policy Policy, maxLag uint64) *Cursor {
	return &Cursor{page: page, policy: policy, maxLag: maxLag}
}

// Attach begins to read a ring. resumed: another generation was read before, so what this one published
// earlier counts as skipped.
func (c *Cursor) Attach(view View, bell shm.Memory, start Start, resumed bool) {
	c.View, c.bell = view, bell
	c.needKey = view.InterCoded
	c.begun, c.caughtUp, c.wantsKey = false, false, false
	c.pending = Loss{}
	c.next = 1
	first := c.first(start)
	if resumed {
		c.lose(&c.pending.Skipped, &c.Counts.Skipped, first)
	}
	c.next = first
}

// Rebind goes on in the same ring with another bell page.
func (c *Cursor) Rebind(view View, bell shm.Memory) { c.View, c.bell = view, bell }

// TakeKeyWish is true once each time the cursor found no key frame to begin with.
func (c *Cursor) TakeKeyWish() bool {
	wish := c.wantsKey
	c.wantsKey = false
	return wish
}

// Next is the number wanted next.
func (c *Cursor) Next() uint64 { return c.next }

func (c *Cursor) first(start Start) uint64 {
	head, key := c.newest()
	var record Record
	switch {
	case start == StartHead || head == 0:
		return head + 1
	case start == StartKey:
		if key != 0 && c.read(key, &record) == foundWhole {
			return key
		}
	default:
		for n := c.oldestKept(head); n <= head; n++ {
			if c.read(n, &record) == foundWhole && (record.Flags&FlagKey != 0 || !c.InterCoded) {
				return n
			}
		}
	}
	c.wantsKey = true
	return head + 1
}

// find brings the record of the frame that is due. Bounded: each turn passes a frame or returns.
func (c *Cursor) find(record *Record) Outcome {
	for turns := 2*c.SlotCount + 16; turns > 0; turns-- {
		head, newestKey := c.newest() // R1
		if head < c.next {
			c.caughtUp = true
			return Nothing
		}
		c.follow(head, newestKey, record)
		if head < c.next {
			return Nothing
		}
		switch c.read(c.next, record) { // R2
		case foundInvalid:
			return Broken
		case foundLapped:
			c.fallBehind(head, newestKey, record)
			continue
		}
		key := record.Flags&FlagKey != 0
		unknown := record.Flags&mustUnderstandBits != 0
		if !unknown && (key || !c.needKey) {
			return GotFrame
		}
		if unknown {
			c.needKey = c.InterCoded
		}
		if newestKey <= c.next && c.needKey && c.pending.Undecodable == 0 {
			c.wantsKey = true
		}
		if !c.begun {
			c.next++ // before the first key frame there is nothing to lose
			continue
		}
		c.lose(&c.pending.Undecodable, &c.Counts.Undecodable, c.next+1)
	}
	return Nothing
}

// follow jumps where the policy wants it.
func (c *Cursor) follow(head, newestKey uint64, record *Record) {
	switch c.policy {
	case Newest:
		c.jumpToKey(newestKey, record)
	case Live:
		if c.maxLag == 0 || !c.caughtUp || head-c.next < c.maxLag {
			return
		}
		c.caughtUp = false
		if !c.jumpToKey(newestKey, record) && c.InterCoded {
			c.lose(&c.pending.Skipped, &c.Counts.Skipped, head+1)
			c.needKey, c.wantsKey = true, true
		}
	}
}

// jumpToKey goes to the newest key frame if that is ahead and kept.
func (c *Cursor) jumpToKey(key uint64, record *Record) bool {
	if key <= c.next || c.read(key, record) != foundWhole {
		return false
	}
	c.lose(&c.pending.Skipped, &c.Counts.Skipped, key)
	c.needKey = false
	return true
}

// fallBehind goes on after frame next was given up.
func (c *Cursor) fallBehind(head, newestKey uint64, record *Record) {
	oldest := max(c.oldestKept(head), c.next+1)
	c.lose(&c.pending.Lapped, &c.Counts.Lapped, oldest)
	c.needKey = c.InterCoded
	c.caughtUp = false
	if c.policy != Every {
		if c.jumpToKey(newestKey, record) {
			return
		}
		c.wantsKey = c.InterCoded && newestKey < c.next
	}
	// Right at the edge it would be overrun again at once.
	if head > c.next {
		c.lose(&c.pending.Lapped, &c.Counts.Lapped, c.next+(head-c.next)/8)
	}
}

// lose passes over all frames before upTo.
func (c *Cursor) lose(pending, total *uint64, upTo uint64) {
	if upTo <= c.next {
		return
	}
	count := upTo - c.next
	*pending += count
	*total += count
	c.next = upTo
	c.publishCounts()
}

func (c *Cursor) deliver(record *Record, lost *Loss) {
	*lost = c.pending
	c.pending = Loss{}
	c.begun, c.needKey = true, false
	c.next = record.Number + 1
	c.Counts.Delivered++
	c.Counts.DeliveredBytes += uint64(record.Size)
	c.publishCounts()
}

// CopyNext copies the frame that is due into data, which grows when it is too small.
func (c *Cursor) CopyNext(record *Record, data *[]byte, lost *Loss) Outcome {
	for tries := c.SlotCount; tries > 0; tries-- {
		if outcome := c.find(record); outcome != GotFrame {
			return outcome
		}
		if cap(*data) < int(record.Size) {
			*data = make([]byte, 0, min(uint64(record.Size)*3/2, c.MaxFrameBytes))
		}
		*data = (*data)[:record.Size]
		copy(*data, c.bytes(record)) // C
		c.fence.Full()
		if c.kept(record.Number, record.position) {
			c.deliver(record, lost)
			return GotFrame
		}
	}
	*data = (*data)[:0]
	return Nothing
}

// Arm announces that the reader is about to sleep until a frame comes, or another source state than seen.
// False: do not sleep (S1 to S3).
func (c *Cursor) Arm(seen State) bool {
	wake := c.page.Word(pageWakeAt)
	wake.Store(c.next)
	// S2: both are sequentially consistent, so the store is before these loads.
	state, _ := c.SourceState()
	if c.Head() >= c.next || state != seen {
		wake.Store(0)
		return false
	}
	return true
}

// Disarm ends what Arm announced.
func (c *Cursor) Disarm() { c.page.Word(pageWakeAt).Store(0) }
