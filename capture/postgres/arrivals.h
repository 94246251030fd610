// Which rows came to which keys in the transaction that is streamed: where a key is deferrable,
// rows may share it until the transaction ends, and a change must then say which of them it means.
//
// The stream names the whole row before a change there (REPLICA IDENTITY FULL), so a row is known
// again by a hash of its values. Only rows that came to their keys in this transaction are kept,
// not those that stood there before it. One thread. No errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "state/schema.h"
#include "state/value.h"

namespace tandem::capture::postgres {

class Arrivals {
 public:
  /// Beyond so many keys in one transaction no more is told of it; some 100 bytes each.
  static constexpr std::size_t kMostKeys = 300'000;
  explicit Arrivals(std::size_t most_keys = kMostKeys) : most_keys_(most_keys) {}

  /// A transaction begins.
  void begin();
  /// The table was emptied.
  void forget(const state::TableSchema& table);

  /// Each returns what state::Change::above is to say. Rows are whole, and none is empty.
  std::optional<std::uint32_t> inserted(const state::TableSchema& table, const state::Row& row);
  std::optional<std::uint32_t> updated(const state::TableSchema& table, const state::Row& before,
                                       const state::Row& after);
  std::optional<std::uint32_t> deleted(const state::TableSchema& table, const state::Row& before);

  /// The tables of this transaction of which it could not all be told: a change may have been taken
  /// for another row's.
  const std::set<std::string>& untold() const { return untold_; }

 private:
  struct Hash {
    std::uint64_t low, high;
    friend bool operator==(const Hash&, const Hash&) = default;
  };
  struct HashOfHash {
    std::size_t operator()(const Hash& hash) const { return hash.low; }
  };
  using Rows = std::vector<Hash>;                           // in the order in which they came
  using Keys = std::unordered_map<Hash, Rows, HashOfHash>;  // by key_identity
  /// Where a row stands among those that came to its key.
  struct Place {
    Rows* rows;
    std::optional<std::size_t> index;  // of rows; nothing: it was there before all of them
    std::uint32_t above;
  };

  static Hash hash(const std::string& bytes);
  static Hash key_of(const state::TableSchema& table, const state::Row& row);
  bool arrive(const state::TableSchema& table, const Hash& key, const Hash& row);
  std::optional<Place> find(const state::TableSchema& table, const Hash& key, const Hash& row);
  static void leave(const Place& place);
  static std::optional<std::uint32_t> above(const std::optional<Place>& place);

  const std::size_t most_keys_;
  std::size_t keys_ = 0;
  std::unordered_map<std::string, Keys> tables_;
  std::set<std::string> full_;    // tables whose rows are not kept any more
  std::set<std::string> untold_;  // those of full_ where rows changed or left
};

}  // namespace tandem::capture::postgres
