// Asks the source beside its capture: how far its commits are, and how it bears being captured.
// Says in the agent's log what is worth a warning: once, and again when it has become worse.
//
// A source that does not answer keeps nobody else waiting. Threads: run() on one, seen() from any.
// No errors: a source that cannot be asked is a value; capture reports why.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "capture/source.h"

namespace tandem::agent {

class SourceWatch {
 public:
  struct Seen {
    std::optional<state::SourcePosition> newest;  // nothing: it has not answered yet
    bool reachable = true;
    capture::SourceHealth health;
  };

  explicit SourceWatch(capture::Source& source) : source_(source) {}
  void run(std::stop_token stop);
  Seen seen() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Told {
    int urgency = 0;
    Clock::time_point last;  // when it was so
  };
  void look(const std::stop_token& stop);
  void tell(const capture::SourceHealth& health);

  capture::Source& source_;

  // Of run()'s thread.
  Clock::time_point health_at_{};
  std::map<std::string, Told> told_;  // warnings that stand, by subject

  mutable std::mutex mutex_;
  Seen seen_;                               // guarded by mutex_
  std::optional<Clock::time_point> asked_;  // since when it has not answered; guarded by mutex_
};

}  // namespace tandem::agent
