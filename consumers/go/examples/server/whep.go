// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"sync"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"framering"
)

// whep answers a WebRTC offer over HTTP (WHEP): POST the offer, get the answer; DELETE its Location to end it. Only host
// candidates: viewers are on this network.
type whep struct {
	source  source
	api     *webrtc.API
	viewers sync.Map // of *webrtc.PeerConnection, by the last part of Location
}

var h264 = webrtc.RTPCodecCapability{
	MimeType:    webrtc.MimeTypeH264,
	ClockRate:   clockRate,
	SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
	RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"},
		{Type: "ccm", Parameter: "fir"}},
}

func newWHEP(source source) (*whep, error) {
	media := &webrtc.MediaEngine{}
	if err := media.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: h264, PayloadType: 102},
		webrtc.RTPCodecTypeVideo); err != nil {
		return nil, err
	}
	if err := media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: playoutDelay},
		webrtc.RTPCodecTypeVideo); err != nil {
		return nil, err
	}
	interceptors := &interceptor.Registry{}
	if err := webrtc.ConfigureNack(media, interceptors); err != nil { // sends lost packets again
		return nil, err
	}
	if err := webrtc.ConfigureRTCPReports(interceptors); err != nil {
		return nil, err
	}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	return &whep{source: source, api: webrtc.NewAPI(webrtc.WithMediaEngine(media),
		webrtc.WithInterceptorRegistry(interceptors), webrtc.WithSettingEngine(settings))}, nil
}

func (s *whep) begin(w http.ResponseWriter, r *http.Request) {
	// No page of another site can send this type without asking first.
	if r.Header.Get("Content-Type") != "application/sdp" {
		http.Error(w, "an offer in application/sdp is wanted", http.StatusUnsupportedMediaType)
		return
	}
	offer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	id, answer, err := s.answer(r.Context(), string(offer))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/sdp")
	w.Header().Set("Location", "/api/whep/"+id)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answer)
}

func (s *whep) end(w http.ResponseWriter, r *http.Request) {
	peer, found := s.viewers.Load(r.PathValue("viewer"))
	if !found {
		http.NotFound(w, r)
		return
	}
	_ = peer.(*webrtc.PeerConnection).Close()
}

// answer makes a viewer, whose pictures begin when it is connected.
func (s *whep) answer(ctx context.Context, offer string) (id, answer string, err error) {
	peer, err := s.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", "", err
	}
	defer func() {
		if err != nil {
			_ = peer.Close()
		}
	}()
	track, err := webrtc.NewTrackLocalStaticRTP(h264, "video", "framering")
	if err != nil {
		return "", "", err
	}
	sender, err := peer.AddTrack(track)
	if err != nil {
		return "", "", err
	}
	if err = peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", "", err
	}
	description, err := peer.CreateAnswer(nil)
	if err != nil {
		return "", "", err
	}
	gathered := webrtc.GatheringCompletePromise(peer)
	if err = peer.SetLocalDescription(description); err != nil {
		return "", "", err
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return "", "", ctx.Err()
	}
	id = rand.Text()
	s.viewers.Store(id, peer)
	s.follow(id, peer, sender, track)
	return id, peer.LocalDescription().SDP, nil
}

// follow shows pictures from the connection's beginning to its end.
func (s *whep) follow(id string, peer *webrtc.PeerConnection, sender *webrtc.RTPSender,
	track *webrtc.TrackLocalStaticRTP) {
	ctx, cancel := context.WithCancel(context.Background())
	peer.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			go func() { slog.Info("WebRTC viewer ended", "why", s.show(ctx, sender, track)) }()
		case webrtc.PeerConnectionStateDisconnected, webrtc.PeerConnectionStateFailed:
			_ = peer.Close()
		case webrtc.PeerConnectionStateClosed:
			s.viewers.Delete(id)
			cancel()
		}
	})
}

func (s *whep) show(ctx context.Context, sender *webrtc.RTPSender, track *webrtc.TrackLocalStaticRTP) error {
	// The history would only have to be caught up with: a key frame is asked for, and it begins there.
	reader, err := s.source.open("webrtc", framering.StartHead)
	if err != nil {
		return err
	}
	defer reader.Close()
	go passOnKeyRequests(sender, reader)
	packetizer := newPacketizer(sender.GetParameters().HeaderExtensions)
	return each(ctx, reader, func(frame *framering.Frame) error {
		packets, err := packetizer.packets(frame.Data, frame.CapturedNs)
		if err != nil {
			return err
		}
		for _, packet := range packets {
			if err := track.WriteRTP(packet); err != nil {
				return err
			}
		}
		return nil
	})
}

// passOnKeyRequests ends with the connection.
func passOnKeyRequests(sender *webrtc.RTPSender, reader *framering.Reader) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				reader.RequestKey()
			}
		}
	}
}
