// SPDX-License-Identifier: Apache-2.0
#include "page.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <deque>
#include <map>
#include <tuple>
#include <utility>

#include "control/names.h"
#include "page_layout.h"
#include "ring_layout.h"

namespace framering::exporter {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr MetricType kCounter = MetricType::Counter, kGauge = MetricType::Gauge;
constexpr std::array kStates = {SourceState::starting,
                                SourceState::live,
                                SourceState::no_signal,
                                SourceState::unsupported_resolution,
                                SourceState::changing_resolution,
                                SourceState::encoder_error,
                                SourceState::frame_too_large,
                                SourceState::ended,
                                SourceState::replaced,
                                SourceState::idle};

// Names are text of other processes, and the format is UTF-8: other bytes become "?".
std::string plain(const std::string& text) {
  std::string result = text;
  std::ranges::replace_if(
      result, [](char c) { return static_cast<unsigned char>(c) < 32 || c > 126 || c < 0; }, '?');
  return result;
}

class Page {
 public:
  void add(const std::string& name, const char* help, MetricType type, double value,
           Labels labels) {
    ClientMetric metric;
    metric.label = std::move(labels);
    (type == kCounter ? metric.counter.value : metric.gauge.value) = value;
    family(name, help, type).metric.push_back(std::move(metric));
  }

  void add(const std::string& name, const char* help, const Histogram& histogram, Labels labels) {
    ClientMetric metric;
    metric.label = std::move(labels);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < Histogram::kBounds; ++i) {
      sum += histogram.at(i);
      metric.histogram.bucket.push_back({sum, histogram.bound(i)});
    }
    metric.histogram.sample_count = sum + histogram.at(Histogram::kBounds);
    metric.histogram.sample_sum = histogram.sum();
    family(name, help, MetricType::Histogram).metric.push_back(std::move(metric));
  }

  [[nodiscard]] std::string text() const {
    return prometheus::TextSerializer().Serialize({families_.begin(), families_.end()});
  }

 private:
  MetricFamily& family(const std::string& name, const char* help, MetricType type) {
    const auto [place, fresh] = by_name_.try_emplace(name, nullptr);
    if (fresh) {
      families_.push_back({"framering_" + name, help, type, {}});
      place->second = &families_.back();
    }
    return *place->second;
  }

  std::deque<MetricFamily> families_;  // references to them stay
  std::map<std::string, MetricFamily*> by_name_;
};

// Of a process of this machine, in this name space of processes; 0: it cannot be seen.
double resident_bytes(std::uint32_t pid) {
  std::array<char, 48> path{};
  std::snprintf(path.data(), path.size(), "/proc/%u/statm", pid);
  std::FILE* file = std::fopen(path.data(), "re");
  if (file == nullptr) return 0;
  unsigned long pages = 0;
  const bool read = std::fscanf(file, "%*u %lu", &pages) == 1;
  std::fclose(file);
  return read ? static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)) : 0;
}

double age_s(std::uint64_t then_ns, std::uint64_t now_ns) {
  return then_ns != 0 && now_ns > then_ns ? static_cast<double>(now_ns - then_ns) / 1e9 : 0;
}

void add_stream(Page& page, const WatchedStream& watched) {
  const StreamStat& stat = watched.stat;
  const StreamInfo& stream = stat.stream;
  const Labels labels = {{"stream", plain(stream.name)}};
  const auto put = [&](const char* name, const char* help, MetricType type, auto value,
                       const Labels& more = {}) {
    Labels all = labels;
    all.insert(all.end(), more.begin(), more.end());
    page.add(name, help, type, static_cast<double>(value), std::move(all));
  };
  put("stream_info", "1; the labels say what the stream is.", kGauge, 1,
      {{"codec", plain(codec_name(stream.codec))}, {"program", plain(stream.program)}});
  for (const SourceState state : kStates) {
    put("stream_state", "1 for the state that the source is in, else 0.", kGauge,
        stream.state == state ? 1 : 0, {{"state", to_string(state)}});
  }
  put("stream_state_age_seconds", "For how long it has been in that state.", kGauge,
      age_s(stream.state_since_ns, stat.taken_ns));
  put("stream_heartbeat_age_seconds", "Since the producer's last sign of life; below 1 while live.",
      kGauge, age_s(stream.heartbeat_ns, stat.taken_ns));
  put("stream_frames_total", "Frames published by this life of the producer.", kCounter,
      stream.head);
  put("stream_bytes_total", "Bytes of frames published by this life of the producer.", kCounter,
      stream.bytes_published);
  put("stream_frames_too_large_total", "Frames skipped as larger than the ring holds.", kCounter,
      stat.frames_too_large);
  put("stream_key_interval_frames",
      "Frames from key frame to key frame, as seen by looking; 0: not known yet.", kGauge,
      watched.key_interval);
  put("stream_key_requests_wanted_total", "Key frames that readers asked for.", kCounter,
      stat.key_requests_wanted);
  put("stream_key_requests_granted_total", "Requests that were passed on to the encoder.", kCounter,
      stat.key_requests_granted);
  put("stream_key_requests_merged_total", "Requests that another one's key frame answered.",
      kCounter,
      stat.key_requests_wanted - std::min(stat.key_requests_granted, stat.key_requests_wanted));
  put("stream_leases_stepped_over_total", "Frames in use that publishing left alone.", kCounter,
      stat.leases_stepped_over);
  put("stream_leases_revoked_total", "Frames in use that publishing had to take back.", kCounter,
      stat.leases_revoked);
  put("stream_bells_total", "Wake-ups of readers, by the thread that made them.", kCounter,
      stat.bells_rung - std::min(stat.bells_by_ringer, stat.bells_rung), {{"by", "publisher"}});
  put("stream_bells_total", "", kCounter, stat.bells_by_ringer, {{"by", "ringer"}});
  put("stream_generations_total", "Lives of its producer, seen since the exporter runs.", kCounter,
      watched.generations);
  put("stream_restarts_total", "Times that its producer began anew, since the exporter runs.",
      kCounter, watched.generations - 1);
  put("stream_readers", "Attached readers.", kGauge, stat.readers.size());
  put("stream_width_pixels", "Of the newest frame; 0: unknown.", kGauge, stream.width);
  put("stream_height_pixels", "Of the newest frame; 0: unknown.", kGauge, stream.height);
  put("stream_history_bytes", "Room for the frames that the ring keeps.", kGauge,
      stream.arena_bytes);
  put("stream_max_frame_bytes", "Largest frame that the ring takes.", kGauge,
      stream.max_frame_bytes);
  const std::uint64_t ring =
      kSlotsOffset + std::uint64_t{stream.slot_count} * sizeof(FrameSlot) + stream.arena_bytes;
  put("stream_shared_memory_bytes", "Of the ring and its readers' pages.", kGauge,
      ring + stat.readers.size() * 2 * kPageBytes);
  if (const double bytes = resident_bytes(stream.producer_pid); bytes > 0) {
    put("producer_resident_memory_bytes", "Of the producer's process, the ring included.", kGauge,
        bytes);
  }
}

// Two readers of one process may have one name: the older is number 1.
void add_readers(Page& page, const StreamStat& stat) {
  std::vector<ReaderInfo> readers = stat.readers;
  std::ranges::sort(readers, {}, &ReaderInfo::attached_ns);
  std::map<std::pair<std::string, std::uint32_t>, int> numbers;
  for (const ReaderInfo& reader : readers) {
    const std::string name = plain(reader.name);
    const Labels labels = {{"stream", plain(stat.stream.name)},
                           {"reader", name},
                           {"pid", std::to_string(reader.pid)},
                           {"number", std::to_string(++numbers[{name, reader.pid}])}};
    const auto put = [&](const char* metric, const char* help, MetricType type, auto value,
                         const char* cause = nullptr) {
      Labels all = labels;
      if (cause != nullptr) all.push_back({"cause", cause});
      page.add(metric, help, type, static_cast<double>(value), std::move(all));
    };
    const std::uint64_t head = stat.stream.head;
    put("reader_lag_frames", "Frames published that it has not read yet.", kGauge,
        head > reader.read_to ? head - reader.read_to : 0);
    put("reader_frames_total", "Frames it was handed.", kCounter, reader.delivered);
    put("reader_bytes_total", "Bytes of frames it was handed.", kCounter, reader.delivered_bytes);
    const char* lost =
        "Frames it was not handed: overwritten before it came (lapped), passed over "
        "by its policy (skipped), or waiting for a key frame (undecodable).";
    put("reader_frames_lost_total", lost, kCounter, reader.lost_lapped, "lapped");
    put("reader_frames_lost_total", lost, kCounter, reader.lost_skipped, "skipped");
    put("reader_frames_lost_total", lost, kCounter, reader.lost_undecodable, "undecodable");
    put("reader_leases_held", "Frames it uses in place now.", kGauge, reader.leases_held);
    put("reader_leases_revoked_total", "Frames that were taken back while it used them.", kCounter,
        reader.leases_revoked);
    put("reader_key_requests_total", "Key frames it asked for.", kCounter, reader.key_requests);
    put("reader_backlog_frames", "Frames that wait behind it, as it says.", kGauge,
        reader.backlog_frames);
    put("reader_backlog_bytes", "Bytes that wait behind it, as it says.", kGauge,
        reader.backlog_bytes);
    put("reader_wants_frames", "1: it wants frames; 0: it is paused.", kGauge,
        reader.demand ? 1 : 0);
    put("reader_attached_seconds", "For how long it has been attached.", kGauge,
        age_s(reader.attached_ns, stat.taken_ns));
  }
}

void add_probe(Page& page, const Probe& probe) {
  const ProbeHistograms& seen = probe.histograms();
  const Labels labels = {{"stream", plain(probe.stream())}};
  page.add("probe_capture_latency_seconds", "From the capture of a picture to its publication.",
           seen.capture, labels);
  page.add("probe_publish_latency_seconds",
           "From the encoder's end to the publication: the copy into the ring.", seen.publish,
           labels);
  page.add("probe_wake_latency_seconds",
           "From the publication of a frame until the exporter's reader, which slept, has it.",
           seen.wake, labels);
  page.add("probe_key_interval_frames", "Frames from key frame to key frame.", seen.key_interval,
           labels);
  const char* help = "Sizes of frames.";
  for (const auto& [key, histogram] :
       {std::pair("true", &seen.key_bytes), std::pair("false", &seen.other_bytes)}) {
    Labels all = labels;
    all.push_back({"key", key});
    page.add("probe_frame_bytes", help, *histogram, std::move(all));
  }
}

}  // namespace

std::string metrics_page(const Look& look, const std::vector<std::unique_ptr<Probe>>& probes) {
  Page page;
  page.add("up", "1 if the broker answered, else 0.", kGauge, look.up ? 1 : 0, {});
  page.add("broker_answer_seconds", "How long the broker took to answer everything.", kGauge,
           look.seconds, {});
  page.add("exporter_info", "1; the label says which version.", kGauge, 1,
           {{"version", FRAMERING_VERSION}});
  if (look.up) {
    page.add("streams", "Streams that the broker serves.", kGauge,
             static_cast<double>(look.streams.size()), {});
  }
  for (const WatchedStream& stream : look.streams) {
    add_stream(page, stream);
    add_readers(page, stream.stat);
  }
  for (const auto& probe : probes) add_probe(page, *probe);
  return page.text();
}

}  // namespace framering::exporter
