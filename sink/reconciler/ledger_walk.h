// A walk over the ledger's items of all target tables, page by page in the order of table and key.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "sink/target.h"
#include "state/ledger.h"

namespace tandem::sink {

class LedgerWalk {
 public:
  /// The items of `table` after `key`, at most `limit`.
  using Page = std::function<std::vector<state::LedgerItem>(
      const std::string& table, const std::string& key, std::size_t limit)>;

  LedgerWalk(std::vector<std::string> tables, Page page)
      : tables_(std::move(tables)), page_(std::move(page)) {}

  bool done() const { return table_ == tables_.size(); }
  void restart() {
    table_ = 0;
    key_.clear();
  }

  /// The next items; may be empty before the walk is done.
  std::vector<state::LedgerItem> next(std::size_t limit) {
    std::vector<state::LedgerItem> items = page_(tables_[table_], key_, limit);
    if (items.size() < limit) {
      ++table_;
      key_.clear();
    } else {
      key_ = items.back().key;
    }
    return items;
  }

 private:
  std::vector<std::string> tables_;
  Page page_;
  std::size_t table_ = 0;
  std::string key_;
};

}  // namespace tandem::sink
