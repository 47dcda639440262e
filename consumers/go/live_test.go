// SPDX-License-Identifier: Apache-2.0

package framering_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"framering"
	"framering/internal/livetest"
	"framering/internal/pattern"
)

func timeout(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func open(t testing.TB, w *livetest.World, stream string, options framering.Options) *framering.Reader {
	t.Helper()
	options.SocketDir = w.Dir
	reader, err := framering.Open(stream, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	return reader
}

// read takes count frames and checks number, checksum and loss of each.
func read(t testing.TB, ctx context.Context, reader *framering.Reader, frame *framering.Frame, count int) {
	t.Helper()
	for range count {
		last := *frame
		if err := reader.Next(ctx, frame); err != nil {
			t.Fatal(err)
		}
		number, err := pattern.Check(frame.Data)
		if err != nil || number != frame.Number {
			t.Fatalf("frame %d carries %d: %v", frame.Number, number, err)
		}
		if last.Generation == frame.Generation && frame.Number != last.Number+1+frame.Lost.Total() {
			t.Fatalf("frame %d after %d, told of %+v", frame.Number, last.Number, frame.Lost)
		}
	}
}

func TestEveryFrameComesThroughBrokerRestarts(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]bool{"eventfd": false, "line": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := livetest.New(t)
			broker := w.Broker()
			// A history of all frames: what a busy machine is late by is not to be lost.
			w.Producer("--source", "pattern", "--stream", "test", "--size", "20K", "--fps", "250", "--history", "64M",
				"--slots", "4096")
			reader := open(t, w, "test", framering.Options{Policy: framering.Every, LineBell: line})
			ctx := timeout(t, 2*livetest.Patience)
			var frame framering.Frame
			for range 3 {
				read(t, ctx, reader, &frame, 100)
				broker.Kill()
				read(t, ctx, reader, &frame, 50)
				broker = w.Broker()
				read(t, ctx, reader, &frame, 100)
			}
			// The claim was accepted: the broker knows the reader, and it is not let go 5 s after the return.
			untilReader(t, ctx, w)
			read(t, ctx, reader, &frame, 250*6)
			if c := reader.Counts(); c.Total() != 0 || c.Delivered != 250*9 {
				t.Fatalf("counts %+v", c)
			}
		})
	}
}

func untilReader(t *testing.T, ctx context.Context, w *livetest.World) {
	t.Helper()
	w.Until("the broker counts the reader", func() bool {
		streams, err := framering.Streams(ctx, w.Dir)
		return err == nil && len(streams) == 1 && streams[0].Readers == 1
	})
}

// A broker that came back knows a reader's bell from its claim only.
func TestStatTellsTheBellBeforeAndAfterABrokerRestart(t *testing.T) {
	t.Parallel()
	for bell, line := range map[string]bool{"eventfd": false, "line": true} {
		t.Run(bell, func(t *testing.T) {
			t.Parallel()
			w := livetest.New(t)
			w.Needs(cppReader)
			broker := w.Broker()
			w.Producer("--source", "pattern", "--stream", "test", "--size", "1K", "--fps", "50")
			reader := open(t, w, "test", framering.Options{LineBell: line})
			ctx := timeout(t, 2*livetest.Patience)
			var frame framering.Frame
			read(t, ctx, reader, &frame, 1)
			for _, when := range []string{"before", "after"} {
				untilReader(t, ctx, w)
				said := w.Start(nil, cppReader, "stat", "test", "--json").Said()
				var streams []struct{ Readers []struct{ Bell string } }
				if err := json.Unmarshal(said, &streams); err != nil {
					t.Fatalf("%v: %s", err, said)
				}
				if got := streams[0].Readers[0].Bell; got != bell {
					t.Errorf("%s the restart: bell %s instead of %s", when, got, bell)
				}
				if when == "before" {
					broker.Kill()
					w.Broker()
				}
			}
		})
	}
}

func TestAReaderFollowsItsProducersRestart(t *testing.T) {
	t.Parallel()
	w := livetest.New(t)
	w.Broker()
	producer := w.Producer("--source", "pattern", "--stream", "test", "--size", "10K", "--fps", "100", "--gop", "10")
	reader := open(t, w, "test", framering.Options{Policy: framering.Every})
	ctx := timeout(t, 2*livetest.Patience)
	var frame framering.Frame
	read(t, ctx, reader, &frame, 50)
	generation := frame.Generation
	producer.Kill()
	w.Until("the death shows", func() bool {
		end := time.Now().Add(20 * time.Millisecond)
		return errors.Is(reader.NextBefore(ctx, end, &frame), os.ErrDeadlineExceeded) &&
			reader.Info().State == framering.NoProducer
	})
	w.Producer("--source", "pattern", "--stream", "test", "--size", "10K", "--fps", "100", "--gop", "10")
	read(t, ctx, reader, &frame, 1)
	if frame.Generation == generation || frame.Number != 1+frame.Lost.Skipped || !frame.IsKey() {
		t.Fatalf("began with frame %d, key %v, lost %+v", frame.Number, frame.IsKey(), frame.Lost)
	}
	read(t, ctx, reader, &frame, 50)
}

func TestAReaderMayBeOpenedBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	w := livetest.New(t)
	reader := open(t, w, "test", framering.Options{})
	var frame framering.Frame
	if err := reader.Next(timeout(t, 50*time.Millisecond), &frame); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v", err)
	}
	w.Broker()
	w.Producer("--source", "pattern", "--stream", "test", "--size", "1K", "--fps", "50")
	read(t, timeout(t, 2*livetest.Patience), reader, &frame, 10)
}

func TestLeasedFramesAreWhole(t *testing.T) {
	t.Parallel()
	w := livetest.New(t)
	w.Broker()
	w.Producer("--source", "pattern", "--stream", "test", "--size", "50K", "--fps", "500", "--history", "1M")
	reader := open(t, w, "test", framering.Options{Policy: framering.Live})
	ctx := timeout(t, 2*livetest.Patience)
	var held [4]framering.Lease
	for n := range 500 {
		lease := &held[n%len(held)]
		lease.Release()
		if err := reader.Lease(ctx, lease); err != nil {
			t.Fatal(err)
		}
		number, err := pattern.Check(lease.Data)
		if lease.Valid() && (err != nil || number != lease.Number) {
			t.Fatalf("frame %d carries %d: %v", lease.Number, number, err)
		}
	}
	// Closing first does not pull the bytes away.
	reader.Close()
	for i := range held {
		_, _ = pattern.Check(held[i].Data)
		held[i].Release()
	}
}

func TestStartAtTheOldestKeyFrameGivesTheHistory(t *testing.T) {
	t.Parallel()
	w := livetest.New(t)
	w.Broker()
	w.Producer("--source", "pattern", "--stream", "test", "--size", "1K", "--fps", "200", "--gop", "20",
		"--slots", "2048")
	var frame framering.Frame
	ctx := timeout(t, 2*livetest.Patience)
	read(t, ctx, open(t, w, "test", framering.Options{Start: framering.StartHead}), &frame, 60)
	frame = framering.Frame{}
	read(t, ctx, open(t, w, "test", framering.Options{Policy: framering.Every, Start: framering.StartOldest}), &frame, 1)
	if frame.Number != 1 {
		t.Fatalf("began with frame %d", frame.Number)
	}
	frame = framering.Frame{}
	read(t, ctx, open(t, w, "test", framering.Options{}), &frame, 1)
	if frame.Number < 30 || !frame.IsKey() {
		t.Fatalf("began with frame %d, key %v", frame.Number, frame.IsKey())
	}
}

func TestDemandStopsAndStartsTheProducer(t *testing.T) {
	t.Parallel()
	w := livetest.New(t)
	w.Broker()
	w.Producer("--source", "pattern", "--stream", "test", "--size", "1K", "--fps", "100", "--on-demand", "--idle-seconds", "1")
	reader := open(t, w, "test", framering.Options{})
	ctx := timeout(t, 2*livetest.Patience)
	var frame framering.Frame
	read(t, ctx, reader, &frame, 10)
	reader.SetDemand(false)
	w.Until("the source idles", func() bool { return reader.Info().State == framering.Idle })
	for reader.NextBefore(ctx, time.Now().Add(50*time.Millisecond), &frame) == nil {
	}
	head := reader.Info().Head
	reader.SetDemand(true)
	read(t, ctx, reader, &frame, 10)
	if frame.Number <= head {
		t.Fatalf("frame %d after head %d", frame.Number, head)
	}
}

func TestClosingEndsAWaitingNext(t *testing.T) {
	t.Parallel()
	w := livetest.New(t)
	w.Broker()
	w.Producer("--source", "pattern", "--stream", "test", "--size", "1K", "--fps", "1")
	reader := open(t, w, "test", framering.Options{})
	var frame framering.Frame
	read(t, timeout(t, 2*livetest.Patience), reader, &frame, 1)
	result := make(chan error)
	go func() {
		for {
			if err := reader.Next(context.Background(), &frame); err != nil {
				result <- err
				return
			}
		}
	}()
	reader.Close()
	if err := <-result; !errors.Is(err, framering.ErrClosed) {
		t.Fatal(err)
	}
	reader.RequestKey() // of a closed reader: nothing happens
	reader.SetBacklog(1, 2, 3)
}

func TestSettingsOfAStreamAreToldAndRefusedWithTheRange(t *testing.T) {
	t.Parallel()
	w := livetest.New(t)
	w.Broker()
	ctx := timeout(t, 2*livetest.Patience)
	if _, err := framering.Settings(ctx, w.Dir, "none"); err == nil || !strings.Contains(err.Error(), "none") {
		t.Fatalf("%v", err)
	}
	w.Producer("--source", "pattern", "--stream", "test", "--size", "1K", "--fps", "50")
	var held []framering.Setting
	w.Until("the producer answers", func() (answered bool) {
		var err error
		held, err = framering.Settings(ctx, w.Dir, "test")
		return err == nil
	})
	t.Log(held)
	_, err := framering.ChangeSettings(ctx, w.Dir, "test", framering.Setting{Key: "no-such", Value: "1"})
	var refused *framering.RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("%v", err)
	}
	t.Log(refused)
}

func TestWithoutABrokerTheListSaysWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := framering.Streams(timeout(t, time.Second), t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "framering-broker") {
		t.Fatalf("%v", err)
	}
	if _, err := framering.Open("a//b", framering.Options{}); err == nil {
		t.Fatal("a bad name was taken")
	}
}
