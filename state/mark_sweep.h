// Removes marks of the replica that the ledger has as settled, and wide marks that it has as
// expanded to their end.
//
// A mark goes only when the ledger's word for it is on disk; a mark made anew since then has a
// higher number and stays. A call looks at a bounded number of settled marks, in the order of their
// numbers, and begins again when it is through; while the ledger does not change there is nothing
// to do. One thread, that of the Replica.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "state/replica.h"
#include "state/sqlite.h"
#include "state/write_ahead_log.h"

namespace tandem::state {

class MarkSweep {
 public:
  explicit MarkSweep(Database& replica);

  /// In a transaction of its own. Returns how many marks are gone. No ledger: none.
  std::int64_t sweep(const std::string& ledger_path);

 private:
  struct Settled {
    std::string document;
    std::int64_t path = 0;  // of a wide mark
    std::string key;        // the root, or a wide mark's values
    MarkNumber number = 0;
  };
  bool open_ledger(const std::string& path);
  std::vector<Settled> next_settled();
  std::vector<Settled> expanded();

  Database& replica_;
  Statement remove_, remove_wide_;
  Database ledger_;
  std::optional<WriteAheadLog> ledger_log_;
  MarkNumber swept_ = 0;  // settled numbers up to here were looked at
  std::optional<std::int64_t>
      looked_all_;  // the ledger's data version that was looked at to its end
};

}  // namespace tandem::state
