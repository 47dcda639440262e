// SPDX-License-Identifier: Apache-2.0
//
// Tables for the terminal and, in Markdown, for README; JSON for programs and plots.
#pragma once

#include <string>
#include <vector>

#include "curves.h"
#include "goals.h"
#include "isolation.h"
#include "machine.h"
#include "match.h"

namespace framering::bench {

struct Report {
  Machine machine;
  std::vector<MatchResults> matches;
  std::vector<Curve> curves;
  std::vector<IsolationResults> isolation;
  std::vector<Goal> goals;
};

void print_rivals_machine(const Machine& machine);
void print_match(const MatchResults& results);
void print_curve(const Curve& curve);
void print_isolation(const std::vector<IsolationResults>& all);
void print_goals(const std::vector<Goal>& goals);
void print_settings();

// Throw std::system_error when the file cannot be written.
void write_rivals_json(const std::string& path, const Report& report);
void write_markdown(const std::string& path, const Report& report);

}  // namespace framering::bench
