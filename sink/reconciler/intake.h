// Where single dirty documents come from: the replica's marks, and the items that the ledger does
// not know (on their way when a process died, or under repair).
//
// Both are read in pages as there is room in the queue. Marks of a document that rests are passed
// over; when it may be built again everything is read once more, and what is settled is skipped.
// One thread.
#pragma once

#include <string>
#include <vector>

#include "sink/reconciler/dirty_queue.h"
#include "sink/reconciler/ledger_walk.h"
#include "sink/reconciler/replica_view.h"
#include "state/ledger.h"

namespace tandem::sink {

class Intake {
 public:
  Intake(ReplicaView& view, state::Ledger& ledger, DirtyQueue& queue);

  /// Reads until the queue holds about `limit` documents or nothing is left to read.
  void refill(std::size_t limit);
  /// Everything is read again from the start.
  void rescan();
  /// Settles the marks that nobody will build, in the ledger's open transaction.
  void record();
  /// Forgets settled numbers of marks that the replica has swept, in the ledger's open transaction.
  void forget_swept();

  /// All marks that the view shows have been read, and all unknown items.
  bool drained() const { return drained_ && unknown_.done(); }

 private:
  void read_mark(const state::Mark& mark);

  ReplicaView& view_;
  state::Ledger& ledger_;
  DirtyQueue& queue_;
  state::MarkNumber cursor_ = 0;
  state::MarkNumber maybe_settled_;  // numbers up to here may be settled already
  state::MarkNumber forgotten_ = 0;
  bool drained_ = false;
  LedgerWalk unknown_;
  std::vector<state::Mark> unwanted_;
};

}  // namespace tandem::sink
