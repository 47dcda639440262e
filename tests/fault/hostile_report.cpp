// SPDX-License-Identifier: Apache-2.0
#include "hostile_report.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>

namespace framering::test {
namespace {

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));
std::string format(const char* pattern, ...) {
  char text[512];
  va_list values;
  va_start(values, pattern);
  std::vsnprintf(text, sizeof text, pattern, values);
  va_end(values);
  return text;
}

template <std::size_t kCapacity>
Quantiles of(const Samples<kCapacity>& samples) {
  std::vector<std::uint32_t> all;
  samples.append_to(all);
  return quantiles(std::move(all));
}

std::string change(double calm, double attacked) {
  return format("%.3g → %.3g", calm, attacked);
}

std::string change_and_ratio(double calm, double attacked) {
  return change(calm, attacked) + format(" (%.2f)", attacked / calm);
}

}  // namespace

Quantiles quantiles(std::vector<std::uint32_t> ns) {
  if (ns.empty()) return {};
  std::sort(ns.begin(), ns.end());
  const auto at = [&](double share) {
    return ns[static_cast<std::size_t>(share * static_cast<double>(ns.size() - 1))] / 1000.0;
  };
  return {ns.size(), at(0.5), at(0.99), ns.back() / 1000.0};
}

std::string table_head() {
  return "| neighbour | did | publish p50 | publish p99 | publish max | CPU max | latency p50 | "
         "latency p99 | broker max | frames | lost | torn | by ringer | revoked |\n"
         "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
}

std::string table_line(const std::string& name, const Attack& attack, const Scoreboard& board,
                       std::size_t readers, const StreamStat& stat) {
  const Quantiles calm = of(board.producer.publish[0]);
  const Quantiles attacked = of(board.producer.publish[1]);
  const Quantiles calm_cpu = of(board.producer.publish_cpu[0]);
  const Quantiles attacked_cpu = of(board.producer.publish_cpu[1]);
  std::vector<std::uint32_t> latency[kMeasuredParts];
  std::uint64_t delivered = 0, lost = 0, torn = 0;
  for (std::size_t i = 0; i < readers; ++i) {
    for (std::size_t part = 0; part < kMeasuredParts; ++part) {
      board.readers[i].latency[part].append_to(latency[part]);
    }
    delivered += board.readers[i].delivered.load();
    lost += board.readers[i].lost.load();
    torn += board.readers[i].torn.load();
  }
  const Quantiles calm_latency = quantiles(std::move(latency[0]));
  const Quantiles attacked_latency = quantiles(std::move(latency[1]));
  std::string line = "| " + name + " | ";
  line +=
      format("%llu %s", static_cast<unsigned long long>(board.hostile.tries.load()), attack.unit);
  line += " | " + change_and_ratio(calm.p50_us, attacked.p50_us);
  line += " | " + change_and_ratio(calm.p99_us, attacked.p99_us);
  for (const auto& [before, after] :
       {std::pair{calm.max_us, attacked.max_us},
        {calm_cpu.max_us, attacked_cpu.max_us},
        {calm_latency.p50_us, attacked_latency.p50_us},
        {calm_latency.p99_us, attacked_latency.p99_us},
        {of(board.broker_answers[0]).max_us, of(board.broker_answers[1]).max_us}}) {
    line += " | " + change(before, after);
  }
  return line + format(" | %llu | %llu | %llu | %llu | %llu |\n",
                       static_cast<unsigned long long>(delivered),
                       static_cast<unsigned long long>(lost), static_cast<unsigned long long>(torn),
                       static_cast<unsigned long long>(stat.bells_by_ringer),
                       static_cast<unsigned long long>(stat.leases_revoked));
}

std::string table_notes() {
  utsname machine{};
  ::uname(&machine);
  return format(
      "Microseconds, calm → attacked (ratio), in interleaved rounds of one run; %zu bytes every "
      "%.0f ms to five honest readers (2 futex, 2 eventfd, 1 line; two of them lease); "
      "%ld CPUs, Linux %s.\n",
      kFrameBytes, static_cast<double>(kFrameInterval_ns) / 1e6, ::sysconf(_SC_NPROCESSORS_ONLN),
      machine.release);
}

}  // namespace framering::test
