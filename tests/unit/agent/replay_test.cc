// What a replay marks: the documents that changes touched, and those they may have touched.
#include "agent/replay.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <set>

#include "state/embedded_log.h"

namespace tandem::agent {
namespace {

using state::Change;
using state::Op;
using state::Row;
using state::Value;

// Notes what it is told.
class Listener : public state::FoldListener {
 public:
  std::multiset<std::string> rows, tables;
  void tables_changed(state::Database&, const std::unordered_map<std::string, state::ReplicaTable>&,
                      state::Marks&) override {}
  void table_whole(const std::string&, state::Marks&) override {}
  void table_touched(const std::string& table, bool as_root, state::Marks&) override {
    tables.insert(table + (as_root ? " and as root" : ""));
  }
  void row_changed(const state::TableSchema& table, const Row* before, const Row* after, bool,
                   state::Marks&) override {
    const Row& row = after != nullptr ? *after : *before;
    rows.insert((after != nullptr ? "" : "gone ") + state::to_display(table.key_of(row)[0]));
  }
};

class NoMarks : public state::Marks {
  void mark(const std::string&, const std::string&) override {}
  void mark_wide(const std::string&, std::int64_t, const Row&) override {}
};

class ReplayTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "replay-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    log_ = std::make_unique<state::EmbeddedLog>(directory_ + "/log.db");
    log_->claim(1);
    state::TableSchema schema;
    schema.name = "T";
    schema.columns = {{"id", "INTEGER"}, {"parent", "INTEGER"}};
    schema.key = {0};
    schema.unique_keys = {{0}};
    append({state::SchemaRecord{schema, true},
            state::Chunk{0, {}, {}, {row(1, 10), row(2, 10), row(3, 20)}, {}}});
    listener_ = {};
  }
  void TearDown() override {
    log_.reset();
    std::filesystem::remove_all(directory_);
  }
  static Row row(int id, int parent) { return {Value::integer(id), Value::integer(parent)}; }

  /// One transaction, in the log and in the replica.
  state::Offset append(std::vector<state::Record> records) {
    auto batch = std::make_shared<state::Batch>();
    batch->tables = {"T"};
    ++commit_;
    batch->records.emplace_back(state::Begin{{commit_, 0}, 1});
    for (state::Record& record : records) batch->records.push_back(std::move(record));
    batch->records.emplace_back(state::End{{{commit_, 0}, {}, ""}});
    state::Offset first = log_->next();
    log_->append(batch);
    state::Replica replica(replica_path(), log_->identity(), &listener_);
    auto reader = log_->reader(std::max(replica.position().next, state::kFirstOffset));
    while (replica.position().next < log_->next()) {
      replica.fold(reader->next(std::chrono::milliseconds(1000), {}), true);
    }
    return first;
  }
  std::string replica_path() const { return directory_ + "/replica.db"; }
  void replay(state::Offset from) {
    listener_ = {};
    NoMarks marks;
    mark_touched(*log_, from, replica_path(), listener_, marks, {});
  }

  using Names = std::multiset<std::string>;
  std::string directory_;
  std::unique_ptr<state::EmbeddedLog> log_;
  std::uint64_t commit_ = 0;
  Listener listener_;
};

TEST_F(ReplayTest, AMovedRowMayHaveHadAnotherParent) {
  append({Change{Op::kUpdate, 0, {}, row(2, 20)}});
  state::Offset from = append({Change{Op::kUpdate, 0, {}, row(1, 20)}});
  replay(from);
  EXPECT_EQ(listener_.rows, (Names{"1"}));
  EXPECT_EQ(listener_.tables, (Names{"T"}));
}

TEST_F(ReplayTest, ADeletedRowLeavesItsRelationsToBeLookedAt) {
  replay(append({Change{Op::kDelete, 0, {Value::integer(3)}, {}}}));
  EXPECT_EQ(listener_.rows, (Names{"gone 3"}));
  EXPECT_EQ(listener_.tables, (Names{"T"}));
}

TEST_F(ReplayTest, WhatConcernsAWholeTableTouchesItsRootsToo) {
  replay(append({Change{Op::kTruncate, 0, {}, {}}}));
  EXPECT_EQ(listener_.tables, (Names{"T and as root"}));
  replay(append({state::Chunk{0, {}, {}, {row(5, 50)}, {}}}));
  EXPECT_EQ(listener_.tables, (Names{"T and as root"}));
}

TEST_F(ReplayTest, AKeyOfAnotherShapeStandsForTheWholeTable) {
  state::Offset from = append({Change{Op::kDelete, 0, {Value::integer(2)}, {}}});
  state::TableSchema schema;
  schema.name = "T";
  schema.columns = {{"id", "INTEGER"}, {"parent", "INTEGER"}};
  schema.key = {0, 1};
  schema.unique_keys = {{0, 1}};
  append({state::SchemaRecord{schema, true}, state::Chunk{0, {}, {}, {row(1, 10)}, {}}});
  replay(from);
  EXPECT_EQ(listener_.tables, (Names{"T and as root"}));
  EXPECT_TRUE(listener_.rows.empty());
}

}  // namespace
}  // namespace tandem::agent
