// Random histories, folded in random groupings with crashes between and within: the replica is what
// the source was after some transaction, and the same whatever way it was folded.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "random_history.h"
#include "state/error.h"
#include "state/failpoint.h"
#include "state/replica.h"
#include "temporary_directory.h"
#include "tests/unit/sanitizer.h"

namespace tandem::state {
namespace {

using Rows = std::multiset<std::string>;  // encode_row of each

/// Checks that it is told the truth, and marks each row under its table's name.
class CheckingListener : public FoldListener {
 public:
  void tables_changed(Database& replica, const std::unordered_map<std::string, ReplicaTable>&,
                      Marks&) override {
    replica_ = &replica;
  }
  void table_whole(const std::string& table, Marks& marks) override {
    marks.mark_wide(table, 0, {});
  }
  void row_changed(const TableSchema& table, const Row* before, const Row* after, bool applied,
                   Marks& marks) override {
    const Row* there = applied ? after : before;
    ASSERT_NE(there, nullptr);
    std::string where;
    for (int index : table.key) {
      where += (where.empty() ? "" : " AND ") +
               quote_identifier(table.columns[static_cast<std::size_t>(index)].name) + " = ?";
    }
    auto select =
        replica_->prepare("SELECT * FROM " + quote_identifier(table.name) + " WHERE " + where);
    select.bind_row(1, table.key_of(*there));
    ASSERT_TRUE(select.step());
    EXPECT_EQ(select.row(0, select.column_count()), *there);
    if (before != nullptr && after != nullptr) {
      EXPECT_NE(*before, *after);
    }
    for (const Row* row : {before, after}) {
      if (row != nullptr) marks.mark(table.name, encode_row(table.key_of(*row)));
    }
  }

 private:
  Database* replica_ = nullptr;
};

class Folding {
 public:
  Folding(const RandomHistory& history, std::string path, std::uint64_t seed, bool crashes)
      : history_(history), path_(std::move(path)), random_(seed), crashes_(crashes) {
    open();
  }

  void run() {
    while (position_ < history_.log().size()) {
      if (crashes_ && below(25) == 0) open();
      if (crashes_ && below(15) == 0) {
        const char* point = below(2) == 0 ? "fold.commit.before=error" : "fold.commit.after=error";
        ::setenv("TANDEM_FAILPOINTS", point, 1);
      }
      auto batch = take(crashes_ ? 1 + below(20) : 1'000'000);
      bool flush = position_ == history_.log().size() || (crashes_ && below(3) == 0);
      try {
        replica_->fold(batch, flush);
      } catch (const Error&) {
        open();
      }
      ::unsetenv("TANDEM_FAILPOINTS");
      check();
      if (testing::Test::HasFailure()) return;
    }
    replica_->sync();
  }

  std::map<std::string, Rows> all_rows() {
    std::map<std::string, Rows> all;
    ReplicaReader reader(path_);
    for (const auto& [name, table] : reader.tables()) all[name] = rows(reader, table.schema);
    return all;
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  void open() {
    ReplicaOptions options;
    if (crashes_) {
      options.memory_bytes = std::vector<std::size_t>{1, 1'000, 10'000, 1U << 20U}[below(4)];
      options.batch_rows = std::vector<std::size_t>{1, 10, 1'000}[below(3)];
    }
    replica_.reset();
    replica_ = std::make_unique<Replica>(path_, "log", crashes_ ? &listener_ : nullptr, options);
    // Like a reader of the log, which may be asked for what was read before.
    position_ = static_cast<std::size_t>(std::max<Offset>(replica_->position().next - 1, 0));
  }

  std::shared_ptr<const Batch> take(std::size_t most) {
    auto batch = std::make_shared<Batch>();
    batch->tables = history_.names();
    batch->epoch = history_.log()[position_].epoch;
    while (position_ < history_.log().size() && batch->records.size() < most &&
           history_.log()[position_].epoch == batch->epoch) {
      batch->records.push_back(history_.log()[position_].record);
      batch->offsets.push_back(static_cast<Offset>(++position_));
    }
    return batch;
  }

  static Rows rows(ReplicaReader& reader, const TableSchema& schema) {
    Rows all;
    auto select = reader.database().prepare("SELECT * FROM " + quote_identifier(schema.name));
    while (select.step()) all.insert(encode_row(select.row(0, select.column_count())));
    return all;
  }

  static std::string show(const Rows& rows) {
    std::string text;
    for (const std::string& row : rows) {
      for (const Value& value : decode_row(row)) text += to_display(value) + " ";
      text += "| ";
    }
    return text;
  }

  void check() {
    ReplicaReader reader(path_);
    reader.renew();
    Offset next = reader.position().next;
    if (next <= 1) return;
    const RandomHistory::State& expected = history_.state_before(next);
    auto tables = reader.tables();
    EXPECT_EQ(tables.size(), expected.size());
    std::map<std::string, std::map<std::string, std::string>> now;
    for (const auto& [name, table] : expected) {
      SCOPED_TRACE(name + " before offset " + std::to_string(next));
      ASSERT_TRUE(tables.contains(name));
      EXPECT_EQ(tables[name].schema, table.schema);
      EXPECT_EQ(tables[name].whole, table.whole);
      Rows held = rows(reader, table.schema);
      for (const std::string& row : held) {
        now[name + std::to_string(table.schema.fingerprint())]
           [encode_row(table.schema.key_of(decode_row(row)))] = row;
      }
      if (!table.whole) continue;
      Rows wanted;
      for (const Row& row : table.rows) wanted.insert(encode_row(row));
      EXPECT_EQ(show(held), show(wanted));
    }
    if (crashes_) check_marks(reader, now);
  }

  // Every row of a whole table that differs from the last commit's has a newer mark, or the whole
  // table has one since it became whole.
  void check_marks(ReplicaReader& reader,
                   std::map<std::string, std::map<std::string, std::string>>& now) {
    std::set<MarkNumber> numbers;
    std::map<std::pair<std::string, std::string>, MarkNumber> marks;
    for (const Mark& mark : reader.marks_after(0, 1'000'000)) {
      EXPECT_TRUE(numbers.insert(mark.number).second) << "one number for two marks";
      marks[{mark.document, mark.root}] = mark.number;
    }
    std::map<std::string, MarkNumber> wide;
    for (const WideMark& mark : reader.wide_marks()) {
      EXPECT_TRUE(numbers.insert(mark.number).second) << "one number for two marks";
      wide[mark.document] = mark.number;
    }
    for (const auto& [name, table] : reader.tables()) {
      std::string id = name + std::to_string(table.schema.fingerprint());
      if (!table.whole || !before_.contains(id) || wide[name] > highest_) continue;
      std::set<std::string> keys;
      for (const auto* rows : {&before_[id], &now[id]}) {
        for (const auto& [key, row] : *rows) keys.insert(key);
      }
      for (const std::string& key : keys) {
        auto old = before_[id].find(key);
        auto fresh = now[id].find(key);
        bool same =
            old != before_[id].end() && fresh != now[id].end() && old->second == fresh->second;
        if (!same) {
          EXPECT_GT((marks[{name, key}]), highest_) << name << " has changed without a mark";
        }
      }
    }
    before_.clear();
    for (const auto& [name, table] : reader.tables()) {
      if (!table.whole) continue;
      std::string id = name + std::to_string(table.schema.fingerprint());
      before_[id] = now[id];
    }
    if (!numbers.empty()) highest_ = *numbers.rbegin();
  }

  const RandomHistory& history_;
  const std::string path_;
  std::mt19937_64 random_;
  const bool crashes_;
  CheckingListener listener_;
  std::unique_ptr<Replica> replica_;
  std::size_t position_ = 0;  // records of the log that were read
  std::map<std::string, std::map<std::string, std::string>> before_;
  MarkNumber highest_ = 0;
};

TEST(ReplicaPropertyTest, IsTheSourceAfterSomeTransactionWhateverHappens) {
  const char* given = ::getenv("TANDEM_SEED");
  std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  int histories = given != nullptr ? 1 : testing_support::rounds(12);
  for (int i = 0; i < histories && !testing::Test::HasFailure(); ++i, ++seed) {
    SCOPED_TRACE("TANDEM_SEED=" + std::to_string(seed));
    TemporaryDirectory directory;
    RandomHistory history(seed);
    history.grow(150);
    Folding broken(history, directory / "broken.db", seed, true);
    broken.run();
    if (testing::Test::HasFailure()) break;
    Folding straight(history, directory / "straight.db", seed, false);
    straight.run();
    EXPECT_EQ(broken.all_rows(), straight.all_rows()) << "the fold is not pure";
  }
}

}  // namespace
}  // namespace tandem::state
