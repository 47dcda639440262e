// SPDX-License-Identifier: Apache-2.0

// whep_viewer watches a stream by WHEP without showing it: for counting what a viewer costs its server, and for being
// the viewer that asks for key frames all the time.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// seen is what one viewer received.
type seen struct {
	Packets  int `json:"packets"`
	Pictures int `json:"pictures"`
	Missing  int `json:"missing"` // packets, by their numbers
	Again    int `json:"again"`   // packets that came twice, or late
	Asked    int `json:"asked"`   // for key frames
}

func main() {
	address := flag.String("url", "", "where to POST the offer")
	viewers := flag.Int("viewers", 1, "at a time")
	seconds := flag.Float64("seconds", 5, "to watch, once all are connected")
	requests := flag.Float64("key-requests", 0, "PLI a second, of each viewer")
	flag.Parse()
	results := make([]seen, *viewers)
	var connected, done sync.WaitGroup
	connected.Add(*viewers)
	begin := make(chan struct{})
	for i := range results {
		done.Add(1)
		go func() {
			defer done.Done()
			if err := watch(*address, *requests, *seconds, &results[i], &connected, begin); err != nil {
				fmt.Fprintln(os.Stderr, "whep_viewer:", err)
				os.Exit(1)
			}
		}()
	}
	connected.Wait()
	fmt.Fprintln(os.Stderr, "framering-whep-viewer: connected")
	close(begin)
	done.Wait()
	_ = json.NewEncoder(os.Stdout).Encode(results)
}

func watch(address string, requests, seconds float64, result *seen, connected *sync.WaitGroup, begin chan struct{}) error {
	peer, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return err
	}
	defer peer.Close()
	if _, err = peer.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo,
		webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		return err
	}
	var once sync.Once
	tracks := make(chan *webrtc.TrackRemote, 1)
	peer.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		tracks <- track
		once.Do(connected.Done)
	})
	offer, err := peer.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(peer)
	if err = peer.SetLocalDescription(offer); err != nil {
		return err
	}
	<-gathered
	session, err := post(address, peer)
	if err != nil {
		return err
	}
	select {
	case track := <-tracks:
		go ask(peer, track, requests, result)
		<-begin
		count(track, seconds, result)
	case <-time.After(20 * time.Second):
		return fmt.Errorf("no video from %s", address)
	}
	request, err := http.NewRequest(http.MethodDelete, session, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// post returns the session's address.
func post(address string, peer *webrtc.PeerConnection) (string, error) {
	response, err := http.Post(address, "application/sdp", strings.NewReader(peer.LocalDescription().SDP))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("%s: %s %v", response.Status, answer, err)
	}
	base, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	session, err := base.Parse(response.Header.Get("Location"))
	if err != nil {
		return "", err
	}
	return session.String(), peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(answer)})
}

func ask(peer *webrtc.PeerConnection, track *webrtc.TrackRemote, requests float64, result *seen) {
	if requests <= 0 {
		return
	}
	for range time.Tick(time.Duration(float64(time.Second) / requests)) {
		if peer.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}}) != nil {
			return
		}
		result.Asked++
	}
}

// count goes by the packets' numbers: those that came again, or late, are no news.
func count(track *webrtc.TrackRemote, seconds float64, result *seen) {
	var first, last uint32 // numbers, with the rounds that 16 bits have gone
	known := map[uint32]bool{}
	for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(end); {
		_ = track.SetReadDeadline(end.Add(time.Second))
		packet, _, err := track.ReadRTP()
		if err != nil {
			break
		}
		if len(known) == 0 {
			first = 1<<16 + uint32(packet.SequenceNumber)
			last = first
		}
		number := last + uint32(int32(int16(packet.SequenceNumber-uint16(last))))
		if known[number] || number < first {
			result.Again++
			continue
		}
		known[number] = true
		last = max(last, number)
		if packet.Marker {
			result.Pictures++
		}
	}
	result.Packets = len(known)
	result.Missing = int(last-first) + 1 - len(known)
}
