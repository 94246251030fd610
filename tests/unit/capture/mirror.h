// Test support: a change log in memory, and a mirror that folds what it holds the way a replica
// would: into SQLite tables with the source's types and collations. It checks the log's grammar as
// it goes.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "state/change_log.h"
#include "state/sqlite.h"

namespace tandem::capture {

/// A folder that goes away with the test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tandem-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class MemoryLog : public state::ChangeLog {
 public:
  explicit MemoryLog(std::string identity = "0123456789abcdef0123456789abcdef")
      : identity_(std::move(identity)) {}
  const std::string& identity() const override { return identity_; }
  state::LogTail read_tail() override {
    std::lock_guard lock(mutex_);
    return tail_;
  }
  void claim(std::uint64_t epoch) override {
    auto batch = std::make_shared<state::Batch>();
    batch->records.emplace_back(state::Epoch{epoch});
    writer_ = epoch;
    append(batch);
  }
  void append(std::shared_ptr<state::Batch> batch) override {
    std::lock_guard lock(mutex_);
    if (fail_appends > 0 && --fail_appends == 0) throw state::Error("append failed", "test", "");
    for (const state::Record& record : batch->records) {
      if (const auto* epoch = std::get_if<state::Epoch>(&record)) {
        if (epoch->epoch <= tail_.epoch) throw state::Fenced("older epoch", "test", "");
        tail_.epoch = epoch->epoch;
      } else if (const auto* end = std::get_if<state::End>(&record)) {
        tail_.checkpoint = end->checkpoint;
      } else if (const auto* beat = std::get_if<state::Heartbeat>(&record)) {
        tail_.checkpoint = beat->checkpoint;
      } else if (std::holds_alternative<state::Gap>(record)) {
        tail_.checkpoint.reset();
      }
      tail_.next++;
    }
    batches_.push_back(std::move(batch));
  }
  std::unique_ptr<state::LogReader> reader(state::Offset) override { return nullptr; }
  state::Offset first() override { return 0; }
  state::Offset next() override { return tail_.next; }
  void prune(state::Offset) override {}
  state::LogExtent extent() override { return {}; }

  std::vector<std::shared_ptr<const state::Batch>> batches() const {
    std::lock_guard lock(mutex_);
    return batches_;
  }
  /// Loses everything from this batch on, as a log restored from a backup would.
  void cut(std::size_t batches) {
    auto kept = std::vector(batches_.begin(), batches_.begin() + static_cast<long>(batches));
    batches_.clear();
    tail_ = {};
    for (auto& batch : kept) append(std::const_pointer_cast<state::Batch>(batch));
  }
  std::atomic<int> fail_appends = 0;  // the n-th append from now on fails

 private:
  std::string identity_;
  mutable std::mutex mutex_;
  state::LogTail tail_;
  std::uint64_t writer_ = 0;
  std::vector<std::shared_ptr<const state::Batch>> batches_;
};

class Mirror {
 public:
  Mirror() : database_(":memory:", state::OpenMode::kReadWrite) {}

  /// Folds what the log got since the last call, whole transactions only.
  void follow(const MemoryLog& log) {
    auto batches = log.batches();
    for (; next_ < batches.size(); ++next_) {
      for (const state::Record& record : batches[next_]->records) take(*batches[next_], record);
    }
  }
  bool whole(const std::string& table) const {
    auto found = tables_.find(table);
    return found != tables_.end() && found->second.whole;
  }
  bool has(const std::string& table) const { return tables_.contains(table); }
  const state::TableSchema& schema(const std::string& table) const {
    return tables_.at(table).schema;
  }
  /// Every row as bytes, in no particular order.
  std::multiset<std::string> rows(const std::string& table) {
    return read_rows(database_, tables_.at(table).schema);
  }
  static std::multiset<std::string> read_rows(state::Database& database,
                                              const state::TableSchema& schema) {
    std::multiset<std::string> rows;
    auto query = database.prepare("SELECT " + list(schema, true) + " FROM " +
                                  state::quote_identifier(schema.name));
    while (query.step()) rows.insert(state::encode_row(query.row(0, query.column_count())));
    return rows;
  }
  std::int64_t gaps = 0, transactions = 0, changes = 0, chunks = 0, chunk_rows = 0, schemas = 0,
               heartbeats = 0;
  std::vector<std::string> gap_reasons;

 private:
  struct Table {
    state::TableSchema schema;
    bool whole = false;
  };
  static std::string list(const state::TableSchema& schema, bool all) {
    std::string text;
    auto add = [&](std::size_t i) {
      text += (text.empty() ? "" : ", ") + state::quote_identifier(schema.columns[i].name);
    };
    if (all) {
      for (std::size_t i = 0; i < schema.columns.size(); ++i) add(i);
    } else {
      for (int column : schema.key) add(static_cast<std::size_t>(column));
    }
    return text;
  }
  static std::string marks(std::size_t count, int first = 1) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      text += (i == 0 ? "?" : ", ?") + std::to_string(first + static_cast<int>(i));
    }
    return text;
  }

  void take(const state::Batch& batch, const state::Record& record) {
    if (std::holds_alternative<state::Epoch>(record)) {
      open_ = false;  // a transaction cut off half-way never happened
    } else if (const auto* begin = std::get_if<state::Begin>(&record)) {
      EXPECT_FALSE(open_) << "a transaction began inside another";
      open_ = true;
      held_.clear();
      begin_ = *begin;
    } else if (std::holds_alternative<state::Gap>(record)) {
      open_ = false;
      ++gaps;
      gap_reasons.push_back(std::get<state::Gap>(record).reason);
      for (auto& [name, table] : tables_) table.whole = false;
    } else if (std::holds_alternative<state::Heartbeat>(record)) {
      EXPECT_FALSE(open_);
      ++heartbeats;
    } else if (const auto* end = std::get_if<state::End>(&record)) {
      EXPECT_TRUE(open_) << "an end without a begin";
      EXPECT_EQ(end->checkpoint.position, begin_.position);
      open_ = false;
      if (folded_ && begin_.position <= last_) return;  // published twice
      folded_ = true;
      last_ = begin_.position;
      ++transactions;
      for (const auto& [from, what] : held_) apply(*from, what);
    } else {
      EXPECT_TRUE(open_) << "a record outside of a transaction";
      held_.emplace_back(&batch, record);
    }
  }

  void apply(const state::Batch& batch, const state::Record& record) {
    if (const auto* schema = std::get_if<state::SchemaRecord>(&record)) {
      apply_schema(*schema);
    } else if (const auto* change = std::get_if<state::Change>(&record)) {
      ++changes;
      const state::TableSchema& table = tables_.at(batch.tables.at(change->table)).schema;
      if (change->op == state::Op::kDelete) {
        remove(table, change->key_before);
      } else {
        put(table, change->after);
      }
    } else if (const auto* chunk = std::get_if<state::Chunk>(&record)) {
      ++chunks;
      chunk_rows += static_cast<std::int64_t>(chunk->rows.size());
      Table& table = tables_.at(batch.tables.at(chunk->table));
      std::string condition = "1";
      int at = 1;
      for (const auto& [bound, compare] :
           {std::pair{&chunk->from, ") > ("}, std::pair{&chunk->to, ") <= ("}}) {
        if (bound->empty()) continue;
        condition +=
            " AND (" + list(table.schema, false) + compare + marks(bound->size(), at) + ")";
        at += static_cast<int>(bound->size());
      }
      auto clear = database_.prepare("DELETE FROM " + state::quote_identifier(table.schema.name) +
                                     " WHERE " + condition);
      clear.bind_row(1, chunk->from);
      clear.bind_row(static_cast<int>(chunk->from.size()) + 1, chunk->to);
      clear.run();
      for (const state::Row& row : chunk->rows) put(table.schema, row);
      if (chunk->to.empty()) table.whole = true;
    }
  }

  void apply_schema(const state::SchemaRecord& record) {
    ++schemas;
    const state::TableSchema& schema = record.schema;
    auto known = tables_.find(schema.name);
    if (known != tables_.end() && known->second.schema.fingerprint() == schema.fingerprint()) {
      known->second.schema = schema;
      if (record.reread) known->second.whole = false;
      return;
    }
    database_.execute("DROP TABLE IF EXISTS " + state::quote_identifier(schema.name));
    tables_.erase(schema.name);
    if (schema.columns.empty()) return;
    std::string columns;
    for (const state::Column& column : schema.columns) {
      columns += state::quote_identifier(column.name) + " " + column.declared_type + " COLLATE " +
                 column.collation + ", ";
    }
    database_.execute("CREATE TABLE " + state::quote_identifier(schema.name) + " (" + columns +
                      "PRIMARY KEY (" + list(schema, false) + ")) WITHOUT ROWID");
    tables_[schema.name] = {schema, false};
  }

  void put(const state::TableSchema& schema, const state::Row& row) {
    remove(schema, schema.key_of(row));
    auto insert = database_.prepare("INSERT INTO " + state::quote_identifier(schema.name) +
                                    " VALUES (" + marks(schema.columns.size()) + ")");
    insert.bind_row(1, row).run();
  }
  void remove(const state::TableSchema& schema, const state::Row& key) {
    auto remove =
        database_.prepare("DELETE FROM " + state::quote_identifier(schema.name) + " WHERE (" +
                          list(schema, false) + ") = (" + marks(key.size()) + ")");
    remove.bind_row(1, key).run();
  }

  state::Database database_;
  std::map<std::string, Table> tables_;
  std::size_t next_ = 0;
  bool open_ = false, folded_ = false;
  state::Begin begin_;
  state::SourcePosition last_;
  std::vector<std::pair<const state::Batch*, state::Record>> held_;
};

}  // namespace tandem::capture
