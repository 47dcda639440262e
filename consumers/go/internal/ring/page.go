// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"fmt"

	"framering/internal/shm"
)

// Reader page and bell page, schema/README.md.
const (
	readerPageMagic = 0x5244414552474E52
	bellPageMagic   = 0x4C4C454252474E52

	pageWakeAt         = 64
	pageDemand         = 128
	pageKeyRequests    = 136
	pageBacklog        = 144
	pageBacklogBytes   = 148
	pageWantedKbps     = 152
	pageReadTo         = 192
	pageDelivered      = 200
	pageLapped         = 208
	pageSkipped        = 216
	pageUndecodable    = 224
	pageRevoked        = 232
	pageDeliveredBytes = 240
	pageAttachedNs     = 248
	pageLeases         = 512

	bellAttachment = 128
	bellRevoked    = 512
)

// Attachment is what the producer says of a reader in its bell page.
type Attachment uint32

// Its values.
const (
	Pending  Attachment = iota // copy only
	Attached                   // lease and sleep
	Detached                   // the producer has let go
)

// NewReaderPage makes a reader's page; it wants frames.
func NewReaderPage() (shm.Memory, int, error) {
	page, fd, err := shm.Create("framering-reader", shm.PageBytes)
	if err != nil {
		return nil, -1, err
	}
	page.Word32(8).Store(LayoutVersion)
	SetDemand(page, true)
	page.Word(0).Store(readerPageMagic)
	return page, fd, nil
}

// SetDemand tells whether the reader of this page wants frames.
func SetDemand(page shm.Memory, wanted bool) {
	value := uint32(0)
	if wanted {
		value = 1
	}
	page.Word32(pageDemand).Store(value)
}

// RequestKey asks for a key frame.
func RequestKey(page shm.Memory) { page.Word(pageKeyRequests).Add(1) }

// SetBacklog tells what waits behind the reader and what its viewers can take, 0: no opinion.
func SetBacklog(page shm.Memory, frames, bytes, kbps uint32) {
	page.Word32(pageBacklog).Store(frames)
	page.Word32(pageBacklogBytes).Store(bytes)
	page.Word32(pageWantedKbps).Store(kbps)
}

// SetAttachedNs notes since when the reader is attached.
func SetAttachedNs(page shm.Memory, ns uint64) { page.Word(pageAttachedNs).Store(ns) }

// CheckBellPage says whether mapped memory is a bell page.
func CheckBellPage(bell shm.Memory) error {
	if len(bell) < shm.PageBytes || bell.Word(0).Load() != bellPageMagic {
		return fmt.Errorf("this is no bell page")
	}
	if version := bell.Word32(8).Load(); version != LayoutVersion {
		return fmt.Errorf("%w: the bell page has %d, this reader knows %d", ErrNewerLayout, version, LayoutVersion)
	}
	return nil
}

// AttachmentOf is what a bell page says.
func AttachmentOf(bell shm.Memory) Attachment { return Attachment(bell.Word32(bellAttachment).Load()) }

// publishCounts writes the counts to the page, for `framering stat`. Each frame changes three of them; a store that
// is sequentially consistent costs more than looking whether it is needed.
func (c *Cursor) publishCounts() {
	c.Counts.ReadTo = c.next - 1
	c.publish(pageReadTo, c.Counts.ReadTo)
	c.publish(pageDelivered, c.Counts.Delivered)
	c.publish(pageLapped, c.Counts.Lapped)
	c.publish(pageSkipped, c.Counts.Skipped)
	c.publish(pageUndecodable, c.Counts.Undecodable)
	c.publish(pageRevoked, c.Counts.LeasesRevoked)
	c.publish(pageDeliveredBytes, c.Counts.DeliveredBytes)
}

func (c *Cursor) publish(at, count uint64) {
	if word := c.page.Word(at); word.Load() != count {
		word.Store(count)
	}
}
