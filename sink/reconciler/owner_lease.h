// Asserts at the source that this agent is still its owner, before each send of which the last
// assertion is older than a lease; and remembers whether something was sent that no later assertion
// has covered.
//
// The clock runs on while the process is stopped or the machine sleeps, so an agent that was
// stopped asks again before it sends anything. What is sent within the lease may still come after
// another agent has taken over and looked at the target: as long as it is unconfirmed, the other
// one must be told. Thread-safe.
#pragma once

#include <chrono>
#include <ctime>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

namespace tandem::sink {

class OwnerLease {
 public:
  OwnerLease(std::function<void()> assert_owner, std::chrono::milliseconds lease)
      : assert_owner_(std::move(assert_owner)), lease_(lease) {}

  /// Before a send. Throws Fenced if another agent has taken over.
  void renew() {
    std::lock_guard lock(mutex_);
    std::chrono::nanoseconds now = since_boot();
    if (!asserted_ || now - *asserted_ >= lease_) assert_at(now);
    unconfirmed_ = true;
  }

  /// While nothing is on its way: what was sent so far was sent by the owner, or throws Fenced.
  void confirm() {
    std::lock_guard lock(mutex_);
    if (!unconfirmed_) return;
    assert_at(since_boot());
    unconfirmed_ = false;
  }

  /// Something was sent since confirm() last returned.
  bool unconfirmed() const {
    std::lock_guard lock(mutex_);
    return unconfirmed_;
  }

 private:
  static std::chrono::nanoseconds since_boot() {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }

  // The time before the question counts: the answer may be older than it looks.
  void assert_at(std::chrono::nanoseconds now) {
    if (assert_owner_) assert_owner_();
    asserted_ = now;
  }

  const std::function<void()> assert_owner_;
  const std::chrono::milliseconds lease_;
  mutable std::mutex mutex_;  // guards what follows
  std::optional<std::chrono::nanoseconds> asserted_;
  bool unconfirmed_ = false;
};

}  // namespace tandem::sink
