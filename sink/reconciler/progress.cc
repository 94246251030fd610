#include "sink/reconciler/progress.h"

#include <algorithm>
#include <utility>

namespace tandem::sink {

Progress::Progress(ReplicaView& view, state::Ledger& ledger, const DirtyQueue& queue,
                   const Quarantine& quarantine, const Flights& flights,
                   const Expansions& expansions, const Intake& intake, const ItemCounts& counts,
                   std::function<std::optional<state::Version>()> began_at)
    : view_(view),
      ledger_(ledger),
      queue_(queue),
      quarantine_(quarantine),
      flights_(flights),
      expansions_(expansions),
      intake_(intake),
      counts_(counts),
      began_at_(std::move(began_at)) {}

bool Progress::may_write() const {
  if (view_.version() < ledger_.newest_version()) return false;
  if (!began_at_) return true;
  const std::optional<state::Version> began = began_at_();
  return began && view_.version() >= *began;
}

bool Progress::any_resting() const {
  return std::any_of(view_.documents().begin(), view_.documents().end(),
                     [](const ViewDocument& document) { return !document.ready(); });
}

bool Progress::idle() const {
  return may_write() && queue_.size() == 0 && flights_.size() == 0 && expansions_.empty() &&
         intake_.drained() && !any_resting();
}

// Everything before this offset is at the target: what is not in memory was drained up to some
// offset of the replica, and what is in memory knows its cause.
state::Offset Progress::applied() {
  if (!may_write() || any_resting()) return 0;
  if (intake_.drained()) drained_at_ = view_.version().offset;
  state::Offset bound = drained_at_;
  for (std::optional<state::Offset> oldest : {queue_.oldest(), expansions_.oldest()}) {
    if (oldest) bound = std::min(bound, *oldest - 1);
  }
  return bound;
}

ReconcilerStatus Progress::status() {
  ReconcilerStatus status;
  status.idle = idle();
  applied_.epoch = view_.version().epoch;
  applied_.offset = std::max(applied_.offset, applied());
  status.applied = applied_;
  status.dirty = static_cast<std::int64_t>(queue_.size());
  status.built = built;
  status.unchanged = unchanged;
  status.written = flights_.written();
  status.deleted = flights_.deleted();
  status.dead_letters = quarantine_.count();
  for (std::size_t i = 0; i < view_.documents().size(); ++i) {
    const ViewDocument& document = view_.documents()[i];
    if (!document.declared()) continue;
    status.documents.push_back({document.name, document.resting, counts_.of(i),
                                quarantine_.count(document.name),
                                expansions_.progress(static_cast<int>(i))});
  }
  return status;
}

}  // namespace tandem::sink
