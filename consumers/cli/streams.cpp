// SPDX-License-Identifier: Apache-2.0
#include "streams.h"

#include <algorithm>
#include <cstdio>

#include "control/names.h"
#include "exit_codes.h"
#include "table.h"

namespace framering::cli {

namespace {

std::string hexadecimal(std::uint64_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%016llx", static_cast<unsigned long long>(number));
  return text;
}

nlohmann::ordered_json to_json(const ReaderInfo& reader) {
  return {{"id", hexadecimal(reader.id)},
          {"name", reader.name},
          {"pid", reader.pid},
          {"uid", reader.uid},
          {"bell", to_string(reader.bell)},
          {"demand", reader.demand},
          {"read_to", reader.read_to},
          {"delivered", reader.delivered},
          {"delivered_bytes", reader.delivered_bytes},
          {"lost_lapped", reader.lost_lapped},
          {"lost_skipped", reader.lost_skipped},
          {"lost_undecodable", reader.lost_undecodable},
          {"leases_revoked", reader.leases_revoked},
          {"leases_held", reader.leases_held},
          {"key_requests", reader.key_requests},
          {"backlog_frames", reader.backlog_frames},
          {"backlog_bytes", reader.backlog_bytes},
          {"attached_ns", reader.attached_ns}};
}

}  // namespace

std::vector<StreamInfo> list_streams(OperatorClient& client) {
  std::vector<StreamInfo> streams = client.list();
  std::ranges::sort(streams, {}, &StreamInfo::name);
  return streams;
}

StreamInfo find_stream(const std::vector<StreamInfo>& streams, const std::string& name) {
  const auto found = std::ranges::find(streams, name, &StreamInfo::name);
  if (found != streams.end()) return *found;

  std::string text = "no stream '" + printable(name) + "'";
  if (streams.empty()) {
    text += ": this broker has none yet; start a framering-producer";
  } else {
    text += "; there are:";
    for (const StreamInfo& stream : streams) text += " " + printable(stream.name);
  }
  throw CommandError(ExitCode::no_stream, text);
}

nlohmann::ordered_json to_json(const StreamInfo& stream) {
  return {{"name", stream.name},
          {"codec", codec_name(stream.codec)},
          {"width", stream.width},
          {"height", stream.height},
          {"generation", hexadecimal(stream.generation)},
          {"state", to_string(stream.state)},
          {"state_since_ns", stream.state_since_ns},
          {"heartbeat_ns", stream.heartbeat_ns},
          {"head", stream.head},
          {"newest_key", stream.newest_key},
          {"readers", stream.readers},
          {"producer_pid", stream.producer_pid},
          {"producer_uid", stream.producer_uid},
          {"program", stream.program},
          {"bytes_published", stream.bytes_published},
          {"arena_bytes", stream.arena_bytes},
          {"max_frame_bytes", stream.max_frame_bytes},
          {"slot_count", stream.slot_count}};
}

nlohmann::ordered_json to_json(const StreamStat& stat) {
  nlohmann::ordered_json json = to_json(stat.stream);
  json["frames_too_large"] = stat.frames_too_large;
  json["key_requests_wanted"] = stat.key_requests_wanted;
  json["key_requests_granted"] = stat.key_requests_granted;
  json["leases_stepped_over"] = stat.leases_stepped_over;
  json["leases_revoked"] = stat.leases_revoked;
  json["bells_rung"] = stat.bells_rung;
  json["bells_by_ringer"] = stat.bells_by_ringer;
  json["taken_ns"] = stat.taken_ns;
  json["readers"] = nlohmann::ordered_json::array();
  for (const ReaderInfo& reader : stat.readers) json["readers"].push_back(to_json(reader));
  return json;
}

void print_json(const nlohmann::ordered_json& json) {
  using Replace = nlohmann::ordered_json::error_handler_t;
  std::printf("%s\n", json.dump(2, ' ', false, Replace::replace).c_str());
}

}  // namespace framering::cli
