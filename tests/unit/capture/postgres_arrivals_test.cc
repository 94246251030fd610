// Rows that share a key within a transaction: what capture tells of them, and that the fold of it
// is what the source has when the transaction has ended.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "capture/postgres/arrivals.h"
#include "state/net_changes.h"

namespace tandem::capture::postgres {
namespace {

using state::Op;
using state::Row;
using state::Value;

state::TableSchema table() {
  state::TableSchema table;
  table.name = "t";
  table.columns.resize(2);
  table.columns[0].name = "id";
  table.columns[1].name = "n";
  table.key = {0};
  return table;
}

Row row(std::int64_t id, std::int64_t n) { return {Value::integer(id), Value::integer(n)}; }

TEST(Arrivals, NothingIsToldWhileNoRowCameToTheKey) {
  Arrivals arrivals;
  arrivals.begin();
  EXPECT_EQ(arrivals.updated(table(), row(1, 1), row(1, 2)), std::nullopt);
  EXPECT_EQ(arrivals.updated(table(), row(1, 2), row(2, 2)), std::nullopt);
  EXPECT_EQ(arrivals.deleted(table(), row(3, 3)), std::nullopt);
}

TEST(Arrivals, TellsTheRowThatCameFromTheOneThatWasThere) {
  Arrivals arrivals;
  arrivals.begin();
  arrivals.updated(table(), row(1, 10), row(2, 10));
  EXPECT_EQ(arrivals.updated(table(), row(2, 20), row(2, 21)), 1);
  EXPECT_EQ(arrivals.updated(table(), row(2, 10), row(2, 11)), 0);
  EXPECT_EQ(arrivals.inserted(table(), row(2, 30)), 0);
  EXPECT_EQ(arrivals.deleted(table(), row(2, 11)), 1);
  EXPECT_EQ(arrivals.updated(table(), row(2, 30), row(4, 30)), 0);
  EXPECT_EQ(arrivals.deleted(table(), row(2, 21)), 0);
  EXPECT_TRUE(arrivals.untold().empty());
}

TEST(Arrivals, ForgetsThemWithTheTransactionAndTheTable) {
  Arrivals arrivals;
  arrivals.begin();
  arrivals.inserted(table(), row(1, 1));
  arrivals.forget(table());
  EXPECT_EQ(arrivals.deleted(table(), row(1, 2)), std::nullopt);
  arrivals.inserted(table(), row(1, 1));
  arrivals.begin();
  EXPECT_EQ(arrivals.deleted(table(), row(1, 2)), std::nullopt);
}

TEST(Arrivals, SaysOfWhichTablesItCouldNotTellAll) {
  Arrivals arrivals(3);
  arrivals.begin();
  for (int i = 0; i < 5; ++i) arrivals.inserted(table(), row(i, i));
  EXPECT_TRUE(arrivals.untold().empty()) << "rows that are only added share no keys";
  EXPECT_EQ(arrivals.updated(table(), row(1, 1), row(2, 1)), std::nullopt);
  EXPECT_EQ(arrivals.untold(), std::set<std::string>{"t"});
  arrivals.begin();
  EXPECT_TRUE(arrivals.untold().empty());
  EXPECT_EQ(arrivals.inserted(table(), row(1, 1)), 0);
}

// A table whose key is checked when a transaction ends, and the replica of it.
class SharedKeys {
 public:
  explicit SharedKeys(std::uint32_t seed) : random_(seed) {}

  void transaction() {
    arrivals_.begin();
    changes_.leave_topmost();
    const int steps = 1 + below(30);
    for (int i = 0; i < steps; ++i) step();
    for (std::size_t i = 0; i < rows_.size();) {
      const bool shared = std::count_if(rows_.begin(), rows_.end(), [&](const auto& each) {
                            return each.first == rows_[i].first;
                          }) > 1;
      if (!shared) {
        ++i;
      } else if (below(3) == 0) {
        remove(i);
        i = 0;
      } else {
        // Soon there is room.
        move(i, below(40));
        i = 0;
      }
    }
    if (below(3) == 0) write();
  }

  std::map<std::int64_t, std::int64_t> source() const { return {rows_.begin(), rows_.end()}; }
  std::map<std::int64_t, std::int64_t> replica() {
    write();
    return replica_;
  }

 private:
  using Pair = std::pair<std::int64_t, std::int64_t>;
  int below(int limit) { return static_cast<int>(random_() % static_cast<std::uint32_t>(limit)); }

  void step() {
    if (below(20) == 0) write();  // as within a transaction that is larger than memory
    if (rows_.empty() || below(4) == 0) {
      rows_.push_back({below(8), next_++});
      tell(Op::kCreate, nullptr, &rows_.back());
      return;
    }
    const auto i = static_cast<std::size_t>(below(static_cast<int>(rows_.size())));
    if (below(5) == 0) {
      remove(i);
    } else if (below(4) == 0) {
      const Pair before = rows_[i];
      rows_[i].second = next_++;
      tell(Op::kUpdate, &before, &rows_[i]);
    } else {
      move(i, below(8));
    }
  }

  void remove(std::size_t i) {
    const Pair before = rows_[i];
    rows_.erase(rows_.begin() + static_cast<std::ptrdiff_t>(i));
    tell(Op::kDelete, &before, nullptr);
  }

  void move(std::size_t i, int to) {
    const Pair before = rows_[i];
    rows_[i].first = to;
    tell(Op::kUpdate, &before, &rows_[i]);
  }

  void tell(Op op, const Pair* before, const Pair* after) {
    state::Change change;
    change.op = op;
    const Row old = before != nullptr ? row(before->first, before->second) : Row{};
    if (after != nullptr) change.after = row(after->first, after->second);
    if (op == Op::kCreate) {
      change.above = arrivals_.inserted(table(), change.after);
    } else if (op == Op::kDelete) {
      change.above = arrivals_.deleted(table(), old);
      change.key_before = {old[0]};
    } else {
      change.above = arrivals_.updated(table(), old, change.after);
      if (old[0] != change.after[0]) change.key_before = {old[0]};
    }
    EXPECT_TRUE(changes_.add(change, [&](const Row& key) -> std::optional<Row> {
      auto found = replica_.find(key[0].as_integer());
      if (found == replica_.end()) return std::nullopt;
      return row(found->first, found->second);
    }));
  }

  void write() {
    for (const state::NetChange* net : changes_.in_key_order()) {
      const std::int64_t id = net->key[0].as_integer();
      replica_.erase(id);
      if (!net->gone) replica_[id] = state::decode_row(net->after)[1].as_integer();
    }
    changes_.clear();
  }

  std::mt19937 random_;
  std::vector<Pair> rows_;  // as the source has them, within a transaction too
  std::int64_t next_ = 1;
  Arrivals arrivals_;
  state::NetChanges changes_{table()};
  std::map<std::int64_t, std::int64_t> replica_;
};

TEST(ArrivalsProperty, TheFoldHasWhatTheSourceHasAfterEachTransaction) {
  const std::uint32_t seed = std::random_device{}();
  for (std::uint32_t history = 0; history < 300; ++history) {
    SCOPED_TRACE("seed " + std::to_string(seed + history));
    SharedKeys keys(seed + history);
    for (int i = 0; i < 40; ++i) {
      keys.transaction();
      if (i % 7 == 0) {
        ASSERT_EQ(keys.replica(), keys.source());
      }
    }
    ASSERT_EQ(keys.replica(), keys.source());
  }
}

}  // namespace
}  // namespace tandem::capture::postgres
