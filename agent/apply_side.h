// The half of a pipeline that makes the target right: fold, reconciler, and the ownership of the
// target.
//
// Threads: works() are to be run on a thread each; status() and wait_for_all() from any.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/fold_worker.h"
#include "agent/target_owner.h"
#include "sink/reconciler.h"
#include "state/change_log.h"
#include "state/ledger.h"
#include "state/state_directory.h"

namespace tandem::agent {

/// What the reading half of the same process knows of ownership; all empty where there is none.
struct SourceOwnership {
  /// Claims the source. Returns whether another agent, which may not know it yet, had it.
  std::function<bool()> claim;
  std::function<void()> assert_owner;        // throws Fenced
  std::function<void()> report_late_writes;  // capture::Source's
  /// ReconcilerOptions::began_at.
  std::function<std::optional<state::Version>()> began_at;
};

class ApplySide {
 public:
  struct Options {
    bool prune = false;
    state::Offset fold_from = 0;  // FoldWorker::Options::start_at
    SourceOwnership source;
    state::ControlTopic* control = nullptr;  // null where the log has none
    std::string process;                     // TargetOwner's
    std::stop_token stop;                    // of the workers
  };
  /// Claims the source, if there is one, and the target, before anything is read or sent there.
  ApplySide(const Config& config, const state::StateDirectory& directory, state::ChangeLog& log,
            Options options);

  FoldWorker& fold() { return fold_; }
  sink::Reconciler& reconciler() { return reconciler_; }
  FoldStatus fold_status() const { return fold_.status(); }
  sink::ReconcilerStatus status() const { return reconciler_.status(); }
  sink::TargetCounters counters() const { return target_->counters(); }
  using Work = std::function<void(std::stop_token)>;
  std::vector<Work> works();
  /// Blocks until all that the log holds when this is called is in the target, or stop; with
  /// `idle`, until nothing else is left to do either. False on stop.
  bool wait_for_all(bool idle, const std::stop_token& stop);
  /// At the end of a run: asks whether all that was sent was ours to send, and tells a successor
  /// where it was not. Throws Fenced then.
  void confirm_ownership();

 private:
  TargetOwner::Claimed claim();
  void look_for_successor();
  void report_late_writes();
  FoldWorker::Options fold_options(const state::StateDirectory& directory);
  sink::ReconcilerOptions reconciler_options();
  void assert_owner();
  void leave();
  void watch_owner(const std::stop_token& stop);
  std::optional<state::Version> began_at() const;

  const Config& config_;
  Options options_;
  state::ChangeLog& log_;
  std::optional<TargetOwner> owner_;  // asked by the target's threads, and so made before it
  state::Offset log_end_ = 0;         // when the target had been claimed
  mutable std::mutex began_mutex_;
  mutable std::optional<state::Version> began_at_;  // guarded by began_mutex_
  std::unique_ptr<sink::Target> target_;
  state::Ledger ledger_;
  sink::DocumentSet documents_;
  sink::Relations relations_;
  const TargetOwner::Claimed claimed_;
  sink::Reconciler reconciler_;
  FoldWorker fold_;
};

}  // namespace tandem::agent
