// What Tandem keeps in a source database: three tables and the triggers on captured tables.
//
//   _tandem_log    (seq INTEGER PRIMARY KEY, t, k1, k2, ...)   which row of which table was touched
//   _tandem_tables (number INTEGER PRIMARY KEY, name, key)     which table a number means
//   _tandem_owner  (id INTEGER PRIMARY KEY, log_identity, epoch, pruned, since)   see owner.h
//
// A number stands for one unbroken run of a table's triggers: whoever finds them missing or too
// weak makes them anew under a new number, and whoever knows the table by its old number reads it
// again. So it does not matter which process repaired them.
//
// Threads: none of its own. Errors: Error when the file cannot be written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "capture/sqlite/catalog.h"
#include "state/sqlite.h"

namespace tandem::capture {

/// A configured table as the file has it at this moment.
struct CapturedTable {
  TableRequest request;
  std::optional<TableShape> shape;  // nothing: there is no such table
  std::int64_t number = 0;          // 0: never had triggers
  enum class Triggers {
    kIntact,
    kStale,  // enough is logged, but their text is not the wanted one
    kBroken  // changes may have gone unlogged
  } triggers = Triggers::kBroken;

  bool usable() const { return shape.has_value() && shape->refusal.empty(); }
};

struct Installation {
  bool tables_exist = false;
  int key_columns = 0;  // how many k columns _tandem_log has
  std::vector<CapturedTable> captured;
  std::vector<std::string> surplus;  // triggers of ours that nothing wants

  bool complete() const;
};

/// Compares what is there with what is wanted. Reads only; inside the caller's transaction.
Installation read_installation(state::Database& database,
                               const std::vector<TableRequest>& requests);

/// Makes what is missing, in the caller's write transaction. Tables that cannot be captured are
/// left out.
void make_installation(state::Database& database, const std::vector<TableRequest>& requests);

/// Removes everything of Tandem's, in the caller's write transaction.
void remove_installation(state::Database& database);

}  // namespace tandem::capture
