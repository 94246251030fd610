// Which tables may still be loaded by unconditional writes: those that init has just made, until
// every document of the table has been through its first full pass, and never again.
//
// Even then only a key that the ledger has never seen is written without a condition. Kept in the
// ledger, so that a restart goes on in the same way: a table that has been emptied since is not
// taken for a new one. One thread.
#pragma once

#include <string>
#include <vector>

#include "sink/reconciler/expansions.h"
#include "sink/reconciler/replica_view.h"
#include "state/ledger.h"

namespace tandem::sink {

class FirstLoads {
 public:
  /// `made`: the tables that init made just now. `occupied`: those in which something stands.
  FirstLoads(ReplicaView& view, state::Ledger& ledger, const std::vector<std::string>& made,
             const std::vector<std::string>& occupied);

  bool unconditional(std::size_t table) const { return open_[table]; }
  /// Ends the first load of tables whose documents are all loaded; in an open transaction.
  void record(Expansions& expansions);
  /// Others may have written into the tables: ends the first loads of all; in an open transaction.
  void end_all();

 private:
  void end(std::size_t table);

  ReplicaView& view_;
  state::Ledger& ledger_;
  std::vector<bool> open_;
};

}  // namespace tandem::sink
