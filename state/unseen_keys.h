// The keys of a table's rows that a snapshot has not come across, for tables whose keys the replica
// orders otherwise than the source.
//
// Such a table's chunk is no range of the replica, so a chunk can't tell which rows have gone. The
// whole snapshot can: of the rows that were there when it began, those that no chunk and no change
// has named since. One thread, inside the fold's transaction.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_set>
#include <vector>

#include "state/schema.h"
#include "state/sqlite.h"

namespace tandem::state {

class UnseenKeys {
 public:
  explicit UnseenKeys(Database& database);

  /// Reads again what the file holds; after a rollback.
  void reload();
  /// The keys of all rows that the replica has of the table, instead of those kept before.
  void fill(const TableSchema& schema);
  bool empty(const std::string& table) const { return !tables_.contains(table); }
  /// The key is accounted for. Free of cost for a table that has none.
  void take_out(const TableSchema& schema, const Row& key);
  /// Some of the table's keys, at most `limit`, which are taken out; empty: there are no more.
  std::vector<Row> take_some(const std::string& table, std::size_t limit);
  void clear(const std::string& table);
  void clear();

 private:
  Database& database_;
  Statement insert_, remove_, some_, clear_;
  std::unordered_set<std::string> tables_;  // that may have keys here
};

}  // namespace tandem::state
