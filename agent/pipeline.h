// The running agent: the half that captures, the half that applies, or both; and the inbox.
//
// Promise: run() returns when it was stopped, with everything it had done durable, or when the work
// of `once` is done; it throws the first worker's Error, after all others have stopped. Nothing in
// it needs to be undone: a new Pipeline goes on where this one ended. Threads: run() on one;
// status() from any.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "agent/config.h"
#include "agent/fold_worker.h"
#include "agent/role.h"
#include "agent/source_watch.h"
#include "capture/publisher.h"
#include "sink/reconciler.h"
#include "state/change_log.h"
#include "state/state_directory.h"

namespace tandem::agent {

struct PipelineOptions {
  Role role = Role::kAll;
  bool once = false;
  bool prune = false;
  /// Called about five times a second on the thread of run().
  std::function<void(const class Pipeline&)> tick;
  /// Random, the same for all pipelines of a process: TargetOwner's.
  std::string process;
  /// Ends run(), and heeded while the pipeline is being made as well.
  std::stop_token stop;
};

/// Of the halves that run here; the other's part is as it was made.
struct PipelineStatus {
  Role role = Role::kAll;
  SourceWatch::Seen source;
  capture::PublisherStatus capture;
  state::SourcePosition read_up_to;  // of the source, if all that was captured is in the log
  state::LogExtent log;
  FoldStatus fold;
  sink::ReconcilerStatus apply;
  sink::TargetCounters target;
};

class Pipeline {
 public:
  Pipeline(const Config& config, const state::StateDirectory& directory, PipelineOptions options);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;

  /// Until PipelineOptions::stop is asked for, or, with `once`, all is done.
  void run();
  PipelineStatus status() const;
  /// True once source or target have been claimed: a failure after that is worth another try.
  bool got_going() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::agent
