// SPDX-License-Identifier: Apache-2.0
#include "metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <deque>
#include <utility>
#include <vector>

namespace framering::websocket {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Families by hand, not prometheus::Registry: what is counted is counted in plain numbers on the
// frame path, and put into this form when somebody asks.
class Page {
 public:
  MetricFamily& family(const std::string& name, const std::string& help, MetricType type) {
    families_.push_back({"framering_websocket_" + name, help, type, {}});
    return families_.back();
  }
  static void add(MetricFamily& family, double value,
                  std::vector<ClientMetric::Label> labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    family.metric.push_back(std::move(metric));
  }
  [[nodiscard]] std::string text() const {
    return prometheus::TextSerializer().Serialize({families_.begin(), families_.end()});
  }

 private:
  std::deque<MetricFamily> families_;  // references to them stay
};

void add_ways(Page& page, const Counters& counters, const char* name, const char* help,
              MetricType type, std::uint64_t WayCounters::*value) {
  MetricFamily& family = page.family(name, help, type);
  for (std::size_t way = 0; way < kWayNames.size(); ++way) {
    Page::add(family, static_cast<double>(counters.ways.at(way).*value),
              {{"way", std::string(kWayNames.at(way))}});
  }
}

}  // namespace

std::string metrics_text(const Services& services) {
  constexpr MetricType kCounter = MetricType::Counter, kGauge = MetricType::Gauge;
  const Counters& counters = services.counters;
  Page page;
  Page::add(page.family("connections", "Open now.", kGauge),
            static_cast<double>(services.admission.open()));
  Page::add(page.family("connections_total", "Accepted ever.", kCounter),
            static_cast<double>(counters.connections_accepted));
  Page::add(page.family("requests_total", "HTTP requests understood.", kCounter),
            static_cast<double>(counters.requests));
  MetricFamily& refused = page.family("refused_total", "Turned or sent away, by cause.", kCounter);
  for (std::size_t why = 0; why < kRefusalNames.size(); ++why)
    Page::add(refused, static_cast<double>(counters.refused.at(why)),
              {{"cause", std::string(kRefusalNames.at(why))}});
  add_ways(page, counters, "viewers", "Now.", kGauge, &WayCounters::viewers);
  add_ways(page, counters, "viewers_paused", "Of them, hidden.", kGauge, &WayCounters::paused);
  add_ways(page, counters, "viewers_total", "Ever.", kCounter, &WayCounters::viewers_ever);
  add_ways(page, counters, "frames_sent_total", "Given to the kernel.", kCounter,
           &WayCounters::frames_sent);
  add_ways(page, counters, "frames_dropped_total", "For viewers that did not keep up.", kCounter,
           &WayCounters::frames_dropped);
  add_ways(page, counters, "bytes_sent_total", "Of frames.", kCounter, &WayCounters::bytes_sent);
  MetricFamily& frames =
      page.family("backlog_frames", "What the producer is told waits for viewers.", kGauge);
  for (const auto& [name, feed] : services.hub.feeds())
    Page::add(frames, feed->reported().frames, {{"stream", name}});
  MetricFamily& kbps =
      page.family("backlog_kbps", "What the viewer that counts takes; 0: no opinion.", kGauge);
  for (const auto& [name, feed] : services.hub.feeds())
    Page::add(kbps, feed->reported().kbps, {{"stream", name}});
  return page.text();
}

}  // namespace framering::websocket
