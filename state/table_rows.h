// The rows of one table of the replica: prepared statements to find, write, delete and compare
// them.
//
// One thread, inside the fold's transaction. Statements must be gone before the table's columns
// change.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/record.h"
#include "state/replica.h"
#include "state/sqlite.h"
#include "state/storage_affinity.h"

namespace tandem::state {

class TableRows {
 public:
  TableRows(Database& database, TableSchema schema);

  const TableSchema& schema() const { return schema_; }
  std::optional<Row> find(const Row& key);
  /// Precondition: there is no row with this key.
  void insert(const Row& row);
  /// Precondition: `before` is the row that is there, and `after` has its key, maybe spelled
  /// differently. Writes the columns that differ.
  void replace(const Row& before, const Row& after);
  void remove(const Row& key);

  /// Told of a row before and after it is written; null: there is none.
  using Changed = std::function<void(const Row* before, const Row* after, bool applied)>;
  /// Makes the range (from, to] hold exactly `rows` (in key order), rows with a `touched` key
  /// aside. Returns how many rows differed. Rows that are equal are not written.
  std::int64_t make_exact(const Chunk& chunk, const Changed& changed);
  /// Inserts or updates the chunk's rows, in any order, those with a `touched` key aside, and
  /// leaves all others. `new_rows`: most of them are not there yet. Returns how many differed.
  std::int64_t put(const Chunk& chunk, bool new_rows, const Changed& changed);
  /// Returns 1 if there was a row with this key.
  std::int64_t remove_if_there(const Row& key, const Changed& changed);

 private:
  void prepare();
  bool keeps_value(int column, const Value& value) const;
  void loosen(const std::vector<int>& columns);
  void fit(const Row& row);
  void fit_key(const Row& key);
  Statement& update_of(const std::vector<bool>& changed);
  Statement& bind_range(const Row& from, const Row& to);
  bool same_row(const Statement& row, const Row& expected) const;
  std::int64_t put_row(const Row& row, bool new_row, const Changed& changed);
  std::int64_t put_changed(const Row& before, const Row& after, const Changed& changed);
  std::int64_t merge_rest(const Chunk& chunk, std::size_t first, const Row& from,
                          const Changed& changed);

  Database& database_;
  const TableSchema schema_;
  TableSchema stored_;  // without the types that would have altered a value
  std::vector<StorageAffinity> affinities_;
  int rowid_ = -1;  // the column that is the table's rowid
  std::string same_key_;
  Statement find_, insert_, insert_new_, respell_, remove_;
  Statement range_all_, range_after_, range_until_, range_between_;
  std::map<std::vector<bool>, Statement> updates_;
};

}  // namespace tandem::state
