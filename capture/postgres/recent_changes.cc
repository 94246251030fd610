#include "capture/postgres/recent_changes.h"

#include <algorithm>
#include <utility>

namespace tandem::capture::postgres {
namespace {

std::size_t bytes_of(const state::Row& key) {
  std::size_t bytes = key.capacity() * sizeof(state::Value);
  for (const state::Value& value : key) bytes += value.bytes().size();
  return bytes;
}

}  // namespace

void RecentChanges::begin(std::uint32_t xid) {
  xid_ = xid;
  open_ = false;
}

RecentChanges::Table& RecentChanges::present(const std::string& table) {
  if (!open_) transactions_.push_back({xid_, {}});
  open_ = true;
  return transactions_.back().tables[table];
}

void RecentChanges::add(const std::string& table, Change change) {
  Table& touched = present(table);
  if (touched.whole) return;
  const std::size_t bytes = sizeof(Change) + bytes_of(change.before) + bytes_of(change.after) +
                            change.unchanged.capacity() * sizeof(int);
  if (touched.bytes + bytes > most_bytes_ / 2 || bytes_ + bytes > most_bytes_) {
    whole_table(table);
    return;
  }
  touched.bytes += bytes;
  bytes_ += bytes;
  touched.changes.push_back(std::move(change));
}

void RecentChanges::change(const std::string& table, const state::Row& key_before,
                           const state::Row& key_after, std::vector<int> unchanged) {
  add(table, {key_before, key_after, std::move(unchanged)});
}

void RecentChanges::doubt(const std::string& table, const state::Row& key) {
  add(table, {key, key, {}, true});
}

void RecentChanges::whole_table(const std::string& table) {
  Table& touched = present(table);
  bytes_ -= touched.bytes;
  touched = {{}, 0, true};
}

void RecentChanges::forget(
    const std::function<bool(const std::string& table, std::uint32_t xid)>& seen) {
  std::erase_if(transactions_, [&](Transaction& transaction) {
    std::erase_if(transaction.tables, [&](const auto& each) {
      if (!seen(each.first, transaction.xid)) return false;
      bytes_ -= each.second.bytes;
      return true;
    });
    return transaction.tables.empty();
  });
  open_ = open_ && !transactions_.empty() && transactions_.back().xid == xid_;
}

void RecentChanges::forget_all() {
  transactions_.clear();
  open_ = false;
  bytes_ = 0;
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
