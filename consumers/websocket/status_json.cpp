// SPDX-License-Identifier: Apache-2.0
#include "status_json.h"

#include <nlohmann/json.hpp>

#include "control/names.h"

namespace framering::websocket {

namespace {

using Json = nlohmann::ordered_json;

// Names and sentences come from other processes: what is no UTF-8 is replaced, not thrown at us.
std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json codec_or_null(std::uint32_t codec) {
  return codec == 0 ? Json(nullptr) : Json(codec_name(codec));
}

}  // namespace

std::string_view state_words(Link link, SourceState source) noexcept {
  if (link == Link::no_broker) return "waiting for the broker";
  if (link == Link::no_stream) return "waiting for the producer";
  switch (source) {
    case SourceState::starting:
      return "starting";
    case SourceState::live:
      return "live";
    case SourceState::no_signal:
      return "no HDMI signal";
    case SourceState::unsupported_resolution:
      return "resolution not supported";
    case SourceState::changing_resolution:
      return "resolution is changing";
    case SourceState::encoder_error:
      return "encoder restarting";
    case SourceState::frame_too_large:
      return "pictures too large for the stream's limit";
    case SourceState::ended:
      return "the source has ended";
    case SourceState::replaced:
      return "the producer restarts";
    case SourceState::idle:
      return "the encoder rests";
  }
  return "unknown state";
}

std::string state_json(const std::string& stream, const FeedState& state) {
  const char* name = to_string(state.source);
  std::string text{state_words(state.link, state.source)};
  if (state.link == Link::no_broker) name = "no_broker";
  if (state.link == Link::no_stream) name = "no_stream";
  if (!state.refusal.empty()) {
    name = "refused";
    text = state.refusal;
  }
  return text_of({{"type", "state"},
                  {"stream", stream},
                  {"codec", codec_or_null(state.codec)},
                  {"width", state.width},
                  {"height", state.height},
                  {"playing", state.refusal.empty() && state.link == Link::attached &&
                                  state.source == SourceState::live},
                  {"state", name},
                  {"text", text}});
}

std::string streams_json(const StreamDirectory::Answer& answer, std::string_view whep) {
  Json streams = Json::array();
  for (const StreamInfo& info : answer.streams) {
    streams.push_back({{"name", info.name},
                       {"codec", codec_or_null(info.codec)},
                       {"width", info.width},
                       {"height", info.height},
                       {"state", to_string(info.state)},
                       {"text", state_words(Link::attached, info.state)},
                       {"readers", info.readers},
                       {"frames", info.head}});
  }
  Json json = {{"streams", std::move(streams)}};
  if (!answer.error.empty()) json["error"] = answer.error;
  if (!whep.empty()) json["whep"] = whep;
  return text_of(json);
}

std::string init_json(const InitSegment& init) {
  return text_of({{"type", "init"},
                  {"mime", "video/mp4; codecs=\"" + init.codec + "\""},
                  {"codec", init.codec},
                  {"width", init.width},
                  {"height", init.height}});
}

std::string timing_json(const EncodedFrame& frame, std::uint64_t sent_ns, std::uint64_t dropped) {
  return text_of({{"type", "timing"},
                  {"timestamp_us", frame.timestamp_us},
                  {"encoded_us", frame.encoded_ns / 1000},
                  {"published_us", frame.published_ns / 1000},
                  {"read_us", frame.read_ns / 1000},
                  {"sent_us", sent_ns / 1000},
                  {"dropped", dropped}});
}

std::string clock_json(std::uint64_t echo, std::uint64_t now_ns) {
  return text_of({{"type", "clock"}, {"echo", echo}, {"server_us", now_ns / 1000}});
}

}  // namespace framering::websocket
