// Who may write to the target of a pipeline whose log is in Kafka: the one that said so last in the
// log's control topic. An agent that has been succeeded finds out before it sends anything more
// (sink/reconciler/owner_lease.h).
//
// Threads: look_for_successor() and claim() first; the others from any. Errors: ControlTopic's;
// Fenced.
#pragma once

#include <mutex>
#include <string>

#include "state/control_topic.h"
#include "state/error.h"

namespace tandem::agent {

/// An agent that was succeeded may have written to the target since: all is to be looked at anew.
class LateWrites : public state::Error {
 public:
  using Error::Error;
};

class TargetOwner {
 public:
  /// `process`: random, the same for all runs of a process.
  TargetOwner(state::ControlTopic& control, std::string pipeline, std::string process);

  struct Claimed {
    std::string instance;    // this run's, begins with the process
    std::string before;      // who wrote to the target last; empty: nobody ever did
    bool took_over = false;  // that one may not know yet that it has been succeeded
  };
  /// Throws Fenced if another agent has claimed the target since a run before in this process did:
  /// who was succeeded does not come back by itself.
  void look_for_successor();
  /// The same, and claims the target.
  Claimed claim();
  /// Throws Fenced if another agent has claimed the target since, LateWrites.
  void assert_owner();
  /// This run was succeeded, and what it sent last may have come after that: tells the successor.
  /// Does nothing otherwise.
  void report_late_writes();
  /// This run sends nothing more: its successor need not wait.
  void leave();

 private:
  void read();  // with mutex_ held
  void take(const state::ControlRecord& record);
  state::Fenced succeeded() const;

  state::ControlTopic& control_;
  const std::string pipeline_, process_;
  std::mutex mutex_;        // guards what follows
  state::Offset next_ = 0;  // of the topic, not looked at yet
  std::string instance_;    // empty: not claimed
  std::string newest_;      // who claimed last
  bool returns_ = false;    // a run before in this process has claimed
  bool gone_ = false;       // the newest has left
  bool late_ = false;       // somebody wrote late since the newest claim
};

}  // namespace tandem::agent
