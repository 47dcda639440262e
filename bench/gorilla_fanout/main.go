// SPDX-License-Identifier: Apache-2.0

// gorilla_fanout sends what it reads to every WebSocket that connects: the rival of
// bench/websocket_fanout.cpp, written the way Go servers usually are, with a goroutine and a channel
// for each viewer.
//
//	gorilla_fanout PORT FILE    FILE, often a pipe, holds frames: uint32 little-endian length, bytes
package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	queueFrames  = 8
	writeTimeout = 2 * time.Second
)

type hub struct {
	mutex   sync.Mutex
	viewers map[chan []byte]struct{}
}

func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	queue := make(chan []byte, queueFrames)
	h.mutex.Lock()
	h.viewers[queue] = struct{}{}
	h.mutex.Unlock()
	go func() { // gorilla wants somebody to read
		defer close(queue)
		for {
			if _, _, err := conn.NextReader(); err != nil {
				h.mutex.Lock()
				delete(h.viewers, queue)
				h.mutex.Unlock()
				return
			}
		}
	}()
	for frame := range queue {
		conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if conn.WriteMessage(websocket.BinaryMessage, frame) != nil {
			return
		}
	}
}

func (h *hub) send(frame []byte) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for queue := range h.viewers {
		select {
		case queue <- frame:
		default: // does not keep up
		}
	}
}

func main() {
	h := &hub{viewers: map[chan []byte]struct{}{}}
	http.HandleFunc("/", h.serve)
	go func() { log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil)) }()
	file, err := os.Open(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	input := bufio.NewReaderSize(file, 1<<16)
	for {
		var length uint32
		if binary.Read(input, binary.LittleEndian, &length) != nil {
			return
		}
		frame := make([]byte, length)
		if _, err := io.ReadFull(input, frame); err != nil {
			return
		}
		h.send(frame)
	}
}
