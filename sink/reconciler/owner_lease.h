// Asserts at the source that this agent is still its owner, before a send, when the last assertion
// is older than a lease.
//
// The clock runs on while the process is stopped or the machine sleeps, so an agent that was
// stopped asks again before it sends anything.
#pragma once

#include <chrono>
#include <ctime>
#include <functional>
#include <optional>
#include <utility>

namespace tandem::sink {

class OwnerLease {
 public:
  OwnerLease(std::function<void()> assert_owner, std::chrono::milliseconds lease)
      : assert_owner_(std::move(assert_owner)), lease_(lease) {}

  /// Throws Fenced if another agent has taken over.
  void renew() {
    if (!assert_owner_) return;
    std::chrono::nanoseconds now = since_boot();
    if (asserted_ && now - *asserted_ < lease_) return;
    assert_owner_();
    // The time before the question counts: the answer may be older than it looks.
    asserted_ = now;
  }

 private:
  static std::chrono::nanoseconds since_boot() {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }

  std::function<void()> assert_owner_;
  std::chrono::milliseconds lease_;
  std::optional<std::chrono::nanoseconds> asserted_;
};

}  // namespace tandem::sink
