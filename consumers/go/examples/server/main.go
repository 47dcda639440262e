// SPDX-License-Identifier: Apache-2.0

// framering-go-server shows an H.264 stream in the browser both ways that NanoKVM's server knows: its direct protocol
// over a WebSocket, and WebRTC. It is a pattern for servers of one's own: each viewer has a reader, and with it a place
// of its own in the one ring that all of them read.
//
//	ring ─► framering.Reader ─► direct.go ─► WebSocket ─► WebCodecs, canvas
//	     └► framering.Reader ─► whep.go ───► RTP ───────► <video>
//
// It has no passwords and no TLS; keep it on the loopback address, or put those in front of it.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"framering"
)

//go:embed page
var page embed.FS

// source is the stream that this server shows.
type source struct {
	dir, stream string
}

// open gives a viewer its reader, which waits for broker and producer if they are not there yet.
func (s source) open(name string, start framering.Start) (*framering.Reader, error) {
	return framering.Open(s.stream, framering.Options{SocketDir: s.dir, Name: name, Start: start, MaxLag: maxLag})
}

// each calls show with every frame until ctx ends or show fails. Whatever else goes wrong, the reader tries again.
func each(ctx context.Context, reader *framering.Reader, show func(*framering.Frame) error) error {
	var frame framering.Frame
	for {
		err := reader.Next(ctx, &frame)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			slog.Warn("reading", "error", err)
			continue
		}
		if err := show(&frame); err != nil {
			return err
		}
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address and port; port 0 takes a free one")
	dir := flag.String("socket-dir", "", "the broker's sockets; default $FRAMERING_DIR, else /run/framering")
	stream := flag.String("stream", "hdmi/h264", "an H.264 stream")
	flag.Parse()
	if err := run(*listen, source{*dir, *stream}); err != nil {
		fmt.Fprintln(os.Stderr, "framering-go-server:", err)
		os.Exit(1)
	}
}

func handler(source source, whep *whep) http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // it is embedded
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.Handle("GET /api/stream/h264/direct", direct{source})
	mux.HandleFunc("POST /api/whep", whep.begin)
	mux.HandleFunc("DELETE /api/whep/{viewer}", whep.end)
	return mux
}

func run(listen string, source source) error {
	whep, err := newWHEP(source)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(source, whep), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Fprintf(os.Stderr, "framering-go-server: serving %s on http://%s/\n", source.stream, listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
