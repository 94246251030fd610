// What the stream did lately: for the chunks of snapshots, whose own view of the server may be
// older than what was streamed before they are published.
//
// While tables are being read, each streamed transaction is remembered until a newer view of the
// server sees it. One thread. No errors.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "capture/postgres/visibility.h"
#include "state/record.h"

namespace tandem::capture::postgres {

class RecentChanges {
 public:
  void begin(std::uint32_t xid);
  /// A row was changed; an empty key: it was not there before, or not after. `unchanged` are the
  /// columns whose values neither the change nor the row before told.
  void change(const std::string& table, const state::Row& key_before, const state::Row& key_after,
              std::vector<int> unchanged);
  /// What stands under the key is not known: it is to be read by itself.
  void doubt(const std::string& table, const state::Row& key);
  /// The whole table changed (emptied, other columns): no older view of it can be used.
  void whole_table(const std::string& table);

  /// Forgets what all of these views see, as later ones will.
  void forget(const std::vector<const Visibility*>& views);
  void forget_all();

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
    bool whole = false;
  };
  struct Transaction {
    std::uint32_t xid = 0;
    std::map<std::string, Table> tables;
  };
  static void move(const Change& change, Unseen& unseen);

  std::deque<Transaction> transactions_;
  std::size_t keys_ = 0;  // remembered in all
};

}  // namespace tandem::capture::postgres
