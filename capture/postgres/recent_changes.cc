#include "capture/postgres/recent_changes.h"

#include <algorithm>
#include <utility>

namespace tandem::capture::postgres {
namespace {

// Beyond so many keys, in one transaction and table or in all, the table counts as changed as a
// whole: it is read again when the transaction is seen, which bounds the memory.
constexpr std::size_t kKeysOfOne = 200'000, kKeysInAll = 500'000;

}  // namespace

void RecentChanges::begin(std::uint32_t xid) { transactions_.push_back({xid, {}}); }

void RecentChanges::change(const std::string& table, const state::Row& key_before,
                           const state::Row& key_after, std::vector<int> unchanged) {
  Table& touched = transactions_.back().tables[table];
  if (touched.whole) return;
  if (touched.changes.size() >= kKeysOfOne || keys_ >= kKeysInAll) {
    whole_table(table);
    return;
  }
  ++keys_;
  touched.changes.push_back({key_before, key_after, std::move(unchanged)});
}

void RecentChanges::doubt(const std::string& table, const state::Row& key) {
  Table& touched = transactions_.back().tables[table];
  if (touched.whole) return;
  ++keys_;
  touched.changes.push_back({key, key, {}, true});
}

void RecentChanges::whole_table(const std::string& table) {
  Table& touched = transactions_.back().tables[table];
  touched.whole = true;
  keys_ -= touched.changes.size();
  touched.changes.clear();
  touched.changes.shrink_to_fit();
}

void RecentChanges::forget(const std::vector<const Visibility*>& views) {
  std::erase_if(transactions_, [&](const Transaction& transaction) {
    const bool seen = std::all_of(views.begin(), views.end(), [&](const Visibility* view) {
      return view->sees(transaction.xid);
    });
    if (!seen) return false;
    for (const auto& [name, table] : transaction.tables) keys_ -= table.changes.size();
    return true;
  });
}

void RecentChanges::forget_all() {
  transactions_.clear();
  keys_ = 0;
}

void RecentChanges::move(const Change& change, Unseen& unseen) {
  for (const state::Row* end : {&change.before, &change.after}) {
    if (end->empty()) continue;
    Unseen::Key& key = unseen.keys[state::encode_row(*end)];
    key.key = *end;
    key.unchanged.clear();
  }
  if (change.after.empty()) return;
  unseen.keys[state::encode_row(change.after)].unknown = !change.unchanged.empty();
}

RecentChanges::Unseen RecentChanges::unseen(const std::string& table,
                                            const Visibility& view) const {
  Unseen unseen;
  for (const Transaction& transaction : transactions_) {
    auto found = transaction.tables.find(table);
    if (found == transaction.tables.end() || view.sees(transaction.xid)) continue;
    if (found->second.whole) {
      unseen.whole_table = true;
      unseen.keys.clear();
      return unseen;
    }
    for (const Change& change : found->second.changes) {
      if (change.doubt) {
        unseen.keys[state::encode_row(change.after)] = {change.after, {}, true};
      } else if (change.before == change.after) {
        auto [key, first] = unseen.keys.try_emplace(state::encode_row(change.after));
        if (first) {
          key->second = {change.after, change.unchanged, false};
        } else {
          std::erase_if(key->second.unchanged, [&](int column) {
            return std::find(change.unchanged.begin(), change.unchanged.end(), column) ==
                   change.unchanged.end();
          });
        }
      } else {
        move(change, unseen);
      }
    }
  }
  return unseen;
}

}  // namespace tandem::capture::postgres
