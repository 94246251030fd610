// Sends writes from a thread of its own: encodes, signs, keeps many requests in flight, repeats
// what was throttled or lost, and turns answers into outcomes.
//
// Promise: every job that send() took gets one outcome, or take() throws: then no outcome will come
// any more, and jobs without one may or may not have been written. Threads: send, take and
// outstanding on the caller's thread; the destructor joins the sender's. Errors: Error when the
// service refuses everything (credentials, permission, no table) or could not be reached for
// `patience`; what `may_send` throws.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "sink/dynamodb/session.h"
#include "sink/dynamodb/write_call.h"

namespace tandem::sink {

struct WriteSenderOptions {
  std::size_t connections = 32;
  std::chrono::seconds patience{300};
  std::chrono::milliseconds late_batch{5'000};  // as in DynamodbOptions
  std::function<void()> may_send;               // as in sink/target.h
};

class WriteSender {
 public:
  WriteSender(Session session, std::vector<TargetTable> tables, TargetOptions target_options,
              WriteSenderOptions options);
  ~WriteSender();
  WriteSender(const WriteSender&) = delete;

  /// Hands jobs over, emptying the vector. `flush`: batches that are not full go out too.
  void send(std::vector<Job>& jobs, bool flush);
  /// Appends the outcomes that are there, waiting up to `wait` for a first one while jobs are
  /// outstanding. `bytes` gets the sum over the jobs they belong to.
  void take(std::chrono::milliseconds wait, std::vector<Outcome>& outcomes, std::size_t& bytes);
  TargetCounters counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::sink
