// What a run of changes to one table comes to: the last change of each key.
//
// Rows are kept encoded, so that a run of 100,000 changes takes a fraction of the memory that its
// records take, and one of a few hot rows next to none. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "state/record.h"

namespace tandem::state {

/// The last change of one key.
struct NetChange {
  Row key;  // as last spelled
  bool gone = false;
  std::string after;  // encode_row of the row, unless it is gone
};

class NetChanges {
 public:
  /// Finds the row with this key as it was before the run.
  using Find = std::function<std::optional<Row>(const Row& key)>;

  explicit NetChanges(TableSchema schema) : schema_(std::move(schema)) {}

  /// Adds a change of a row (not a truncation) behind those that are there. A row that comes to an
  /// occupied key stands above the occupant until the transaction ends, by when all but one have
  /// left. Which of them a change means is told by Change::above; where it is not, the one that was
  /// there first. An unchanged value that no row before it gives is null; false is returned then,
  /// and the table is not whole until a chunk or a later change has brought the value.
  bool add(const Change& change, const Find& find);
  /// No rows share a key: a transaction begins, or the table was emptied.
  void leave_topmost() { beneath_.clear(); }

  /// The changes in a good order to write them. They stay until clear().
  std::vector<const NetChange*> in_key_order() const;
  /// Forgets the changes, but not which rows share a key.
  void clear();
  bool empty() const { return changes_.empty(); }
  /// About the memory that the changes take.
  std::size_t bytes() const { return bytes_; }

 private:
  /// Which row on the key is meant: an index into beneath_, or nothing: the topmost.
  std::optional<std::size_t> place_of(const std::string& identity,
                                      const std::optional<std::uint32_t>& above) const;
  std::optional<Row> depart(std::string identity, const Change& change, bool wanted,
                            const Find& find);
  void arrive(const std::string& identity, const Row& key, const Find& find);
  bool change_beneath(const std::string& identity, std::size_t place, const Row& after);
  void set(std::string identity, NetChange change);
  std::optional<Row> current(const std::string& identity, const Row& key, const Find& find) const;
  static Row filled(const Row& after, const Row* before);

  const TableSchema schema_;
  std::unordered_map<std::string, NetChange> changes_;  // by key_identity
  /// By key_identity: the rows that stand beneath the topmost, the first to be there at the front.
  std::unordered_map<std::string, std::vector<Row>> beneath_;
  std::size_t bytes_ = 0;
};

}  // namespace tandem::state
