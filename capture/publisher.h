// The publisher: drives a Source and appends what it delivers to the change log, in batches that
// are made durable together (group commit), with heartbeats when the source is idle. It releases
// the source only what the log holds durably.
//
// Threads: run() on one thread until the stop token says so; status() from any thread.
// Errors: throws Error or Fenced; the caller decides about a retry (start over with run()).
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "capture/source.h"
#include "state/change_log.h"

namespace tandem::capture {

struct PublisherOptions {
  std::chrono::milliseconds heartbeat{10'000};
  std::size_t batch_bytes =
      1U << 20U;  // append when so much has come together, or when the source pauses
  /// Not empty: what the log knows is not to be continued (its beginning is gone and the replica
  /// with it). Says so in the log as a gap and reads every table again.
  std::string restart_reason;
  /// Called on run()'s thread when a gap is durable in the log, with its reason.
  std::function<void(const std::string&)> gap;
  /// Called on run()'s thread whenever PublisherStatus::epoch has become known.
  std::function<void()> resumed;
};

struct PublisherStatus {
  state::Checkpoint checkpoint;  // durable in the log
  /// 0 while it is not known whether the log can be continued. From then on all that this epoch
  /// begins with, a gap included, stands in the log before `resumed_at`.
  std::uint64_t epoch = 0;
  state::Offset resumed_at = 0;
  std::int64_t transactions = 0, changes = 0, snapshot_rows = 0;
  /// A table is to be read, or may be: until the source has been looked at, nobody knows whether
  /// its tables are still those of the checkpoint.
  bool snapshotting = false;
};

class Publisher {
 public:
  Publisher(Source& source, state::ChangeLog& log, PublisherOptions options);
  ~Publisher();
  /// Claims source and log. Before run(), for a caller to which it matters what comes after the
  /// claim; otherwise run() does it. Heeds the stop that run() will be given.
  void claim(const std::stop_token& stop);
  /// Publishes until stopped.
  void run(std::stop_token stop);
  PublisherStatus status() const;
  /// Asks for a table to be read again; thread-safe. `recorded` is called on run()'s thread when
  /// the log holds durably that the table is to be read.
  void request_snapshot(const std::string& table, std::function<void()> recorded = {});
  /// Asks for a gap in the log, behind which every table is read again; thread-safe. `recorded`
  /// likewise, when the gap is durable.
  void request_gap(const std::string& reason, std::function<void()> recorded = {});

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::capture
