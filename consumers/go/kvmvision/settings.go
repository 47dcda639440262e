// SPDX-License-Identifier: Apache-2.0

package kvmvision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"framering"
)

const retrySettings = time.Second

// settings brings what callers want to the producer, now or once there is one. The newest value of a key counts;
// a refused one is logged and dropped.
type settings struct {
	dir, stream string

	mu      sync.Mutex
	pending map[string]string
	running bool
	context context.Context
	cancel  context.CancelFunc
}

func newSettings(dir, stream string) *settings {
	ctx, cancel := context.WithCancel(context.Background())
	return &settings{dir: dir, stream: stream, pending: map[string]string{}, context: ctx, cancel: cancel}
}

func (s *settings) close() { s.cancel() }

func (s *settings) want(key string, value uint16) {
	if value != 0 {
		s.wantText(key, strconv.Itoa(int(value)))
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
	s.pending[key] = value
	if !s.running {
		s.running = true
		go s.apply()
	}
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
			err = nil
		}
		if err == nil {
			s.done(key, value)
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

func (s *settings) done(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[key] == value {
		delete(s.pending, key)
	}
}
