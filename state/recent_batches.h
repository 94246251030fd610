// The newest durable batches of a log, shared by its writer and the readers that keep up.
//
// Promise: batches are handed out in the order of their offsets; memory is bounded, the oldest go
// first. Threads: any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>

#include "state/record.h"

namespace tandem::state {

class RecentBatches {
 public:
  /// next: the offset after the newest durable record.
  RecentBatches(std::size_t limit_bytes, Offset next) : limit_bytes_(limit_bytes), next_(next) {}

  /// The batch has become durable, from the offset `from` on, which is not above that of its first
  /// record: a log may have several offsets for a record, whose last one is the record's.
  void publish(std::shared_ptr<const Batch> batch, Offset from, std::size_t bytes);

  struct Found {
    std::shared_ptr<const Batch> batch;  // begins with the first record at or after the offset
    bool durable = false;                // without a batch: it must be read from the file
  };
  /// Waits until the record at `offset` is durable, the deadline, or a stop.
  Found wait_for(Offset offset, std::chrono::steady_clock::time_point deadline,
                 const std::stop_token& stop);
  Offset next() const;

 private:
  struct Entry {
    std::shared_ptr<const Batch> batch;
    Offset from = 0;
    std::size_t bytes = 0;
  };

  const std::size_t limit_bytes_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable_any grown_;
  std::deque<Entry> entries_;  // without holes between them
  std::size_t bytes_ = 0;
  Offset next_;
};

}  // namespace tandem::state
