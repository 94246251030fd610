// What a log may hold in which order (record.h), checked before it is written.
//
// One thread. Errors: a batch that breaks the grammar, which is a fault of ours.
#pragma once

#include <string>

#include "state/record.h"

namespace tandem::state {

class LogGrammar {
 public:
  /// Throws Error if the batch cannot follow what was written. `where` names the log.
  void check(const Batch& batch, const std::string& where) const;
  /// The batch was written.
  void wrote(const Batch& batch);
  /// An Epoch was written.
  void claimed() { inside_ = false; }

 private:
  bool inside_ = false;  // a transaction has begun and not ended
};

/// Whether the record can say where capture stands: a checkpoint, or that none counts any more.
bool is_tail_record(const Record& record);

}  // namespace tandem::state
