// SPDX-License-Identifier: Apache-2.0
//
// A fuzz target without libFuzzer, for every test run: its seeds as they are, then altered at
// random, for some seconds. TARGET [SECONDS [SEED]]. What it finds, it leaves as crash-TARGET.
#include <chrono>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "fuzz_input.h"

using namespace framering::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kMaxBytes = 8192;
constexpr unsigned kLeastRuns = 20;  // fewer prove nothing: the machine or the target hangs

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  [[nodiscard]] std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }
  // One to eight changes: bits, numbers at the edge, pieces cut out, doubled, or of another seed.
  [[nodiscard]] Seed alter(Seed bytes, const Seed& other) {
    static constexpr std::uint8_t kEdges[] = {0, 1, 0x7F, 0x80, 0xFF};
    for (std::size_t left = 1 + below(8); left > 0; --left) {
      if (bytes.empty()) bytes.push_back(0);
      const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size()));
      const std::size_t rest = static_cast<std::size_t>(bytes.end() - at);
      const auto count = static_cast<std::ptrdiff_t>(1 + below(std::min<std::size_t>(rest, 64)));
      switch (below(6)) {
        case 0:
          *at ^= static_cast<std::uint8_t>(1u << below(8));
          break;
        case 1:
          std::fill_n(at, std::min<std::ptrdiff_t>(count, 8), kEdges[below(std::size(kEdges))]);
          break;
        case 2:
          *at = static_cast<std::uint8_t>(below(256));
          break;
        case 3:
          bytes.erase(at, at + count);
          break;
        case 4: {
          const Seed piece(at, at + count);
          bytes.insert(at, piece.begin(), piece.end());
          break;
        }
        default:
          if (!other.empty()) {
            const auto from = static_cast<std::ptrdiff_t>(below(other.size()));
            bytes.insert(at, other.begin() + from, other.end());
          }
          break;
      }
    }
    if (bytes.size() > kMaxBytes) bytes.resize(kMaxBytes);
    return bytes;
  }

 private:
  std::mt19937_64 random_;
};

// Before the run, as nobody can be asked after it.
void keep(const std::string& name, const Seed& bytes) {
  std::FILE* file = std::fopen(name.c_str(), "wb");
  demand(file != nullptr, "the folder can be written");
  demand(std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size(), "the input is kept");
  std::fclose(file);
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::stod(argv[1]) : 3;
  const std::uint64_t seed = argc > 2 ? std::stoull(argv[2]) : std::random_device()();
  const std::string program = argv[0];
  const std::string kept = "crash-" + program.substr(program.rfind('/') + 1);
  std::printf("seed %llu; the input that ends this is in %s\n",
              static_cast<unsigned long long>(seed), kept.c_str());
  std::fflush(stdout);

  std::vector<Seed> corpus = seeds();
  demand(!corpus.empty(), "there is a seed");
  Mutator mutator(seed);
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  std::size_t runs = 0;
  while (runs < corpus.size() + kLeastRuns || std::chrono::steady_clock::now() < until) {
    const Seed bytes = runs < corpus.size() ? corpus[runs]
                                            : mutator.alter(corpus[mutator.below(corpus.size())],
                                                            corpus[mutator.below(corpus.size())]);
    keep(kept, bytes);
    static_cast<void>(LLVMFuzzerTestOneInput(bytes.data(), bytes.size()));
    ++runs;
  }
  std::remove(kept.c_str());
  std::printf("%zu inputs\n", runs);
  return 0;
}
