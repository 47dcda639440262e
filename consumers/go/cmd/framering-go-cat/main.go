// SPDX-License-Identifier: Apache-2.0

// framering-go-cat reads a stream of the pattern source and checks each frame, as `framering cat --verify` does:
// one JSON line at the end, exit 1 on any torn frame.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"framering"
	"framering/internal/pattern"
)

type result struct {
	Delivered   uint64 `json:"delivered"`
	Lost        uint64 `json:"lost"`
	Torn        uint64 `json:"torn"`
	Wrong       uint64 `json:"wrong_number"`
	Generations uint64 `json:"generations"`
	Last        uint64 `json:"last"`
}

func main() {
	frames := flag.Uint64("frames", 0, "end after so many frames (0: go on)")
	policy := flag.String("policy", "every", "newest, live or every")
	oldest := flag.Bool("oldest", false, "begin at the oldest key frame in the history, not at the newest")
	lease := flag.Bool("lease", false, "check frames in place instead of copying them")
	line := flag.Bool("line", false, "the line as bell, not an eventfd")
	dir := flag.String("socket-dir", "", "default: $FRAMERING_DIR, else /run/framering")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: framering-go-cat [options] STREAM")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	policies := map[string]framering.Policy{"newest": framering.Newest, "live": framering.Live, "every": framering.Every}
	chosen, known := policies[*policy]
	if !known {
		fmt.Fprintln(os.Stderr, "framering-go-cat: --policy is newest, live or every")
		os.Exit(2)
	}
	options := framering.Options{SocketDir: *dir, Policy: chosen, LineBell: *line}
	if *oldest {
		options.Start = framering.StartOldest
	}
	reader, err := framering.Open(flag.Arg(0), options)
	if err != nil {
		fmt.Fprintln(os.Stderr, "framering-go-cat:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "framering-go-cat: ready")
	total := verify(ctx, reader, *frames, *lease)
	reader.Close()
	_ = json.NewEncoder(os.Stdout).Encode(total)
	if total.Torn+total.Wrong != 0 {
		os.Exit(1)
	}
}

func verify(ctx context.Context, reader *framering.Reader, frames uint64, lease bool) (total result) {
	var leased framering.Lease
	frame := &leased.Frame
	var generation uint64
	for frames == 0 || total.Delivered < frames {
		var err error
		if lease {
			err = reader.Lease(ctx, &leased)
		} else {
			err = reader.Next(ctx, frame)
		}
		if ctx.Err() != nil {
			return total
		}
		if errors.Is(err, framering.ErrNoLease) { // let go of a moment ago: the next attachment leases again
			err = reader.Next(ctx, frame)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "framering-go-cat:", err)
			continue
		}
		number, fault := pattern.Check(frame.Data)
		if !lease || leased.Release() { // a revoked lease is no torn frame: its reader was told
			if fault != nil {
				total.Torn++
			} else if number != frame.Number {
				total.Wrong++
			}
		}
		if frame.Generation != generation {
			generation = frame.Generation
			total.Generations++
		}
		total.Delivered++
		total.Lost += frame.Lost.Total()
		total.Last = frame.Number
	}
	return total
}
