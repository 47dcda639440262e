// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"framering"
)

// NanoKVM's direct protocol. Server to client, beginning with a key frame:
//
//	0     1              9
//	│ key │ timestamp µs │ access unit in Annex B      key: 1 or 0; integers little-endian
//
// Client to server, with flow=N: │ 2 │ timestamp µs │ everything up to here is done; │ 3 │ lost: go on at a key frame.
const (
	acknowledge = 2
	resync      = 3

	// Frames behind the newest at which a viewer goes on at a key frame. The ring is the queue: what a slow viewer
	// has not taken yet costs no memory here.
	maxLag = 8

	longestMessage = 64 // bytes, from a client
	pingEvery      = 15 * time.Second
	pongWait       = 30 * time.Second
	writeWait      = 2 * time.Second
)

var upgrader = websocket.Upgrader{HandshakeTimeout: 5 * time.Second} // refuses foreign origins

type direct struct {
	source source
}

func (d direct) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer conn.Close()
	reader, err := d.source.open("direct", framering.StartKey)
	if err != nil {
		slog.Warn("direct", "error", err)
		return
	}
	defer reader.Close()
	flow, _ := strconv.Atoi(r.URL.Query().Get("flow"))
	viewer := &directViewer{conn: conn, window: min(max(flow, 0), maxLag), room: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		defer cancel() // the client has gone
		viewer.listen()
	}()
	go viewer.ping(ctx)
	slog.Info("direct viewer ended", "why", viewer.show(ctx, reader))
}

type directViewer struct {
	conn   *websocket.Conn
	window int           // frames in flight at most; 0: no acknowledgements
	room   chan struct{} // something was acknowledged

	mu        sync.Mutex
	inFlight  []uint64 // timestamps
	resyncing bool
}

// show sends frames until one does not get through.
func (v *directViewer) show(ctx context.Context, reader *framering.Reader) error {
	var message []byte
	return each(ctx, reader, func(frame *framering.Frame) error {
		timestamp := frame.CapturedNs / 1000
		if !v.wanted(frame.IsKey(), timestamp) {
			reader.RequestKey()
			return nil
		}
		key := byte(0)
		if frame.IsKey() {
			key = 1
		}
		message = append(message[:0], key)
		message = binary.LittleEndian.AppendUint64(message, timestamp)
		message = append(message, frame.Data...)
		if err := v.conn.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
			return err
		}
		if err := v.conn.WriteMessage(websocket.BinaryMessage, message); err != nil {
			return err
		}
		return v.waitForRoom(ctx)
	})
}

// wanted counts the frame as in flight, unless the client has lost its place and it is no key frame.
func (v *directViewer) wanted(key bool, timestamp uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.resyncing && !key {
		return false
	}
	v.resyncing = false
	if v.window != 0 {
		v.inFlight = append(v.inFlight, timestamp)
	}
	return true
}

func (v *directViewer) waitForRoom(ctx context.Context) error {
	for v.full() {
		select {
		case <-v.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (v *directViewer) full() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.window != 0 && len(v.inFlight) >= v.window
}

// listen returns when the client is gone.
func (v *directViewer) listen() {
	v.conn.SetReadLimit(longestMessage)
	alive := func(string) error { return v.conn.SetReadDeadline(time.Now().Add(pongWait)) }
	_ = alive("")
	v.conn.SetPongHandler(alive)
	for {
		kind, message, err := v.conn.ReadMessage()
		if err != nil {
			return
		}
		if kind == websocket.BinaryMessage {
			v.heard(message)
		}
	}
}

func (v *directViewer) heard(message []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case len(message) == 9 && message[0] == acknowledge:
		done := binary.LittleEndian.Uint64(message[1:])
		for len(v.inFlight) != 0 && v.inFlight[0] <= done {
			v.inFlight = v.inFlight[1:]
		}
		select {
		case v.room <- struct{}{}:
		default:
		}
	case len(message) == 1 && message[0] == resync:
		v.resyncing = true
	}
}

func (v *directViewer) ping(ctx context.Context) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = v.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait))
		}
	}
}
