// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pion/webrtc/v4"
)

// serve runs the server on a stream whose broker is not there.
func serve(t *testing.T) (*whep, *httptest.Server) {
	source := source{t.TempDir(), "hdmi/h264"}
	whep, err := newWHEP(source)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler(source, whep))
	t.Cleanup(server.Close)
	return whep, server
}

func request(t *testing.T, method, url, kind, body string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func viewers(s *whep) (count int) {
	s.viewers.Range(func(any, any) bool { count++; return true })
	return count
}

func TestWhatIsNoOfferIsRefused(t *testing.T) {
	whep, server := serve(t)
	for _, c := range []struct {
		method, path, kind, body string
		status                   int
	}{
		{"POST", "/api/whep", "text/plain", "v=0", http.StatusUnsupportedMediaType},
		{"POST", "/api/whep", "application/sdp", "no session description", http.StatusBadRequest},
		{"POST", "/api/whep", "application/sdp", "", http.StatusBadRequest},
		{"POST", "/api/whep", "application/sdp", strings.Repeat("a=x\r\n", 20_000), http.StatusRequestEntityTooLarge},
		{"DELETE", "/api/whep/nobody", "", "", http.StatusNotFound},
		{"GET", "/api/whep", "", "", http.StatusNotFound},
	} {
		if got := request(t, c.method, server.URL+c.path, c.kind, c.body).StatusCode; got != c.status {
			t.Errorf("%s %s, %s, %d bytes: %d instead of %d", c.method, c.path, c.kind, len(c.body), got, c.status)
		}
	}
	if count := viewers(whep); count != 0 {
		t.Errorf("%d viewers are left", count)
	}
}

func TestAPageOfAnotherSiteGetsNoWebSocket(t *testing.T) {
	_, server := serve(t)
	url := strings.Replace(server.URL, "http", "ws", 1) + "/api/stream/h264/direct"
	_, response, err := websocket.DefaultDialer.DialContext(t.Context(), url, http.Header{"Origin": {"http://elsewhere"}})
	if err == nil || response == nil || response.StatusCode != http.StatusForbidden {
		t.Fatalf("%v, %v", response, err)
	}
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), url, http.Header{"Origin": {server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Longer than any message of this protocol: that ends it.
	if err := conn.WriteMessage(websocket.BinaryMessage, make([]byte, longestMessage+1)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Fatal(err)
	}
}

func TestAViewerConnectsAndIsGoneAfterDelete(t *testing.T) {
	whep, server := serve(t)
	client, err := whep.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	connected, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	client.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			cancel()
		}
	})
	if _, err := client.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo,
		webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	offer, err := client.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	response := request(t, "POST", server.URL+"/api/whep", "application/sdp", offer.SDP)
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %s, %v", response.Status, answer, err)
	}
	for _, wanted := range []string{"a=sendonly", "typ host", playoutDelay, "H264/90000", "nack pli"} {
		if !strings.Contains(string(answer), wanted) {
			t.Errorf("no %q in the answer:\n%s", wanted, answer)
		}
	}
	description := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(answer)}
	if err := client.SetRemoteDescription(description); err != nil {
		t.Fatal(err)
	}
	<-connected.Done()
	if connected.Err() != context.Canceled || viewers(whep) != 1 {
		t.Fatalf("%v, %d viewers", connected.Err(), viewers(whep))
	}
	request(t, "DELETE", server.URL+response.Header.Get("Location"), "", "")
	for end := time.Now().Add(60 * time.Second); viewers(whep) != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the viewer is still there")
		}
	}
}
