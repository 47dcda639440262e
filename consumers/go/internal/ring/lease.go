// SPDX-License-Identifier: Apache-2.0

package ring

import "framering/internal/shm"

// Lease protects one frame in place. It stays usable after its cursor went on to another ring, as long as the
// memory that it points into is mapped.
type Lease struct {
	Bytes  []byte // read only: writing to them is a fault
	number uint64
	cell   uint32
	serial uint64 // of the lease in its cell; 0: none
	bell   shm.Memory
	cursor *Cursor
}

// LeaseNext hands out the frame that is due, in place.
func (c *Cursor) LeaseNext(record *Record, lease *Lease, lost *Loss) Outcome {
	for tries := c.SlotCount; tries > 0; tries-- {
		if outcome := c.find(record); outcome != GotFrame {
			return outcome
		}
		cell, free := c.freeCell(record.Number)
		if !free {
			return NoCell
		}
		word := c.page.Word(pageLeases + 8*uint64(cell))
		word.Store(record.Number) // R3
		// R4: the store and the loads in kept() are sequentially consistent, so either the producer's scan sees
		// the lease or kept() sees what the producer announced before it.
		if !c.kept(record.Number, record.position) { // R5
			word.Store(0)
			continue
		}
		c.serial++
		c.holder[cell] = c.serial
		*lease = Lease{c.bytes(record), record.Number, cell, c.serial, c.bell, c}
		c.deliver(record, lost)
		return GotFrame
	}
	return Nothing
}

// freeCell finds a cell whose revocation word does not name this very frame.
func (c *Cursor) freeCell(n uint64) (uint32, bool) {
	if c.bell == nil || AttachmentOf(c.bell) != Attached {
		return 0, false
	}
	for cell := range c.LeaseCells {
		if c.holder[cell] == 0 && c.bell.Word(bellRevoked+8*uint64(cell)).Load() != n {
			return cell, true
		}
	}
	return 0, false
}

// Holds: not released, neither this one nor the one that it is a copy of.
func (l *Lease) Holds() bool { return l.serial != 0 && l.cursor.holder[l.cell] == l.serial }

// Valid is to be asked after the last look at the bytes and before the result is trusted (R7).
func (l *Lease) Valid() bool {
	if !l.Holds() {
		return false
	}
	l.cursor.fence.Full()
	return AttachmentOf(l.bell) == Attached && l.bell.Word(bellRevoked+8*uint64(l.cell)).Load() != l.number
}

// Release gives the frame back (R6). False: the lease had been revoked. A second release does nothing.
func (l *Lease) Release() bool {
	if !l.Holds() {
		*l = Lease{}
		return false
	}
	valid := l.Valid()
	c := l.cursor
	if !valid {
		c.Counts.LeasesRevoked++
		c.publishCounts()
	}
	c.page.Word(pageLeases + 8*uint64(l.cell)).Store(0)
	c.holder[l.cell] = 0
	*l = Lease{}
	return valid
}
