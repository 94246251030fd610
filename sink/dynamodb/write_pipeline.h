// Writes on their way: jobs become requests, requests are sent and repeated, answers become
// outcomes.
//
// Promise: every job that add() took gets one outcome, unless run() throws. Threads: one, but
// wake(). Errors: Error when the service refuses everything (credentials, permission, no table) or
// could not be reached for `patience`; what `may_send` throws, once what had been sent before has
// its outcomes.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "sink/dynamodb/answer.h"
#include "sink/dynamodb/backoff.h"
#include "sink/dynamodb/session.h"
#include "sink/dynamodb/write_call.h"

namespace tandem::sink {

/// What has come of the jobs since it was last emptied.
struct WriteResults {
  std::vector<Outcome> outcomes;
  std::size_t bytes = 0;  // of the items of those outcomes
  TargetCounters counters;
};

class WritePipeline {
 public:
  WritePipeline(Session session, std::vector<TargetTable> tables, TargetOptions target_options,
                std::size_t connections, std::chrono::seconds patience,
                std::chrono::milliseconds late_batch, std::function<void()> may_send = {});

  void add(Job job);
  /// Batches that are not full are ready to go, too.
  void flush();
  /// True while a batch is not full.
  bool gathering() const;
  /// Starts what may start, moves bytes for up to `wait`, and handles the answers.
  void run(std::chrono::milliseconds wait);
  void wake() { http_.wake(); }
  /// For the caller to take and empty.
  WriteResults& results() { return results_; }

 private:
  using Clock = std::chrono::steady_clock;
  using CallPointer = std::unique_ptr<WriteCall>;

  void gather(Job job);
  CallPointer new_call(WriteCall::Kind kind, std::size_t table);
  void recycle(CallPointer call);
  void start_due();
  void end_refused();
  static HttpOptions guarded(HttpOptions options, std::function<void()> may_send);
  static bool later(const CallPointer& a, const CallPointer& b) { return a->due > b->due; }
  void start(CallPointer call);
  const char* encode(WriteCall& call);
  const char* operation_of(const WriteCall& call) const;

  void finish(CallPointer call);
  void again(CallPointer call, bool throttled);
  void again_unanswered(CallPointer call);
  void delay(CallPointer call, std::chrono::milliseconds time);
  void note_failure(const std::string& reason);
  void finish_taken(CallPointer call);
  void finish_batch(CallPointer call);
  void finish_rejected(CallPointer call, const ServiceError& error);
  void finish_conflict(CallPointer call, std::optional<Item> found);
  void finish_standing(CallPointer call);
  void done(const Job& job);
  void settle(const Job& job, Outcome outcome);

  Session session_;
  const std::vector<TargetTable> tables_;
  const TargetOptions target_options_;
  const std::chrono::seconds patience_;
  const std::chrono::milliseconds late_batch_;
  Backoff backoff_;

  std::vector<CallPointer> gathered_;  // a batch in the making, for each table
  std::deque<CallPointer> ready_;
  std::vector<CallPointer> delayed_;  // a heap, the earliest due in front
  std::unordered_map<HttpExchange*, CallPointer> sent_;
  std::vector<CallPointer> pool_;  // finished calls, for their buffers
  std::vector<HttpExchange*> finished_;
  std::optional<Clock::time_point> failing_since_;
  WriteResults results_;
  HttpClient http_;  // last: what is in flight there points into sent_
};

}  // namespace tandem::sink
