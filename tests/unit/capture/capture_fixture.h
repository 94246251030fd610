// Test support: an application's database, a capture of it that is driven step by step, and the
// comparison of the source's rows with those of the mirror.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "capture/sqlite/sqlite_source.h"
#include "tests/unit/capture/mirror.h"

namespace tandem::capture {

/// Writes what it gets into a log at once, so that a test sees each drain by itself.
class DirectTransactions : public Transactions {
 public:
  using Transactions::change;
  DirectTransactions(Source& source, state::ChangeLog& log) : source_(source), log_(log) {}
  void begin(const state::Begin& begin) override {
    batch_ = std::make_shared<state::Batch>();
    batch_->records.emplace_back(begin);
  }
  void schema(state::TableSchema schema, bool reread) override {
    batch_->records.emplace_back(state::SchemaRecord{std::move(schema), reread});
  }
  void change(const std::string& table, state::Op op, state::Row key_before, state::Row after,
              std::optional<std::uint32_t> above) override {
    batch_->records.emplace_back(state::Change{op, batch_->table_index(table),
                                               std::move(key_before), std::move(after), above});
  }
  void chunk(const std::string& table, state::Row from, state::Row to, std::vector<state::Row> rows,
             std::vector<state::Row> touched) override {
    batch_->records.emplace_back(state::Chunk{batch_->table_index(table), std::move(from),
                                              std::move(to), std::move(rows), std::move(touched)});
  }
  void end(state::Checkpoint checkpoint) override {
    batch_->records.emplace_back(state::End{checkpoint});
    log_.append(std::move(batch_));
    source_.release(checkpoint);
  }
  void gap(std::string reason) override {
    auto batch = std::make_shared<state::Batch>();
    batch->records.emplace_back(state::Gap{std::move(reason)});
    log_.append(std::move(batch));
  }

 private:
  Source& source_;
  state::ChangeLog& log_;
  std::shared_ptr<state::Batch> batch_;
};

class CaptureTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_.file("app.db"); }
  state::Database& app() {
    if (!app_) {
      app_ = state::Database(path(), state::OpenMode::kReadWriteCreate);
      app_.execute("PRAGMA synchronous = OFF");
    }
    return app_;
  }
  void close_app() { app_ = state::Database(); }
  static TableRequest table(std::string name, std::vector<std::string> key = {}) {
    return {std::move(name), std::move(key), true};
  }

  /// As a new process: claims, reads the tail, resumes.
  void start() {
    source_ = open_sqlite_source(path(), requests_);
    out_ = std::make_unique<DirectTransactions>(*source_, log_);
    reclaim();
  }
  void reclaim() {
    log_.claim(source_->claim(log_.identity(), log_.read_tail().epoch));
    source_->resume(log_.read_tail().checkpoint, *out_);
  }
  /// Drains until there is nothing more.
  void drain() {
    while (source_->poll(std::chrono::milliseconds(0), {}, *out_)) {
    }
    mirror_.follow(log_);
  }
  /// One step of the source.
  bool step() {
    bool found = source_->poll(std::chrono::milliseconds(0), {}, *out_);
    mirror_.follow(log_);
    return found;
  }
  void expect_equal(const std::string& context = "") {
    for (const TableRequest& request : requests_) {
      ASSERT_TRUE(mirror_.has(request.name)) << context;
      EXPECT_TRUE(mirror_.whole(request.name)) << request.name << " " << context;
      EXPECT_EQ(mirror_.rows(request.name), Mirror::read_rows(app(), mirror_.schema(request.name)))
          << request.name << " " << context;
    }
  }
  void drain_and_compare(const std::string& context = "") {
    drain();
    expect_equal(context);
  }
  std::int64_t count(const std::string& sql) { return app().query_value(sql).as_integer(); }

  Folder folder_;
  state::Database app_;
  std::vector<TableRequest> requests_;
  MemoryLog log_;
  Mirror mirror_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<DirectTransactions> out_;
};

}  // namespace tandem::capture
