// SPDX-License-Identifier: Apache-2.0
//
// From samples to what is reported. A run has vectors of nanoseconds or single figures; rounds are
// compared one by one, since a machine's mood changes from round to round.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace framering::bench {

struct Quantiles {
  double p50 = 0, p99 = 0, p999 = 0, worst = 0;  // microseconds
};

// A ratio in each round: the median, and the range.
struct Ratio {
  double median = 0, least = 0, most = 0;
};

// Of samples in any order; 0 when there are none.
template <typename Value>
[[nodiscard]] double quantile(std::vector<Value> samples, double q) {
  if (samples.empty()) return 0;
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(samples.size())));
  const auto at = samples.begin() + static_cast<std::ptrdiff_t>(rank == 0 ? 0 : rank - 1);
  std::nth_element(samples.begin(), at, samples.end());
  return static_cast<double>(*at);
}

// p50: median of the rounds' medians; the rest over all rounds.
template <typename Run>
[[nodiscard]] Quantiles quantiles_of(const std::vector<Run>& runs,
                                     std::vector<std::uint32_t> Run::*samples) {
  std::vector<std::uint32_t> all;
  std::vector<double> medians;
  for (const Run& run : runs) {
    all.insert(all.end(), (run.*samples).begin(), (run.*samples).end());
    if (!(run.*samples).empty()) medians.push_back(quantile(run.*samples, 0.5));
  }
  constexpr double us = 1e-3;
  return {quantile(medians, 0.5) * us, quantile(all, 0.99) * us, quantile(all, 0.999) * us,
          quantile(all, 1.0) * us};
}

// What a round comes down to: its single figure, or quantile `q` of its samples.
template <typename Run, typename Member>
[[nodiscard]] double figure_of(const Run& run, Member Run::*member, double q) {
  if constexpr (std::is_same_v<Member, double>) {
    return run.*member;
  } else {
    return quantile(run.*member, q);
  }
}

template <typename Run, typename Member>
[[nodiscard]] Ratio ratio_of(const std::vector<Run>& lane, const std::vector<Run>& floor,
                             Member Run::*member, double q = 0.5) {
  std::vector<double> ratios;
  for (std::size_t round = 0; round < std::min(lane.size(), floor.size()); ++round) {
    const double over = figure_of(lane[round], member, q);
    const double under = figure_of(floor[round], member, q);
    if (over > 0 && under > 0) ratios.push_back(over / under);
  }
  return {quantile(ratios, 0.5), quantile(ratios, 0.0), quantile(ratios, 1.0)};
}

template <typename Run>
[[nodiscard]] double median_of(const std::vector<Run>& runs, double Run::*member) {
  std::vector<double> all;
  for (const Run& run : runs) all.push_back(run.*member);
  return quantile(all, 0.5);
}

}  // namespace framering::bench
