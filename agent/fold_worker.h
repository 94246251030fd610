// The fold's thread: reads the change log and folds it into the replica, leaves marks, sweeps
// settled ones, and lets the log prune what the replica holds durably.
//
// Threads: run() on one thread; every other call from any thread. Errors: run() throws Error.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "state/change_log.h"
#include "state/replica.h"

namespace tandem::agent {

struct FoldStatus {
  state::ReplicaPosition position;
  std::int64_t transactions = 0, rows = 0, rows_written = 0;
  /// All before this offset of the log is folded, or does not count (state::LogReader::position).
  state::Offset read = 0;
  bool caught_up = false;
};

class FoldWorker {
 public:
  struct Options {
    std::string replica_path, ledger_path;
    state::MarkNumber first_mark = 1;
    state::Offset start_at = 0;       // skip what is before this offset: it is gone from the log
    std::function<void()> committed;  // called after each commit, on the fold's thread
  };
  FoldWorker(state::ChangeLog& log, state::FoldListener& listener, Options options);

  void run(std::stop_token stop);
  FoldStatus status() const;
  /// Blocks until all before `next` is folded or does not count, or stop. False on stop.
  bool wait_for(state::Offset next, std::stop_token stop);
  /// Has the fold's thread make marks, in a transaction of their own, at its next turn. `done` is
  /// called on that thread when they are durable.
  using Make = std::function<void(state::Marks&, const std::stop_token&)>;
  void request_marks(Make make, std::function<void()> done);
  /// Marks all that the changes from this offset on touched, at its next turn; `done` likewise.
  void request_replay(state::Offset from, std::function<void()> done);

 private:
  void take_requests(state::Replica& replica, const std::stop_token& stop);
  void publish(const state::Replica& replica, state::Offset read, bool caught_up);

  state::ChangeLog& log_;
  state::FoldListener& listener_;
  Options options_;
  struct Request {
    Make make;
    std::function<void()> done;
  };

  mutable std::mutex mutex_;
  std::condition_variable_any moved_;
  FoldStatus status_;              // guarded by mutex_
  std::vector<Request> requests_;  // guarded by mutex_
};

}  // namespace tandem::agent
