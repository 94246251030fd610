// What the stream did lately: for the chunks of snapshots, whose own view of the server may be
// older than what was streamed before they are published.
//
// While a table is being read, each streamed transaction that changes it is remembered until every
// view of the server that may still be asked about sees it. One thread. No errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "capture/postgres/visibility.h"
#include "state/record.h"

namespace tandem::capture::postgres {

class RecentChanges {
 public:
  /// Beyond so many bytes a table counts as changed as a whole, and so it does if one transaction
  /// takes half of them: its chunks are read again when that is seen.
  static constexpr std::size_t kMostBytes = 32U << 20U;
  explicit RecentChanges(std::size_t most_bytes = kMostBytes) : most_bytes_(most_bytes) {}

  /// A transaction begins, which is remembered if it is said to change something.
  void begin(std::uint32_t xid);
  /// A row was changed; an empty key: it was not there before, or not after. `unchanged` are the
  /// columns whose values neither the change nor the row before told.
  void change(const std::string& table, const state::Row& key_before, const state::Row& key_after,
              std::vector<int> unchanged);
  /// What stands under the key is not known: it is to be read by itself.
  void doubt(const std::string& table, const state::Row& key);
  /// The whole table changed (emptied, other columns): no older view of it can be used.
  void whole_table(const std::string& table);

  /// Forgets what these transactions did to these tables.
  void forget(const std::function<bool(const std::string& table, std::uint32_t xid)>& seen);
  void forget_all();
  /// Of transactions that are remembered.
  std::size_t size() const { return transactions_.size(); }
  std::size_t bytes() const { return bytes_; }

  /// What the transactions that the view does not see did to the table.
  struct Unseen {
    bool whole_table = false;
    /// By encode_row of the key, before and after each change.
    struct Key {
      state::Row key;
      /// Each change left the row where it was, and these columns as they were: the view's values
      /// of them still hold.
      std::vector<int> unchanged;
      /// Nobody told all that stands here: doubt(), or a row that came from another key with values
      /// left unchanged.
      bool unknown = false;
    };
    std::unordered_map<std::string, Key> keys;
  };
  Unseen unseen(const std::string& table, const Visibility& view) const;

 private:
  struct Change {
    state::Row before, after;
    std::vector<int> unchanged;
    bool doubt = false;
  };
  struct Table {
    std::vector<Change> changes;
    std::size_t bytes = 0;
    bool whole = false;
  };
  struct Transaction {
    std::uint32_t xid = 0;
    std::map<std::string, Table> tables;
  };
  Table& present(const std::string& table);
  void add(const std::string& table, Change change);
  static void move(const Change& change, Unseen& unseen);

  const std::size_t most_bytes_;
  std::deque<Transaction> transactions_;
  std::uint32_t xid_ = 0;  // of the present transaction
  bool open_ = false;      // it is the last of transactions_
  std::size_t bytes_ = 0;  // of all changes
};

}  // namespace tandem::capture::postgres
