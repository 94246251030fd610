// What the reconciler tells other threads about itself, and the waiting for it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

#include "sink/reconciler.h"

namespace tandem::sink {

/// Thread-safe. One thread publishes.
class StatusBoard {
 public:
  ReconcilerStatus status() const {
    std::lock_guard lock(mutex_);
    return status_;
  }

  void publish(ReconcilerStatus status) {
    {
      std::lock_guard lock(mutex_);
      status_ = std::move(status);
      ++turn_;
    }
    changed_.notify_all();
  }

  bool wait_applied(state::Offset offset, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    return changed_.wait(lock, stop, [&] { return status_.applied.offset >= offset; });
  }

  /// How many times something was published.
  std::uint64_t turn() const {
    std::lock_guard lock(mutex_);
    return turn_;
  }

  bool wait_turn(std::uint64_t turn, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    return changed_.wait(lock, stop, [&] { return turn_ >= turn; });
  }

  bool wait_idle(std::uint64_t turn, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    return changed_.wait(lock, stop, [&] { return turn_ >= turn && status_.idle; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  ReconcilerStatus status_;  // guarded by mutex_
  std::uint64_t turn_ = 0;   // guarded by mutex_
};

}  // namespace tandem::sink
