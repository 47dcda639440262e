// SPDX-License-Identifier: Apache-2.0
#include <atomic>

#include "mutants.h"

namespace framering::model {
namespace {

using What = Alteration::What;

constexpr auto kAcquire = static_cast<std::uint64_t>(std::memory_order_acquire);
constexpr auto kRelease = static_cast<std::uint64_t>(std::memory_order_release);
constexpr auto kSeqCst = static_cast<std::uint64_t>(std::memory_order_seq_cst);

Alteration no_fence(const char* function, std::uint64_t order) {
  return {What::no_fence, function, "", order};
}

// The letters are those of writer.cpp, reader.cpp and reader_table.h.
std::vector<Mutant> make() {
  return {
      // --- Publish against copy and lease.
      {"W1: intent not announced", {{What::no_store, "announce", "intent"}}, {"copy", "lease"}},
      {"W1: reclaimed not announced", {{What::no_store, "announce", "reclaimed"}}, {"copy-bytes"}},
      {"W1: intent announced after the scan",
       {{What::late_store, "announce", "intent", 0, "fence_release claim"}},
       {"lease-lapped"}},
      {"W1: reclaimed announced after the scan",
       {{What::late_store, "announce", "reclaimed", 0, "fence_release claim"}},
       {"lease-bytes"}},
      {"W2 removed", {no_fence("claim", kSeqCst)}, {"lease-bytes"}},
      {"W3: leases not looked at", {{What::load_yields, "note", "lease"}}, {"lease-bytes"}},
      {"W3: lease loaded relaxed",
       {{What::relaxed_load, "note", "lease"}},
       {"lease", "lease-bytes", "revoke"},
       "the release fence before W4 keeps the load before the payload on every machine; the C++ "
       "rules ask for it"},
      {"W3: revocation not stored", {{What::no_store, "revoke", "revoked"}}, {"revoke"}},
      {"W3: release fence removed", {no_fence("claim", kRelease)}, {"lease-chase"}},
      {"W2 and W3's release fence removed",
       {no_fence("claim", kSeqCst), no_fence("claim", kRelease)},
       {"copy-bytes"}},
      {"W5: number stored relaxed",
       {{What::relaxed_store, "commit", "number"}},
       {"copy", "copy-bytes", "sleep"},
       "W6 orders the same, and no reader looks at a slot before head covers it; see the next "
       "ones"},
      {"W5 and W6 relaxed",
       {{What::relaxed_store, "commit", "number"}, {What::relaxed_store, "commit", "head"}},
       {"copy"}},
      {"W6: head stored relaxed", {{What::relaxed_store, "commit", "head"}}, {"sleep"}},
      {"R1: head loaded relaxed", {{What::relaxed_load, "head", "head"}}, {"sleep"}},
      {"R2: number loaded relaxed", {{What::relaxed_load, "read_slot", "number"}}, {"copy"}},
      {"R1 and R2 relaxed",
       {{What::relaxed_load, "head", "head"}, {What::relaxed_load, "read_slot", "number"}},
       {"copy"}},
      {"R2: number not looked at",
       {{What::number_fits, "read_slot", "number"}},
       {"copy", "lease"},
       "with a producer that keeps the rules, intent says the same; it is there for one that does "
       "not"},
      {"R1 relaxed and R2's number not looked at",
       {{What::relaxed_load, "head", "head"}, {What::number_fits, "read_slot", "number"}},
       {"copy"}},
      {"R2: fence removed", {no_fence("read_slot", kAcquire)}, {"copy-sizes"}},
      {"C: fence removed", {no_fence("copy_next", kAcquire)}, {"copy-bytes"}},
      {"C, R5: intent not looked at", {{What::load_yields, "kept", "intent"}}, {"copy"}},
      {"C, R5: reclaimed not looked at",
       {{What::load_yields, "kept", "reclaimed"}},
       {"copy-bytes"}},
      // --- A large frame, copied while it is written.
      {"T3: arrived stored relaxed", {{What::relaxed_store, "fill", "arrived"}}, {"trail"}},
      {"t3: arrived loaded relaxed", {{What::relaxed_load, "arrived", "arrived"}}, {"trail"}},
      {"T3: arrived stored before the bytes",
       {{What::load_yields, "arrived", "arrived", 16384}},
       {"trail"}},
      {"C: fence removed, of a frame that was followed",
       {no_fence("copy_next", kAcquire)},
       {"trail-lapped"}},
      {"C: reclaimed not looked at, of a frame that was followed",
       {{What::load_yields, "kept", "reclaimed"}},
       {"trail-lapped"}},
      {"T1: arriving stored relaxed",
       {{What::relaxed_store, "begin_arrival", "arriving"}},
       {"trail", "trail-again"},
       "whatever position a reader finds, the published record names the right one; it is there so "
       "that the reader does not copy for nothing"},
      {"t1: arriving loaded relaxed",
       {{What::relaxed_load, "arriving", "arriving"}},
       {"trail", "trail-again"},
       "as T1"},
      {"R3: lease not stored", {{What::no_store, "lease_next", "lease"}}, {"lease-bytes"}},
      {"R3: lease stored after the check",
       {{What::late_store, "lease_next", "lease", 0, "load head"}},
       {"lease-bytes"}},
      {"R4 removed", {no_fence("lease_next", kSeqCst)}, {"lease-bytes", "lease"}},
      {"R6: lease let go relaxed",
       {{What::relaxed_store, "release", "lease"}},
       {"lease", "lease-bytes"},
       "release() looks for a revocation first, and R7's fence keeps the last look before it; see "
       "the next one"},
      {"R6 relaxed and R7's fence removed",
       {{What::relaxed_store, "release", "lease"}, no_fence("lease_valid", kAcquire)},
       {"lease-bytes"}},
      {"R7: fence removed", {no_fence("lease_valid", kAcquire)}, {"revoke"}},
      {"R7: revocation not looked at", {{What::load_yields, "lease_valid", "revoked"}}, {"revoke"}},
      {"publishing: a step less than its bound",
       {{What::less_steps, "publish", "", 1}},
       {"hostile"}},
      // --- Sleep.
      {"W6: wake scan before head",
       {{What::late_store, "commit", "head", 0, "store leave"}},
       {"sleep"}},
      {"W7 removed", {no_fence("commit", kSeqCst)}, {"sleep"}},
      {"W7 removed, for the state", {no_fence("set_state", kSeqCst)}, {"state"}},
      {"state stored relaxed",
       {{What::relaxed_store, "set_state", "source_state"}},
       {"state"},
       "W7 of the frame before is a release fence too; the order does not lean on that"},
      {"state loaded relaxed", {{What::relaxed_load, "state", "source_state"}}, {"state"}},
      {"W8: word not counted up", {{What::no_store, "strike", "futex_word"}}, {"sleep"}},
      {"W8: FUTEX_WAKE left out", {{What::no_wake, "futex_wake", ""}}, {"sleep"}},
      {"S1: wake_at not stored", {{What::no_store, "arm", "wake_at"}}, {"sleep"}},
      {"S1: wake_at stored after the check",
       {{What::late_store, "arm", "wake_at", 0, "futex wait"}},
       {"sleep"}},
      {"S2 removed", {no_fence("arm", kSeqCst)}, {"sleep"}},
      {"S3: head's answer ignored", {{What::no_answer, "arm"}}, {"sleep"}},
      {"S4: word not looked at", {{What::wait_anyway, "futex_wait", ""}}, {"sleep"}},
      // --- Attach and detach.
      {"P1: section not entered", {{What::no_store, "enter", "section"}}, {"attach-lease"}},
      {"P3: table loaded relaxed", {{What::relaxed_load, "scan", "table"}}, {"detach"}},
      {"P5: section left relaxed",
       {{What::relaxed_store, "leave", "section"}},
       {"attach-lease", "attach-sleep", "detach"},
       "what C4 lets a reader do begins with a fence of its own (R4, S2) that W2 or W7 met before "
       "P5; for unmapping it keeps the scan's loads before P5, and loads that pass later stores "
       "are modelled for frames alone"},
      {"C1: table stored relaxed", {{What::relaxed_store, "swap_in", "table"}}, {"detach"}},
      {"C2 removed", {no_fence("swap_in", kSeqCst)}, {"attach-lease"}},
      {"C3: section not waited for", {{What::load_yields, "swap_in", "section"}}, {"attach-lease"}},
      {"C4: attached not waited for, lease",
       {{What::load_yields, "attachment_is", "attachment", 1}},
       {"attach-lease"}},
      {"C4: attached not waited for, sleep",
       {{What::load_yields, "attachment_is", "attachment", 1}},
       {"attach-sleep"}},
      {"detached not said", {{What::no_store, "remove", "attachment"}}, {"detach"}},
      {"detached said after C1",
       {{What::late_store, "remove", "attachment", 0, "load swap_in"}},
       {"detach"}},
      {"R7: detachment not looked at",
       {{What::load_yields, "lease_valid", "attachment", 1}},
       {"detach"}},
      // --- Parameter sets.
      {"parameter set not announced",
       {{What::no_store, "set_parameter_sets", "parameter_intent"}},
       {"parameters"}},
      {"parameter set: writer's fence removed",
       {no_fence("set_parameter_sets", kRelease)},
       {"parameters"}},
      {"parameter set: reader's fence removed",
       {no_fence("read_parameter_set", kAcquire)},
       {"parameters"}},
      {"parameter set: announcement not looked at",
       {{What::load_yields, "read_parameter_set", "parameter_intent"}},
       {"parameters"}},
      {"parameter set: number not looked at",
       {{What::load_yields, "read_parameter_set", "set number 1", 3}},
       {"parameters"}},
      {"parameter set: number stored relaxed",
       {{What::relaxed_store, "set_parameter_sets", "set number"}},
       {"parameters"}},
      {"parameter set: number loaded relaxed",
       {{What::relaxed_load, "read_parameter_set", "set number"}},
       {"parameters"}},
  };
}

}  // namespace

const std::vector<Mutant>& mutants() {
  static const std::vector<Mutant> all = make();
  return all;
}

}  // namespace framering::model
