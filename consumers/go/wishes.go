// SPDX-License-Identifier: Apache-2.0

package framering

import "framering/internal/ring"

// RequestKey asks the producer for a key frame. All readers' requests are merged and rate limited there.
func (r *Reader) RequestKey() { r.wish(func() { ring.RequestKey(r.page) }) }

// SetDemand tells whether this reader wants frames now. A stream nobody wants is not encoded.
func (r *Reader) SetDemand(wanted bool) { r.wish(func() { ring.SetDemand(r.page, wanted) }) }

// SetBacklog tells the producer's rate control what waits behind this reader, and what its viewers can take;
// 0 kbps: no opinion.
func (r *Reader) SetBacklog(frames, bytes, kbps uint32) {
	r.shared.RLock()
	defer r.shared.RUnlock()
	if r.page != nil {
		ring.SetBacklog(r.page, frames, bytes, kbps)
	}
}

func (r *Reader) wish(write func()) {
	r.shared.RLock()
	defer r.shared.RUnlock()
	if r.page == nil {
		return
	}
	write()
	if r.visible != nil {
		r.visible.nudge()
	}
}

// Info is what a stream says of itself now.
type Info struct {
	State         SourceState
	Codec         uint32 // fourcc
	Width, Height uint32 // of the newest frame
	Head          uint64 // newest frame
	Generation    uint64
	InterCoded    bool
	MaxFrameBytes uint64
}

// Info looks at the ring; without one the state is NoProducer.
func (r *Reader) Info() Info {
	r.shared.RLock()
	defer r.shared.RUnlock()
	a := r.visible
	if a == nil {
		return Info{State: NoProducer}
	}
	state, _ := a.view.SourceState()
	width, height := a.view.PictureSize()
	info := Info{SourceState(state), a.view.Codec, width, height, a.view.Head(), a.generation, a.view.InterCoded,
		a.view.MaxFrameBytes}
	if a.hungUp.Load() && info.State != Ended && info.State != Replaced {
		info.State = NoProducer
	}
	return info
}

// ParameterSet appends the set (SPS, PPS, VPS in Annex B) that a frame names to to; false: it is given up, or
// there is none. Most key frames carry theirs: FlagParameterSetsIncluded.
func (r *Reader) ParameterSet(number uint64, to []byte) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil {
		return to, false
	}
	return r.cursor.ParameterSet(number, to)
}
