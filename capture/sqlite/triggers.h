// The triggers that log which rows an application touched: keys only, never values.
//
// They write (table number, key) to _tandem_log and nothing else, so an application's statement
// cannot fail because of them: the log has no type and no constraint. The replace triggers also
// read their own table: REPLACE removes the rows it collides with, and with recursive_triggers off
// no delete trigger tells of it. Plain functions, no errors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "capture/sqlite/catalog.h"

namespace tandem::capture {

struct TriggerText {
  std::string name;
  std::string sql;  // exactly as SQLite's catalog will show it
  /// The statements of a replace trigger, one for each unique key; empty for the others. A trigger
  /// that holds more than these logs enough.
  std::vector<std::string> victims;
};

std::vector<TriggerText> triggers_for(const TableShape& shape, std::int64_t number,
                                      bool replace_victims);

/// Columns that the replace triggers name, with the index for whose sake: dropping the index and
/// the column in one transaction fails.
struct NamedColumn {
  std::string column, index;
};
std::vector<NamedColumn> columns_named_by_victims(const TableShape& shape);

/// "k1, k2": the columns of _tandem_log that a key of so many columns takes.
std::string log_key_columns(std::size_t count);

}  // namespace tandem::capture
