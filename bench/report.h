// SPDX-License-Identifier: Apache-2.0
//
// Tables for people, JSON for programs.
#pragma once

#include <string>
#include <vector>

#include "figures.h"
#include "machine.h"

namespace framering::bench {

// Private memory of broker and producer with so many readers.
struct MemoryFigures {
  std::uint32_t readers = 0;
  std::uint64_t broker_kib = 0;
  std::uint64_t producer_kib = 0;
};

void print_machine(const Machine& machine, std::uint32_t rounds);
void print_scenario(const ScenarioFigures& figures);
void print_memory(const std::vector<MemoryFigures>& memory);
void print_targets(const std::vector<Target>& targets);
[[nodiscard]] std::vector<Target> memory_targets(const std::vector<MemoryFigures>& memory);

// Throws std::system_error when the file cannot be written.
void write_json(const std::string& path, const Machine& machine, std::uint32_t rounds,
                const std::vector<ScenarioFigures>& scenarios,
                const std::vector<MemoryFigures>& memory, const std::vector<Target>& targets);

}  // namespace framering::bench
