// SPDX-License-Identifier: Apache-2.0

package kvmvision

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"framering"
)

const (
	maxLag = 10 // frames behind at which a caller goes on at a key frame
	// So many frames in a row far behind: the caller reads no faster than they come, so it begins anew at the head.
	behindFrames = 30
	rotation     = 4
)

type request struct {
	width, height, level uint16
}

// source is one handle's place in one stream. mu is held for the whole of a read.
type source struct {
	open  func() (*framering.Reader, error)
	again func() // another producer has come

	mu      sync.Mutex
	now     sync.Mutex // guards reader against close while a read waits
	reader  *framering.Reader
	closed  bool
	idle    *time.Timer
	frames  [rotation]framering.Frame
	whole   [rotation][]byte // of frames that came without their parameter sets
	life    uint64           // the producer's, of the newest frame; 0: none yet
	turn    int
	behind  int
	last    []byte // for sameAsBefore
	request request
	same    int // reads with this request
}

// asked counts reads with the same request; changed is called with one that differs from the last.
func (s *source) asked(r request, changed func(request)) int {
	if r != s.request {
		s.request, s.same = r, 0
		if changed != nil {
			changed(r)
		}
	}
	s.same++
	return s.same
}

// current opens the reader if need be, and keeps it from being closed as idle.
func (s *source) current() *framering.Reader {
	s.now.Lock()
	defer s.now.Unlock()
	if s.closed {
		return nil
	}
	if s.reader == nil {
		reader, err := s.open()
		if err != nil {
			return nil
		}
		s.reader = reader
	}
	if s.idle == nil {
		s.idle = time.AfterFunc(longestWait+idleAfter, s.letGo)
	} else {
		s.idle.Reset(longestWait + idleAfter)
	}
	return s.reader
}

// letGo closes the reader; the next read opens another.
func (s *source) letGo() {
	s.now.Lock()
	reader := s.reader
	s.reader = nil
	s.now.Unlock()
	if reader != nil {
		reader.Close()
	}
}

func (s *source) close() {
	s.now.Lock()
	s.closed = true
	if s.idle != nil {
		s.idle.Stop()
	}
	s.now.Unlock()
	s.letGo()
}

// read waits for the next frame as long as the vendor's call would. ResultJPEG: there is one.
func (s *source) read() (*framering.Frame, int) {
	reader := s.current()
	if reader == nil {
		return nil, ResultNoImage
	}
	s.turn = (s.turn + 1) % rotation
	frame := &s.frames[s.turn]
	wait := longestWait
	if failed(reader.Info().State) {
		wait = failedWait
	}
	deadline := time.Now().Add(wait)
	for {
		err := reader.NextBefore(context.Background(), deadline, frame)
		if err == nil {
			s.keepUp(reader, frame)
			if s.life != frame.Generation {
				if s.life != 0 {
					s.again()
				}
				s.life = frame.Generation
			}
			return frame, ResultJPEG
		}
		state := reader.Info().State
		if errors.Is(err, framering.ErrStateChanged) && !failed(state) {
			continue
		}
		return nil, code(state)
	}
}

func (s *source) keepUp(reader *framering.Reader, frame *framering.Frame) {
	if reader.Info().Head <= frame.Number+maxLag {
		s.behind = 0
	} else if s.behind++; s.behind >= behindFrames {
		s.behind = 0
		s.letGo()
	}
}

func (s *source) sameAsBefore(data []byte) bool {
	same := bytes.Equal(s.last, data)
	s.last = append(s.last[:0], data...)
	return same
}

// withParameterSets puts SPS and PPS before a key frame that comes without.
func (s *source) withParameterSets(frame *framering.Frame) []byte {
	if frame.Flags&framering.FlagParameterSetsIncluded != 0 || frame.ParameterSet == 0 {
		return frame.Data
	}
	s.now.Lock()
	defer s.now.Unlock()
	if s.reader != nil {
		whole := &s.whole[s.turn]
		if sets, ok := s.reader.ParameterSet(frame.ParameterSet, (*whole)[:0]); ok {
			*whole = append(sets, frame.Data...)
			return *whole
		}
	}
	return frame.Data
}

func failed(state framering.SourceState) bool { return code(state) != ResultRetrieving }

// code is the vendor's for a read that finds no frame in this state.
func code(state framering.SourceState) int {
	switch state {
	case framering.StateLive, framering.Starting, framering.Idle:
		return ResultRetrieving
	case framering.EncoderError:
		return ResultEncoderError
	case framering.FrameTooLarge:
		return ResultBufferFull
	case framering.ChangingResolution:
		return ResultChangingResolution
	case framering.UnsupportedResolution:
		return ResultUnsupportedResolution
	}
	return ResultNoImage
}
