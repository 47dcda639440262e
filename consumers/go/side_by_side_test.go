// SPDX-License-Identifier: Apache-2.0

package framering_test

import (
	"strconv"
	"testing"
	"time"

	"framering/internal/livetest"
)

const cppReader = "consumers/cli/framering"

// Long form: FRAMERING_GO_SECONDS=60.
func TestGoAndCppReadersOfOneRingLoseNothingThroughStopsAndABrokerKill(t *testing.T) {
	t.Parallel()
	const fps = 250
	frames := fps * livetest.Seconds(6)
	w := livetest.New(t)
	w.Needs(cppReader)
	broker := w.Broker()
	count := strconv.Itoa(frames)
	goReader := w.GoReader("--policy", "every", "--oldest", "--frames", count, "test")
	cpp := w.Start(nil, cppReader, "cat", "test", "--verify", "--policy", "every", "--start", "oldest", "--frames", count)
	// 160 MB hold 6.4 s: a reader that is stopped for less, or attaches so late, has lost nothing.
	producer := w.Producer("--source", "pattern", "--stream", "test", "--size", "100K", "--fps", strconv.Itoa(fps),
		"--history", "160M", "--slots", "2048", "--frames", strconv.Itoa(frames), "--linger-seconds", "20")

	const stop, between = 500 * time.Millisecond, 600 * time.Millisecond
	for end := time.Now().Add(time.Duration(frames) * time.Second / fps * 9 / 10); time.Now().Before(end); {
		time.Sleep(between)
		goReader.Pause(stop)
		time.Sleep(between)
		cpp.Pause(stop)
		time.Sleep(between)
		producer.Pause(stop / 5)
		broker.Kill()
		time.Sleep(between)
		broker = w.Broker()
	}
	for name, reader := range map[string]*livetest.Process{"Go": goReader, "C++": cpp} {
		if r := reader.Report(2 * livetest.Patience); r != (livetest.Report{Delivered: uint64(frames)}) {
			t.Errorf("the %s reader counted %+v of %d frames", name, r, frames)
		}
	}
}
