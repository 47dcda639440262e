// SPDX-License-Identifier: Apache-2.0

// Package livetest runs the real broker and producers for tests. $FRAMERING_BUILD names the build folder; without
// it such tests are skipped.
package livetest

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Patience is how long a test waits for what has to come, since the machine may be slow and busy. It costs nothing
// where it comes; what has to come within less is measured, not waited for.
const Patience = 30 * time.Second

// Within says whether what f takes is within the limit in one of a few attempts: a busy machine is late now and then,
// but not every time.
func Within(t testing.TB, limit time.Duration, f func()) {
	t.Helper()
	var took []time.Duration
	for range 5 {
		begin := time.Now()
		f()
		if took = append(took, time.Since(begin)); took[len(took)-1] <= limit {
			return
		}
	}
	t.Fatalf("it took %v, never within %v", took, limit)
}

// Process is one that a test started.
type Process struct {
	*exec.Cmd
	t      testing.TB
	done   chan struct{}
	output bytes.Buffer // of both streams; complete when done is closed
}

// Report is the line that a verifying reader ends with.
type Report struct {
	Delivered, Lost, Torn uint64
	Wrong                 uint64 `json:"wrong_number"`
}

// Seconds a test with a long form runs: short, or what $FRAMERING_GO_SECONDS says.
func Seconds(short int) int {
	if long, err := strconv.Atoi(os.Getenv("FRAMERING_GO_SECONDS")); err == nil {
		return long
	}
	return short
}

// World is a socket directory with processes of the test's own.
type World struct {
	t     testing.TB
	build string
	Dir   string
}

// New makes an empty world, or skips the test.
func New(t testing.TB) *World {
	t.Helper()
	build := os.Getenv("FRAMERING_BUILD")
	if build == "" {
		t.Skip("FRAMERING_BUILD does not name the build folder of the broker and the producer")
	}
	dir, err := os.MkdirTemp("", "framering-go") // a short path: a socket's has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return &World{t, build, dir}
}

// Path of something in the build folder.
func (w *World) Path(name string) string { return filepath.Join(w.build, name) }

// Needs skips the test in a build that was configured without a program.
func (w *World) Needs(program string) {
	w.t.Helper()
	if _, err := os.Stat(w.Path(program)); err != nil {
		w.t.Skip("not part of this build: ", program)
	}
}

// Broker starts the broker and returns once it listens.
func (w *World) Broker() *Process {
	w.t.Helper()
	socket := filepath.Join(w.Dir, "operator.sock")
	_ = os.Remove(socket)
	p := w.Start(nil, "broker/framering-broker")
	w.Until("the broker listens", func() bool {
		connection, err := net.Dial("unixpacket", socket)
		return err == nil && connection.Close() == nil
	})
	return p
}

// Producer starts a producer with arguments.
func (w *World) Producer(arguments ...string) *Process {
	w.t.Helper()
	return w.Start(nil, "producer/framering-producer", arguments...)
}

// Start starts a program of the build folder; it is killed at the end of the test.
func (w *World) Start(environment []string, program string, arguments ...string) *Process {
	w.t.Helper()
	return w.start(environment, w.Path(program), arguments...)
}

// GoReader builds framering-go-cat for this test's own architecture and starts it. $FRAMERING_RUNNER names the
// emulator that this test runs under as well.
func (w *World) GoReader(arguments ...string) *Process {
	w.t.Helper()
	program := filepath.Join(w.Dir, "framering-go-cat")
	build := exec.Command("go", "build", "-o", program, "framering/cmd/framering-go-cat")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+runtime.GOARCH)
	if said, err := build.CombinedOutput(); err != nil {
		w.t.Fatalf("go build: %v: %s", err, said)
	}
	if runner := os.Getenv("FRAMERING_RUNNER"); runner != "" {
		return w.start(nil, runner, append([]string{program}, arguments...)...)
	}
	return w.start(nil, program, arguments...)
}

func (w *World) start(environment []string, program string, arguments ...string) *Process {
	w.t.Helper()
	p := &Process{Cmd: exec.Command(program, arguments...), t: w.t, done: make(chan struct{})}
	p.Env = append(append(os.Environ(), "FRAMERING_DIR="+w.Dir), environment...)
	p.Stdout, p.Stderr = &p.output, &p.output
	if err := p.Cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		_ = p.Cmd.Wait()
		close(p.done)
	}()
	w.t.Cleanup(func() {
		p.Kill()
		if w.t.Failed() {
			w.t.Logf("%s said: %s", filepath.Base(program), p.output.Bytes())
		}
	})
	return p
}

// Kill ends the process with SIGKILL and waits for its end.
func (p *Process) Kill() {
	_ = p.Process.Kill()
	<-p.done
}

// Pause stops the process for a while, as a debugger or a loaded machine does.
func (p *Process) Pause(d time.Duration) {
	_ = p.Process.Signal(unix.SIGSTOP)
	time.Sleep(d)
	_ = p.Process.Signal(unix.SIGCONT)
}

// Report waits for the end of a verifying reader, no longer than limit, and returns what it counted.
func (p *Process) Report(limit time.Duration) (report Report) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		p.t.Fatalf("%s has not ended after %v", p.Path, limit)
	}
	for _, line := range strings.Split(p.output.String(), "\n") {
		if strings.HasPrefix(line, "{") {
			if err := json.Unmarshal([]byte(line), &report); err != nil {
				p.t.Fatalf("%v in %s", err, line)
			}
			p.t.Logf("%s: %s", filepath.Base(p.Path), line)
			return report
		}
	}
	p.t.Fatalf("%s ended with %v and told no counts", p.Path, p.ProcessState)
	return report
}

// Until waits for a condition.
func (w *World) Until(what string, condition func() bool) {
	w.t.Helper()
	for end := time.Now().Add(Patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waited %v in vain until %s", Patience, what)
		}
	}
}

// Wait waits for the end that the process comes to by itself.
func (p *Process) Wait() { <-p.done }

// Said is what the process wrote until its end, which it comes to by itself.
func (p *Process) Said() []byte {
	p.Wait()
	return p.output.Bytes()
}
