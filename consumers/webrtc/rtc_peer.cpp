// SPDX-License-Identifier: Apache-2.0
#include "rtc_peer.h"

#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>
#include <malloc.h>
#define GST_USE_UNSTABLE_API  // the library says so of all WebRTC since 2017
#include <gst/webrtc/webrtc.h>

#include <boost/asio/post.hpp>
#include <functional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "ring/clock.h"

namespace framering::webrtc {

namespace {

// Over this nothing is pushed: UDP does not make anybody wait, so this host is overloaded.
constexpr std::uint64_t kMaxWaitingBytes = 4u << 20;

GstPtr<GstElement> make_element(const char* name) {
  GstElement* const element = gst_element_factory_make(name, nullptr);
  if (element == nullptr)
    throw std::runtime_error("GStreamer has no element '" + std::string(name) +
                             "': install gstreamer1.0-plugins-{base,good,bad} and "
                             "gstreamer1.0-nice");
  return GstPtr<GstElement>(GST_ELEMENT(gst_object_ref_sink(element)));
}

// Calls `then` with the reply, from webrtcbin's thread.
GstPromise* promise(std::function<void(const GstStructure*)> then) {
  using Then = std::function<void(const GstStructure*)>;
  return gst_promise_new_with_change_func(
      [](GstPromise* done, gpointer data) {
        const bool replied = gst_promise_wait(done) == GST_PROMISE_RESULT_REPLIED;
        (*static_cast<Then*>(data))(replied ? gst_promise_get_reply(done) : nullptr);
        gst_promise_unref(done);  // with it goes `data`
      },
      new Then(std::move(then)), [](gpointer data) { delete static_cast<Then*>(data); });
}

// What a promise's reply complains about; empty: nothing.
std::string error_of(const GstStructure* reply) {
  GError* error = nullptr;
  if (reply == nullptr || !gst_structure_has_field(reply, "error")) return {};
  gst_structure_get(reply, "error", G_TYPE_ERROR, &error, nullptr);
  std::string text = error != nullptr ? error->message : "unknown error";
  g_clear_error(&error);
  return text;
}

GstWebRTCSessionDescription* description(GstWebRTCSDPType type, const std::string& sdp) {
  GstSDPMessage* message = nullptr;
  if (gst_sdp_message_new_from_text(sdp.c_str(), &message) != GST_SDP_OK)
    throw std::runtime_error("GStreamer cannot read the session description");
  return gst_webrtc_session_description_new(type, message);  // owns the message
}

GstCaps* rtp_caps(const RtpFormat& format) {
  return gst_caps_new_simple("application/x-rtp", "media", G_TYPE_STRING, "video", "encoding-name",
                             G_TYPE_STRING, "H264", "payload", G_TYPE_INT,
                             static_cast<int>(format.rtp.payload_type), "clock-rate", G_TYPE_INT,
                             90000, "ssrc", G_TYPE_UINT, format.rtp.ssrc, nullptr);
}

}  // namespace

// Kept alive by whatever may still call. Only `heard_ns` is written outside of the event loop.
struct RtcPeer::Link {
  boost::asio::io_context& io;
  std::weak_ptr<RtcPeer> peer;
  std::atomic<std::uint64_t> heard_ns{0};

  Link(boost::asio::io_context& loop, std::weak_ptr<RtcPeer> whose)
      : io(loop), peer(std::move(whose)) {}

  void post(std::function<void(RtcPeer&)> what) const {
    boost::asio::post(io, [weak = peer, what = std::move(what)] {
      if (const auto self = weak.lock(); self != nullptr && self->owner_ != nullptr) what(*self);
    });
  }
  void fail(const std::string& why) const {
    post([why](RtcPeer& self) { self.owner_->peer_failed(why); });
  }

  // For g_signal_connect and pad probes, each of which owns a share.
  using Share = std::shared_ptr<Link>;
  static gpointer share(const Share& link) { return new Share(link); }
  static void drop(gpointer data) { delete static_cast<Share*>(data); }
  static void drop_closure(gpointer data, GClosure*) { drop(data); }
  static Link& of(gpointer data) { return **static_cast<Share*>(data); }

  static void on_candidate(GstElement*, guint, const gchar* candidate, gpointer data) {
    of(data).post([text = std::string(candidate)](RtcPeer& self) {
      if (!text.empty()) self.candidates_.push_back(text);
    });
  }
  static void on_gathering(GstElement* webrtc, GParamSpec*, gpointer data) {
    GstWebRTCICEGatheringState state{};
    g_object_get(webrtc, "ice-gathering-state", &state, nullptr);
    if (state == GST_WEBRTC_ICE_GATHERING_STATE_COMPLETE)
      of(data).post([](RtcPeer& self) { static_cast<void>(self.describe()); });
  }
  static void on_connection(GstElement* webrtc, GParamSpec*, gpointer data) {
    GstWebRTCPeerConnectionState state{};
    g_object_get(webrtc, "connection-state", &state, nullptr);
    if (state == GST_WEBRTC_PEER_CONNECTION_STATE_CONNECTED)
      of(data).post([](RtcPeer& self) { self.owner_->peer_connected(); });
    if (state == GST_WEBRTC_PEER_CONNECTION_STATE_FAILED ||
        state == GST_WEBRTC_PEER_CONNECTION_STATE_CLOSED)
      of(data).fail("the connection failed");
  }
  static GstPadProbeReturn on_upstream(GstPad*, GstPadProbeInfo* info, gpointer data) {
    if (gst_video_event_is_force_key_unit(GST_PAD_PROBE_INFO_EVENT(info)))
      of(data).post([](RtcPeer& self) { self.owner_->peer_wants_key_frame(); });
    return GST_PAD_PROBE_OK;
  }
  static GstPadProbeReturn on_rtcp(GstPad*, GstPadProbeInfo*, gpointer data) {
    of(data).heard_ns.store(monotonic_ns(), std::memory_order_relaxed);  // a lone number
    return GST_PAD_PROBE_OK;
  }
  // What comes out of the decryption is the viewer's own: nobody else can keep a connection alive.
  static void on_element(GstBin*, GstBin*, GstElement* element, gpointer data) {
    GstElementFactory* const factory = gst_element_get_factory(element);
    if (factory == nullptr || std::string_view(GST_OBJECT_NAME(factory)) != "dtlssrtpdec") return;
    const GstPtr<GstPad> pad(gst_element_get_static_pad(element, "rtcp_src"));
    if (pad == nullptr) return;
    gst_pad_add_probe(
        pad.get(),
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
        on_rtcp, share(*static_cast<Share*>(data)), drop);
  }
};

void RtcPeer::warm_up() {
  for (const char* name : {"webrtcbin", "appsrc", "rtpbin", "rtprtxsend", "nicesink", "srtpenc"})
    static_cast<void>(make_element(name));
  gchar* pem = nullptr;
  g_object_get(make_element("dtlsdec").get(), "pem", &pem, nullptr);
  g_free(pem);
}

std::shared_ptr<RtcPeer> RtcPeer::make(boost::asio::io_context& io, Reaper& reaper,
                                       const IceSettings& ice, const RtpFormat& format,
                                       Owner& owner) {
  std::shared_ptr<RtcPeer> peer(new RtcPeer(reaper, format, owner));
  peer->link_ = std::make_shared<Link>(io, peer);
  peer->build(ice, format);
  return peer;
}

RtcPeer::RtcPeer(Reaper& reaper, const RtpFormat& format, Owner& owner)
    : reaper_(reaper), owner_(&owner), rtp_(format.rtp) {}

RtcPeer::~RtcPeer() {
  close();
}

void RtcPeer::build(const IceSettings& ice, const RtpFormat& format) {
  webrtc_ = make_element("webrtcbin");
  source_ = make_element("appsrc");
  pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new(nullptr))));
  g_object_set(webrtc_.get(), "bundle-policy", GST_WEBRTC_BUNDLE_POLICY_MAX_BUNDLE, "latency", 0u,
               nullptr);
  set_up_ice(ice);

  const GstPtr<GstCaps> caps(rtp_caps(format));
  g_object_set(source_.get(), "caps", caps.get(), "format", GST_FORMAT_TIME, "is-live", TRUE,
               "do-timestamp", TRUE, "max-bytes", kMaxWaitingBytes, nullptr);
  gst_bin_add_many(GST_BIN(pipeline_.get()), source_.get(), webrtc_.get(), nullptr);
  watch();

  const GstPtr<GstPad> to(gst_element_request_pad_simple(webrtc_.get(), "sink_%u"));
  const GstPtr<GstPad> from(gst_element_get_static_pad(source_.get(), "src"));
  if (to == nullptr || gst_pad_link(from.get(), to.get()) != GST_PAD_LINK_OK)
    throw std::runtime_error("webrtcbin takes no video");
  gst_pad_add_probe(from.get(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, Link::on_upstream,
                    Link::share(link_), Link::drop);

  // The SSRC has to be known before any data flowed: an answer would announce SSRC 0 otherwise,
  // with which browsers count frames and show none. What an offer says besides is what servers
  // that are strict about a=fmtp need.
  GstPtr<GstCaps> preferences(gst_caps_copy(caps.get()));
  if (!format.profile_level_id.empty())
    gst_caps_set_simple(preferences.get(), "packetization-mode", G_TYPE_STRING, "1",
                        "level-asymmetry-allowed", G_TYPE_STRING, "1", "profile-level-id",
                        G_TYPE_STRING, format.profile_level_id.c_str(), "rtcp-fb-nack-pli",
                        G_TYPE_BOOLEAN, TRUE, "rtcp-fb-ccm-fir", G_TYPE_BOOLEAN, TRUE, nullptr);
  GstWebRTCRTPTransceiver* transceiver = nullptr;
  g_object_get(to.get(), "transceiver", &transceiver, nullptr);
  g_object_set(transceiver, "codec-preferences", preferences.get(), "do-nack", TRUE, "direction",
               GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_SENDONLY, nullptr);
  gst_object_unref(transceiver);
  if (gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    throw std::runtime_error("webrtcbin does not start");
}

void RtcPeer::set_up_ice(const IceSettings& ice) {
  if (!ice.stun.empty()) g_object_set(webrtc_.get(), "stun-server", ice.stun.c_str(), nullptr);
  if (!ice.turn.empty()) g_object_set(webrtc_.get(), "turn-server", ice.turn.c_str(), nullptr);
  GObject* agent = nullptr;
  g_object_get(webrtc_.get(), "ice-agent", &agent, nullptr);
  const GstPtr<GObject> owned(agent);
  g_object_set(agent, "ice-tcp", FALSE, nullptr);
  // In this order: a minimum over the maximum is complained about.
  if (ice.max_port != 0)
    g_object_set(agent, "max-rtp-port", guint{ice.max_port}, "min-rtp-port", guint{ice.min_port},
                 nullptr);
  GObject* nice = nullptr;
  g_object_get(agent, "agent", &nice, nullptr);
  if (nice == nullptr) return;
  g_object_set(nice, "upnp", FALSE, nullptr);  // no router is asked to open ports
  g_object_unref(nice);
}

void RtcPeer::watch() {
  const auto connect = [this](GstElement* element, const char* signal, auto* handler) {
    g_signal_connect_data(element, signal, G_CALLBACK(handler), Link::share(link_),
                          Link::drop_closure, GConnectFlags{});
  };
  connect(webrtc_.get(), "on-ice-candidate", Link::on_candidate);
  connect(webrtc_.get(), "notify::ice-gathering-state", Link::on_gathering);
  connect(webrtc_.get(), "notify::connection-state", Link::on_connection);
  connect(pipeline_.get(), "deep-element-added", Link::on_element);
}

void RtcPeer::answer(const std::string& offer) {
  GstWebRTCSessionDescription* const remote = description(GST_WEBRTC_SDP_TYPE_OFFER, offer);
  // The promises hold the element, as they may be answered while the connection is taken down.
  const auto element =
      std::shared_ptr<GstElement>(GST_ELEMENT(gst_object_ref(webrtc_.get())), GstDeleter());
  const auto set_local = [element, link = link_](const GstStructure* reply) {
    GstWebRTCSessionDescription* local = nullptr;
    if (reply != nullptr)
      gst_structure_get(reply, "answer", GST_TYPE_WEBRTC_SESSION_DESCRIPTION, &local, nullptr);
    if (local == nullptr) return link->fail("webrtcbin makes no answer: " + error_of(reply));
    g_signal_emit_by_name(element.get(), "set-local-description", local, nullptr);
    gst_webrtc_session_description_free(local);
  };
  g_signal_emit_by_name(element.get(), "set-remote-description", remote,
                        promise([element, link = link_, set_local](const GstStructure* reply) {
                          if (const std::string why = error_of(reply); !why.empty())
                            return link->fail(why);
                          g_signal_emit_by_name(element.get(), "create-answer", nullptr,
                                                promise(set_local));
                        }));
  gst_webrtc_session_description_free(remote);
}

void RtcPeer::offer() {
  const auto element =
      std::shared_ptr<GstElement>(GST_ELEMENT(gst_object_ref(webrtc_.get())), GstDeleter());
  g_signal_emit_by_name(
      element.get(), "create-offer", nullptr,
      promise([element, link = link_](const GstStructure* reply) {
        GstWebRTCSessionDescription* local = nullptr;
        if (reply != nullptr)
          gst_structure_get(reply, "offer", GST_TYPE_WEBRTC_SESSION_DESCRIPTION, &local, nullptr);
        if (local == nullptr) return link->fail("webrtcbin makes no offer: " + error_of(reply));
        g_signal_emit_by_name(element.get(), "set-local-description", local, nullptr);
        gst_webrtc_session_description_free(local);
      }));
}

void RtcPeer::accept_answer(const std::string& answer) {
  GstWebRTCSessionDescription* const remote = description(GST_WEBRTC_SDP_TYPE_ANSWER, answer);
  g_signal_emit_by_name(webrtc_.get(), "set-remote-description", remote,
                        promise([link = link_](const GstStructure* reply) {
                          if (const std::string why = error_of(reply); !why.empty())
                            link->fail("the answer is refused: " + why);
                        }));
  gst_webrtc_session_description_free(remote);
}

void RtcPeer::add_candidate(const std::string& candidate) {
  g_signal_emit_by_name(webrtc_.get(), "add-ice-candidate", 0u, candidate.c_str());
}

bool RtcPeer::describe() {
  if (described_) return true;
  GstWebRTCSessionDescription* local = nullptr;
  g_object_get(webrtc_.get(), "local-description", &local, nullptr);
  if (local == nullptr) return false;
  const GstPtr<gchar> text(gst_sdp_message_as_text(local->sdp));
  gst_webrtc_session_description_free(local);
  described_ = true;
  owner_->peer_described(text.get());
  return true;
}

void RtcPeer::push(const PacketizedFrame& frame) {
  if (owner_ == nullptr || frame.ends.empty()) return;
  GstBufferList* const list = gst_buffer_list_new_sized(static_cast<guint>(frame.ends.size()));
  const std::size_t header = rtp_.header_bytes();
  std::size_t from = 0;
  for (const std::uint32_t end : frame.ends) {
    GstBuffer* const packet = gst_buffer_new_allocate(nullptr, header + end - from, nullptr);
    GstMapInfo map;
    gst_buffer_map(packet, &map, GST_MAP_WRITE);
    const auto to = std::as_writable_bytes(std::span(map.data, map.size));
    rtp_.write_header(to.data(), frame.rtp_time, end == frame.ends.back());
    std::copy(frame.payloads.begin() + static_cast<std::ptrdiff_t>(from),
              frame.payloads.begin() + end, to.begin() + static_cast<std::ptrdiff_t>(header));
    gst_buffer_unmap(packet, &map);
    gst_buffer_list_add(list, packet);
    from = end;
  }
  gst_app_src_push_buffer_list(GST_APP_SRC(source_.get()), list);  // takes the list
}

std::uint64_t RtcPeer::waiting_bytes() const {
  return gst_app_src_get_current_level_bytes(GST_APP_SRC(source_.get()));
}

std::uint64_t RtcPeer::heard_ns() const noexcept {
  return link_->heard_ns.load(std::memory_order_relaxed);
}

// What all of a pipeline's threads allocated here and there is given back to the system only when
// asked for.
void RtcPeer::close() {
  owner_ = nullptr;
  if (pipeline_ == nullptr) return;
  std::shared_ptr<GstElement> pipeline(pipeline_.release(), GstDeleter());
  source_.reset();
  webrtc_.reset();
  reaper_.post([pipeline = std::move(pipeline)]() mutable {
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    pipeline.reset();
    ::malloc_trim(0);
  });
}

}  // namespace framering::webrtc
