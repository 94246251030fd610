// How far the reconciler is: what is applied, whether it is idle, and the counts for people. One
// thread, which publishes them on the status board.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "sink/reconciler.h"
#include "sink/reconciler/expansions.h"
#include "sink/reconciler/flights.h"
#include "sink/reconciler/intake.h"
#include "sink/reconciler/item_counts.h"
#include "sink/reconciler/quarantine.h"
#include "sink/reconciler/replica_view.h"

namespace tandem::sink {

class Progress {
 public:
  Progress(ReplicaView& view, state::Ledger& ledger, const DirtyQueue& queue,
           const Quarantine& quarantine, const Flights& flights, const Expansions& expansions,
           const Intake& intake, const ItemCounts& counts,
           std::function<std::optional<state::Version>()> began_at);

  /// Whether the replica is as new as anything that was written from it before (it may have been
  /// rebuilt and be behind), and holds what this run's epoch began with (another agent may have
  /// written meanwhile). Nothing may be built from it otherwise.
  bool may_write() const;
  /// Nothing is dirty and nothing on its way at the replica's newest offset.
  bool idle() const;
  ReconcilerStatus status();

  std::int64_t built = 0, unchanged = 0;

 private:
  bool any_resting() const;
  state::Offset applied();

  ReplicaView& view_;
  state::Ledger& ledger_;
  const DirtyQueue& queue_;
  const Quarantine& quarantine_;
  const Flights& flights_;
  const Expansions& expansions_;
  const Intake& intake_;
  const ItemCounts& counts_;
  const std::function<std::optional<state::Version>()> began_at_;  // as in ReconcilerOptions
  state::Version applied_;
  state::Offset drained_at_ = 0;  // all marks of the replica up to here have been read
};

}  // namespace tandem::sink
