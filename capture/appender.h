// Appends batches to the change log on a thread of its own, so that encoding and syncing one goes
// on beside the gathering of the next.
//
// Promise: batches are appended in the order in which they came; after one failed none follows.
// Threads: one thread calls; the log is appended to by it or by the appender's own. Errors: what an
// append failed with is thrown by the next call of any function.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

#include "state/change_log.h"

namespace tandem::capture {

class Appender {
 public:
  explicit Appender(state::ChangeLog& log);
  /// Waits for the append that is under way. What waits behind it is dropped.
  ~Appender();
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  /// Hands the batch over and returns its number, counted from 1. Waits while one other waits.
  std::uint64_t hand_over(std::shared_ptr<state::Batch> batch);
  /// Appends everything handed over before, and then the batch, if it is not null. Returns the
  /// number of the last.
  std::uint64_t append(std::shared_ptr<state::Batch> batch);
  /// The number of the last batch that is durable.
  std::uint64_t durable();
  /// Whether something that was handed over is not durable yet.
  bool busy();

 private:
  void run(const std::stop_token& stop);
  void check() const;  // with mutex_ held

  state::ChangeLog& log_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::shared_ptr<state::Batch> waiting_;  // guarded by mutex_, as all below
  std::uint64_t handed_over_ = 0, durable_ = 0;
  std::exception_ptr failure_;
  std::jthread thread_;
};

}  // namespace tandem::capture
