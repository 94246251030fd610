// What the thread that reads the stream tells those beside it. Thread-safe. No errors.
#pragma once

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "capture/postgres/pgoutput.h"
#include "capture/postgres/settings.h"
#include "capture/postgres/snapshots.h"

namespace tandem::capture::postgres {

class StreamNews {
 public:
  /// A stream begins of which nothing is known yet.
  void start() {
    heard_ = 0;
    waits_for(std::nullopt);
    missing({});
  }
  /// A transaction ends there that has something for the log. Said before it is heard.
  void logged(Lsn end) { logged_ = end; }
  /// All that ends before it was sent to us, and passed on.
  void heard(Lsn end) { heard_ = end; }
  /// As Source::read_up_to().
  state::SourcePosition read_up_to(const state::SourcePosition& logged) const {
    const Lsn heard = heard_;
    if (logged.commit < logged_) return logged;
    return std::max(logged, ends_at(heard));
  }

  void waits_for(std::optional<Snapshots::Wait> wait) {
    std::lock_guard lock(mutex_);
    wait_ = std::move(wait);
  }
  std::optional<Snapshots::Wait> waits_for() const {
    std::lock_guard lock(mutex_);
    return wait_;
  }

  /// Tables that were captured and are not there any more.
  void missing(std::vector<std::string> tables) {
    std::lock_guard lock(mutex_);
    missing_ = std::move(tables);
  }
  std::vector<std::string> missing() const {
    std::lock_guard lock(mutex_);
    return missing_;
  }

 private:
  std::atomic<Lsn> heard_{0};
  std::atomic<Lsn> logged_{0};
  mutable std::mutex mutex_;
  std::optional<Snapshots::Wait> wait_;  // guarded by mutex_
  std::vector<std::string> missing_;     // guarded by mutex_
};

}  // namespace tandem::capture::postgres
