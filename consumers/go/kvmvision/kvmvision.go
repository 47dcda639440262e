// SPDX-License-Identifier: Apache-2.0

// Package kvmvision has the methods of NanoKVM's common.KvmVision, fed from Framering's streams instead of through
// CGO. Each GetKvmVision returns a handle with cursors of its own, so that viewers no longer take frames from each
// other; a handle that nobody reads lets go of everything after a while.
//
// Environment: FRAMERING_DIR, the sockets' directory; FRAMERING_STREAM, default hdmi, for hdmi/h264 and hdmi/mjpeg.
package kvmvision

import (
	"context"
	"os"
	"sync/atomic"
	"time"

	"framering"
)

// Results of the reads.
const (
	ResultJPEG                  = 0
	ResultI                     = 3
	ResultP                     = 4
	ResultUnchanged             = 5 // SetFrameDetect: the same picture as before
	ResultNoImage               = -1
	ResultEncoderError          = -2
	ResultBufferFull            = -3
	ResultChangingResolution    = -4
	ResultRetrieving            = -5
	ResultUnsupportedResolution = -6
)

const (
	// The vendor's call waits a second for a picture and 80 ms for its encoder, and 100 ms when that fails.
	longestWait = 1080 * time.Millisecond
	failedWait  = 100 * time.Millisecond
	// A handle that is not read so long is not a viewer any more.
	idleAfter = 2 * time.Second
	// Whoever reads so often with the same size and quality is a viewer and no screenshot.
	viewerReads = 3
)

// KvmVision is one caller's handle. Its methods may be called from any goroutine.
type KvmVision struct {
	dir, stream string
	closed      atomic.Bool
	frameDetect atomic.Uint32
	settings    *settings
	h264        source
	mjpeg       source
}

// GetKvmVision returns a handle at once; without a broker it connects later.
func GetKvmVision() *KvmVision {
	stream := os.Getenv("FRAMERING_STREAM")
	if stream == "" {
		stream = "hdmi"
	}
	return New("", stream)
}

// New is GetKvmVision for other sockets and another stream.
func New(socketDir, stream string) *KvmVision {
	k := &KvmVision{dir: socketDir, stream: stream, settings: openSettings(socketDir, stream+"/h264")}
	k.h264.again, k.mjpeg.again = k.settings.again, k.settings.again
	k.h264.open = func() (*framering.Reader, error) {
		// At the head: what the history holds would stay as delay behind a caller that reads at the frame rate.
		return framering.Open(stream+"/h264", framering.Options{SocketDir: socketDir, Name: "kvmvision",
			Policy: framering.Live, Start: framering.StartHead, MaxLag: maxLag, StateChanges: true})
	}
	k.mjpeg.open = func() (*framering.Reader, error) {
		return framering.Open(stream+"/mjpeg", framering.Options{SocketDir: socketDir, Name: "kvmvision",
			Policy: framering.Newest, Start: framering.StartHead, StateChanges: true})
	}
	return k
}

// ReadH264 returns the next access unit in Annex B, an I frame with its SPS and PPS. The bytes are good until the
// fourth read after this one. bitRate in kbit/s; 0 leaves a value as it is.
func (k *KvmVision) ReadH264(width, height, bitRate uint16) ([]byte, int) {
	k.h264.mu.Lock()
	defer k.h264.mu.Unlock()
	if k.closed.Load() {
		return nil, ResultNoImage
	}
	k.h264.asked(request{width, height, bitRate}, func(r request) {
		k.settings.wantSize(r.width, r.height)
		k.settings.want("bitrate-kbps", r.level, 500, 10000)
	})
	frame, result := k.h264.read()
	if result != ResultJPEG {
		return nil, result
	}
	if !frame.IsKey() {
		return frame.Data, ResultP
	}
	return k.h264.withParameterSets(frame), ResultI
}

// ReadMjpeg returns the newest picture; its bytes are good until the fourth read after this one. Another size than
// the stream's is scaled here for whoever asks once or twice (a screenshot); who goes on asking is a viewer, whose
// size and quality the producer is told.
func (k *KvmVision) ReadMjpeg(width, height, quality uint16) ([]byte, int) {
	k.mjpeg.mu.Lock()
	defer k.mjpeg.mu.Unlock()
	if k.closed.Load() {
		return nil, ResultNoImage
	}
	if k.mjpeg.asked(request{width, height, quality}, nil) == viewerReads {
		k.settings.wantSize(width, height)
		k.settings.want("quality", quality, 51, 99)
	}
	frame, result := k.mjpeg.read()
	if result != ResultJPEG {
		return nil, result
	}
	if k.frameDetect.Load() != 0 && k.mjpeg.sameAsBefore(frame.Data) {
		return nil, ResultUnchanged
	}
	return k.mjpeg.picture(frame, width, height, quality)
}

// SetHDMI switches the HDMI input off, which then has no signal for anybody, and on; -1: there is no producer, or
// its source has no HDMI.
func (k *KvmVision) SetHDMI(enable bool) int {
	value := onOff(enable)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := framering.ChangeSettings(ctx, k.dir, k.stream+"/h264", framering.Setting{Key: "hdmi", Value: value}); err != nil {
		return -1
	}
	k.settings.held("hdmi", value)
	return 0
}

// HasHDMISignal tells whether the source has a picture, or had one when it was last wanted.
func (k *KvmVision) HasHDMISignal() bool {
	ctx, cancel := context.WithTimeout(context.Background(), failedWait)
	defer cancel()
	streams, err := framering.Streams(ctx, k.dir)
	if err != nil {
		return false
	}
	// Both streams tell of one source, each when it gets there: the later word counts, idleness only alone.
	var newest framering.StreamInfo
	for _, stream := range streams {
		ours := stream.Name == k.stream+"/h264" || stream.Name == k.stream+"/mjpeg"
		fresher := newest.Name == "" || newest.State == framering.Idle || stream.StateSinceNs > newest.StateSinceNs
		if ours && fresher && (newest.Name == "" || stream.State != framering.Idle) {
			newest = stream
		}
	}
	switch newest.State {
	case framering.StateLive, framering.ChangingResolution, framering.EncoderError, framering.FrameTooLarge,
		framering.Idle:
		return true
	}
	return false
}

// SetGop sets frames from key frame to key frame.
func (k *KvmVision) SetGop(gop uint8) { k.settings.want("gop", uint16(gop), 1, 100) }

// SetFrameDetect, not 0: ReadMjpeg answers ResultUnchanged for the same picture again, which the producer then
// publishes seldom.
func (k *KvmVision) SetFrameDetect(frame uint8) {
	k.frameDetect.Store(uint32(frame))
	k.settings.wantText("frame-detect", onOff(frame != 0))
}

// Close ends this handle; its reads return -1 from now on.
func (k *KvmVision) Close() {
	if k.closed.Swap(true) {
		return
	}
	k.settings.close()
	k.h264.close()
	k.mjpeg.close()
}
