// The inbox: requests from other commands, handed to the threads that do them.
//
// A request is removed when the thread that does it has made it durable; one that is done twice
// does no harm, for all of them only ask to look again. Threads: take() and remove_done() on one
// thread, wait_done() on any; put_requests from any process.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/fold_worker.h"
#include "sink/reconciler.h"
#include "state/inbox.h"

namespace tandem::agent {

class InboxWorker {
 public:
  using Done = std::function<void()>;
  /// Who does what. Null, and what they would do waits in the inbox: nobody here does it.
  struct Takers {
    std::function<void(const std::string& table, const Done& done)> snapshot;
    FoldWorker* fold = nullptr;
    sink::Reconciler* reconciler = nullptr;
  };
  InboxWorker(const std::string& path, Takers takers);
  /// Hands over what has come, and removes what is done.
  void take();
  void remove_done();
  /// True if anything was ever handed over.
  bool had_any() const;
  /// Blocks until all that was handed over is done, or stop. False on stop.
  bool wait_done(std::stop_token stop);

 private:
  bool is_ours(const state::Request& request) const;
  void hand_over(const state::Request& request, const Done& done);
  void hand_over_repair(const state::Request& request, const Done& done);
  void note_done(std::int64_t id);

  state::Inbox inbox_;
  const Takers takers_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  std::set<std::int64_t> open_;     // handed over, not done
  std::vector<std::int64_t> done_;  // not removed yet
  bool had_any_ = false;
};

/// Puts requests in the inbox of the config's state directory and says on stdout who will do them.
void put_requests(const Config& config, const std::vector<state::Request>& requests);

}  // namespace tandem::agent
