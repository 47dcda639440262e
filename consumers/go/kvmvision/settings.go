// SPDX-License-Identifier: Apache-2.0

package kvmvision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"

	"framering"
)

const retrySettings = time.Second

// settings brings what callers want to the producer, now or once there is one, and again to one that takes its
// place. The newest value of a key counts, whichever handle asked for it: all handles of a stream share one of these.
// A refused value is logged and dropped.
type settings struct {
	dir, stream string
	handles     int // guarded by shared

	mu      sync.Mutex
	wanted  map[string]string // all that holds
	pending map[string]string // of these, what the producer does not have yet
	running bool
	context context.Context
	cancel  context.CancelFunc
}

var (
	shared   sync.Mutex
	byStream = map[[2]string]*settings{}
)

// openSettings gives those of a stream; each is closed once.
func openSettings(dir, stream string) *settings {
	shared.Lock()
	defer shared.Unlock()
	s := byStream[[2]string{dir, stream}]
	if s == nil {
		s = &settings{dir: dir, stream: stream, wanted: map[string]string{}, pending: map[string]string{}}
		s.context, s.cancel = context.WithCancel(context.Background())
		byStream[[2]string{dir, stream}] = s
	}
	s.handles++
	return s
}

func (s *settings) close() {
	shared.Lock()
	defer shared.Unlock()
	if s.handles--; s.handles == 0 {
		s.cancel()
		delete(byStream, [2]string{s.dir, s.stream})
	}
}

// want limits a value as the vendor's library does; 0 leaves what is.
func (s *settings) want(key string, value, least, most uint16) {
	if value != 0 {
		s.wantText(key, strconv.Itoa(int(min(max(value, least), most))))
	}
}

func (s *settings) wantSize(width, height uint16) {
	if width != 0 && height != 0 {
		s.wantText("size", fmt.Sprintf("%dx%d", width, height))
	}
}

func (s *settings) wantText(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted[key], s.pending[key] = value, value
	s.start()
}

// held: the producer has taken this value.
func (s *settings) held(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted[key] = value
	delete(s.pending, key)
}

// again: another producer has come, which knows nothing of what was set before.
func (s *settings) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.pending, s.wanted)
	s.start()
}

func (s *settings) start() {
	if !s.running && len(s.pending) != 0 {
		s.running = true
		go s.apply()
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// apply runs while something is pending.
func (s *settings) apply() {
	for {
		key, value, found := s.next()
		if !found || s.context.Err() != nil {
			return
		}
		_, err := framering.ChangeSettings(s.context, s.dir, s.stream, framering.Setting{Key: key, Value: value})
		var refused *framering.RefusedError
		if errors.As(err, &refused) && refused.Reason == framering.RefusedBadSetting {
			slog.Warn("kvmvision: setting refused", "key", key, "value", value, "why", refused.Text)
			s.done(key, value, false)
			continue
		}
		if err == nil {
			s.done(key, value, true)
			continue
		}
		select {
		case <-time.After(retrySettings):
		case <-s.context.Done():
		}
	}
}

func (s *settings) next() (key, value string, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, value = range s.pending {
		return key, value, true
	}
	s.running = false
	return "", "", false
}

func (s *settings) done(key, value string, taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[key] == value {
		delete(s.pending, key)
	}
	if !taken && s.wanted[key] == value {
		delete(s.wanted, key)
	}
}
