// The rows of one table of the replica: prepared statements to find, write, delete and compare
// them.
//
// One thread, inside the fold's transaction. Statements must be gone before the table's columns
// change.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/record.h"
#include "state/replica.h"
#include "state/sqlite.h"

namespace tandem::state {

/// Equal if and only if the replica's table takes the two keys for one: collations and numbers
/// folded away. Order-free; for maps.
std::string key_identity(const TableSchema& schema, const Row& key);
/// The order in which rows are best written: numbers before text before blobs, each by value.
bool key_before(const Row& a, const Row& b);

class TableRows {
 public:
  TableRows(Database& database, TableSchema schema);

  const TableSchema& schema() const { return schema_; }
  std::optional<Row> find(const Row& key);
  /// Writes the row over one with the same key, if there is one.
  void put(const Row& row);
  void remove(const Row& key);
  void remove_all();

  /// Told of a row before and after it is written; null: there is none.
  using Changed = std::function<void(const Row* before, const Row* after, bool applied)>;
  /// Makes the range (from, to] hold exactly `rows` (in key order), rows with a `touched` key
  /// aside. Returns how many rows differed. Rows that are equal are not written.
  std::int64_t make_exact(const Chunk& chunk, const Changed& changed);

 private:
  Statement& bind_range(const Row& from, const Row& to);
  bool same_row(const Statement& row, const Row& expected) const;
  std::int64_t put_changed(const Row& before, const Row& after, const Changed& changed);
  std::int64_t merge_rest(const Chunk& chunk, std::size_t first, const Row& from,
                          const Changed& changed);

  Database& database_;
  const TableSchema schema_;
  Statement find_, put_, remove_;
  Statement range_all_, range_after_, range_until_, range_between_;
};

}  // namespace tandem::state
