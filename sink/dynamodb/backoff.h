// How long to wait before a request is sent again: exponential with full jitter, so that many
// refused requests do not come back together.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace tandem::sink {

class Backoff {
 public:
  explicit Backoff(std::uint64_t seed) : random_(seed) {}

  /// attempt 1 is the first repetition.
  std::chrono::milliseconds delay(int attempt) {
    constexpr int kBase = 25;
    constexpr int kLongest = 5'000;
    const int doublings = std::clamp(attempt - 1, 0, 10);
    const int ceiling = std::min(kLongest, kBase << doublings);
    return std::chrono::milliseconds(
        std::uniform_int_distribution<int>(kBase / 5, ceiling)(random_));
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace tandem::sink
