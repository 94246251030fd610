#include "agent/source_watch.h"

#include <utility>

#include "agent/log.h"
#include "state/rest.h"

namespace tandem::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kPause{200};
// Where asking again means to connect again.
constexpr milliseconds kPauseAfterFailure{1000};
constexpr seconds kHealthEvery{5};
constexpr seconds kPatience{10};
// What comes back sooner is the same warning.
constexpr seconds kOver{600};

}  // namespace

void SourceWatch::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    {
      std::lock_guard lock(mutex_);
      asked_ = Clock::now();
    }
    bool answered = true;
    try {
      look(stop);
    } catch (const state::Error&) {
      answered = false;
    }
    {
      std::lock_guard lock(mutex_);
      asked_.reset();
      seen_.reachable = answered;
    }
    state::rest(answered ? kPause : kPauseAfterFailure, stop);
  }
}

void SourceWatch::look(const std::stop_token& stop) {
  const state::SourcePosition newest = source_.newest(milliseconds(250), stop);
  {
    std::lock_guard lock(mutex_);
    seen_.newest = newest;
  }
  if (Clock::now() - health_at_ < kHealthEvery) return;
  health_at_ = Clock::now();
  capture::SourceHealth health = source_.health(stop);
  tell(health);
  std::lock_guard lock(mutex_);
  seen_.health = std::move(health);
}

void SourceWatch::tell(const capture::SourceHealth& health) {
  const auto now = Clock::now();
  for (const capture::Finding& warning : health.warnings) {
    Told& told = told_[warning.subject];
    if (warning.urgency > told.urgency) {
      log_warning(warning.subject + ": " + warning.text + "; " + warning.advice);
      told.urgency = warning.urgency;
    }
    told.last = now;
  }
  for (auto told = told_.begin(); told != told_.end();) {
    if (now - told->second.last < kOver) {
      ++told;
      continue;
    }
    log_info(told->first + ": what was warned of is over");
    told = told_.erase(told);
  }
}

SourceWatch::Seen SourceWatch::seen() const {
  std::lock_guard lock(mutex_);
  Seen seen = seen_;
  if (asked_ && Clock::now() - *asked_ > kPatience) seen.reachable = false;
  return seen;
}

}  // namespace tandem::agent
