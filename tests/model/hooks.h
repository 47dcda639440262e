// SPDX-License-Identifier: Apache-2.0
//
// What the worlds and the model's kernel use beside the words of word.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace framering::model {

// Looks at the bytes of a leased frame the way a consumer does: when the loads are satisfied is
// open until an acquire fence or a release, or settle_looks(). `to` is filled then.
void look(std::span<const std::byte> bytes, std::span<std::byte> to);
void settle_looks();
void delay_load(void* to, int word, bool look);

// A piece of shared memory as its word's history has it: itself, or the number of its content.
[[nodiscard]] std::uint64_t pack(const void* from, std::size_t bytes);

void await_last_loaded();  // until the word that was loaded last has a newer value
void futex_step(bool wait, const void* word, std::uint32_t expected);

}  // namespace framering::model
