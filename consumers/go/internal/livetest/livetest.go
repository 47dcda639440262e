// SPDX-License-Identifier: Apache-2.0

// Package livetest runs the real broker and producers for tests. $FRAMERING_BUILD names the build folder; without
// it such tests are skipped.
package livetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Process is one that a test started.
type Process struct {
	*exec.Cmd
	done chan struct{}
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

// Broker starts the broker and returns once it listens.
func (w *World) Broker() *Process {
	w.t.Helper()
	socket := filepath.Join(w.Dir, "operator.sock")
	_ = os.Remove(socket)
	p := w.Start(nil, "broker/framering-broker")
	w.Until("the broker listens", func() bool {
		_, err := os.Stat(socket)
		return err == nil
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
	command := exec.Command(w.Path(program), arguments...)
	command.Env = append(append(os.Environ(), "FRAMERING_DIR="+w.Dir), environment...)
	if testing.Verbose() {
		command.Stderr = os.Stderr
	}
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	p := &Process{command, make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(p.done)
	}()
	w.t.Cleanup(p.Kill)
	return p
}

// Kill ends the process with SIGKILL and waits for its end.
func (p *Process) Kill() {
	_ = p.Process.Kill()
	<-p.done
}

// Until waits for a condition, ten seconds at most.
func (w *World) Until(what string, condition func() bool) {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waited 10 s in vain until %s", what)
		}
	}
}

// Wait waits for the end that the process comes to by itself.
func (p *Process) Wait() { <-p.done }
