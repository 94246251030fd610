// A PostgreSQL server in memory, whose tables are read in chunks beside their stream, and the
// replica that comes of it: for tests of snapshots.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "capture/postgres/snapshots.h"

namespace tandem::capture::postgres::in_memory {

using state::Row;
using state::Value;

inline constexpr char kTable[] = "t";

inline state::TableSchema schema() {
  state::TableSchema schema;
  schema.name = kTable;
  for (const char* name : {"id", "n", "body"}) {
    schema.columns.push_back({});
    schema.columns.back().name = name;
  }
  schema.key = {0};
  schema.unique_keys = {{0}};
  return schema;
}

struct Content {
  std::int64_t n = 0, body = 0;
  friend bool operator==(const Content&, const Content&) = default;
};
using Contents = std::map<std::int64_t, Content>;

inline Row key(std::int64_t id) { return {Value::integer(id)}; }
inline Row row(std::int64_t id, const Content& content) {
  return {Value::integer(id), Value::integer(content.n), Value::integer(content.body)};
}

// A row event; 0 is no key. A body that was not changed is not sent.
struct Event {
  std::int64_t before = 0, after = 0;
  Content content;
  bool with_body = true;
};

// A transaction of the stream: events, or the message of a chunk.
struct Streamed {
  std::uint32_t xid = 0;
  std::vector<Event> events;
  std::uint64_t reader = 0, chunk = 0;
};

// One table. A transaction is in the stream when it commits, and may be visible only later.
class Server {
 public:
  Contents rows, visible;  // as committed, and as a snapshot shows them
  std::deque<Streamed> stream;

  std::uint32_t commit(std::vector<Event> events, bool show = true) {
    for (const Event& event : events) apply(rows, event);
    stream.push_back({next_, events});
    hidden_.push_back({next_, std::move(events)});
    if (show) show_all();
    return next_++;
  }
  void show_all() {
    for (const Streamed& each : std::exchange(hidden_, {})) {
      for (const Event& event : each.events) apply(visible, event);
    }
  }
  void emit(std::uint64_t reader, std::uint64_t chunk) {
    stream.push_back({next_++, {}, reader, chunk});
  }
  Visibility view() const {
    std::string text = std::to_string(hidden_.empty() ? next_ : hidden_.front().xid) + ":" +
                       std::to_string(next_) + ":";
    for (const Streamed& each : hidden_)
      text += (text.back() == ':' ? "" : ",") + std::to_string(each.xid);
    return Visibility(text);
  }

  // `body` is as it was where it was not sent.
  static void apply(Contents& rows, const Event& event) {
    Content content = event.content;
    const std::int64_t from = event.before != 0 ? event.before : event.after;
    if (auto old = rows.find(from); old != rows.end()) {
      if (!event.with_body) content.body = old->second.body;
      if (event.before != 0) rows.erase(old);
    } else if (!event.with_body) {
      content.body = 0;
    }
    if (event.after != 0) rows[event.after] = content;
  }

 private:
  std::uint32_t next_ = 100;
  std::vector<Streamed> hidden_;
};

// Reads when the test says so.
class Reader : public ChunkReader {
 public:
  Reader(Server& server, Options options, Row from, std::size_t rows)
      : server_(server), options_(std::move(options)), from_(std::move(from)), rows_(rows) {
    if (options_.wait_for_running) waits_for_ = server_.view();
  }

  // Reads one chunk, if it would. Its message follows by send().
  bool read() {
    if (waits_for_) {
      newest_ = server_.view();
      if (newest_->oldest() < waits_for_->next()) return false;
      waits_for_.reset();
    }
    if (ready_.size() >= 3 || (asked_.empty() && at_end_)) return false;
    ReadChunk chunk;
    chunk.schema = schema();
    chunk.oid = 1;
    chunk.view = server_.view();
    newest_ = chunk.view;
    const Contents& rows = server_.visible;
    if (!asked_.empty()) {
      chunk.asked = std::exchange(asked_, {});
      std::set<std::int64_t> keys;
      for (const Row& each : chunk.asked) keys.insert(each[0].as_integer());
      for (std::int64_t id : keys) {
        if (auto found = rows.find(id); found != rows.end())
          chunk.rows.push_back(row(id, found->second));
      }
    } else {
      chunk.from = from_;
      auto at = from_.empty() ? rows.begin() : rows.upper_bound(from_[0].as_integer());
      for (; at != rows.end() && chunk.rows.size() < rows_; ++at) {
        chunk.rows.push_back(row(at->first, at->second));
      }
      if (chunk.rows.size() == rows_) chunk.to = chunk.schema.key_of(chunk.rows.back());
      from_ = chunk.to;
      at_end_ = chunk.to.empty();
    }
    ready_.push_back({++number_, std::move(chunk)});
    return true;
  }
  void send() { server_.emit(options_.number, number_); }

  std::optional<ReadChunk> take(std::uint64_t number) override {
    auto found = std::find_if(ready_.begin(), ready_.end(),
                              [&](const auto& each) { return each.first == number; });
    if (found == ready_.end()) return std::nullopt;
    ReadChunk chunk = std::move(found->second);
    ready_.erase(found);
    return chunk;
  }
  void restart(Row from) override {
    std::erase_if(ready_, [](const auto& each) { return each.second.asked.empty(); });
    from_ = std::move(from);
    at_end_ = false;
  }
  void start_over() override {
    asked_.clear();
    restart({});
  }
  void ask(std::vector<Row> keys) override {
    std::move(keys.begin(), keys.end(), std::back_inserter(asked_));
  }
  void check() override {}
  std::optional<std::uint64_t> waits_for() override {
    if (!waits_for_) return std::nullopt;
    return waits_for_->oldest();
  }
  bool sees(std::uint32_t xid) override {
    if (!ready_.empty()) return ready_.front().second.view.sees(xid);
    return newest_ && newest_->sees(xid);
  }

 private:
  Server& server_;
  const Options options_;
  Row from_;
  const std::size_t rows_;  // of a chunk
  bool at_end_ = false;
  std::uint64_t number_ = 0;
  std::deque<std::pair<std::uint64_t, ReadChunk>> ready_;
  std::vector<Row> asked_;
  std::optional<Visibility> waits_for_, newest_;
};

// The replica, as far as it matters here.
class Fold : public Transactions {
 public:
  using Transactions::change;
  Contents rows;
  int chunks = 0;

  void begin(const state::Begin&) override {}
  void schema(state::TableSchema, bool) override {}
  void end(state::Checkpoint) override {}
  void gap(std::string) override {}
  void change(const std::string&, state::Op op, Row key_before, Row after,
              std::optional<std::uint32_t>) override {
    Event event;
    if (!key_before.empty()) event.before = key_before[0].as_integer();
    if (op != state::Op::kDelete) {
      event.after = after[0].as_integer();
      const Content old = rows.contains(event.after) ? rows[event.after] : Content();
      event.content.n = after[1].is_unchanged() ? old.n : after[1].as_integer();
      event.with_body = !after[2].is_unchanged();
      if (event.with_body) event.content.body = after[2].as_integer();
    }
    Server::apply(rows, event);
  }
  void chunk(const std::string&, Row from, Row to, std::vector<Row> read,
             std::vector<Row> touched) override {
    ++chunks;
    std::set<std::int64_t> leave;
    for (const Row& each : touched) leave.insert(each[0].as_integer());
    auto in_range = [&](std::int64_t id) {
      return (from.empty() || id > from[0].as_integer()) &&
             (to.empty() || id <= to[0].as_integer());
    };
    std::erase_if(rows, [&](const auto& each) {
      return in_range(each.first) && !leave.contains(each.first);
    });
    for (const Row& each : read) {
      const std::int64_t id = each[0].as_integer();
      if (!leave.contains(id)) rows[id] = {each[1].as_integer(), each[2].as_integer()};
    }
  }
};

class PostgresSnapshots : public ::testing::Test {
 protected:
  void start(std::size_t rows, std::size_t rows_of_a_chunk, std::size_t remembered_bytes) {
    for (std::size_t id = 1; id <= rows; ++id) {
      server_.rows[static_cast<std::int64_t>(id)] = {0, static_cast<std::int64_t>(1000 + id)};
    }
    server_.visible = server_.rows;
    SnapshotOptions options;
    options.remembered_bytes = remembered_bytes;
    options.read = [this, rows_of_a_chunk](ChunkReader::Options reader, Row from) {
      auto made =
          std::make_unique<Reader>(server_, std::move(reader), std::move(from), rows_of_a_chunk);
      reader_ = made.get();
      return made;
    };
    TableRequest request;
    request.name = kTable;
    snapshots_ =
        std::make_unique<Snapshots>(std::vector<TableRequest>{request}, std::move(options));
    snapshots_->restore(std::nullopt, std::nullopt);
    saved_ = {};
    table_ = {kTable, 1, schema(), schema().fingerprint()};
    snapshots_->keep_reading();
  }

  // Passes on the oldest transaction that the stream has.
  void stream_one() {
    const Streamed streamed = std::move(server_.stream.front());
    server_.stream.pop_front();
    snapshots_->begin(streamed.xid);
    for (const Event& event : streamed.events) {
      snapshots_->meet(table_, fold_);
      if (event.after == 0) {
        snapshots_->deletion(table_, key(event.before), false);
        fold_.change(kTable, state::Op::kDelete, key(event.before), {});
        continue;
      }
      Row after = row(event.after, event.content);
      if (!event.with_body) after[2] = Value::unchanged();
      const bool moved = event.before != 0 && event.before != event.after;
      snapshots_->change(table_, event.before != 0 ? key(event.before) : Row{}, after, false);
      fold_.change(kTable, event.before == 0 ? state::Op::kCreate : state::Op::kUpdate,
                   moved ? key(event.before) : Row{}, after);
    }
    if (streamed.chunk != 0) snapshots_->publish(streamed.reader, streamed.chunk, fold_);
    snapshots_->keep_reading();
    expect_version();
  }
  // What is saved stays the same while the version does.
  void expect_version() {
    std::pair<std::uint64_t, state::Checkpoint> now{snapshots_->version(), {}};
    SourceState state;
    snapshots_->save(now.second, state);
    now.second.source_state = state.encode();
    if (now.first == saved_.first) {
      EXPECT_EQ(now.second, saved_.second);
    }
    saved_ = std::move(now);
  }
  void stream_all() {
    while (!server_.stream.empty()) stream_one();
  }
  void update(std::int64_t id) {
    Content content = server_.rows.at(id);
    ++content.n;
    server_.commit({{id, id, content, false}});
  }
  void move(std::int64_t from, std::int64_t to) {
    server_.commit({{from, to, server_.rows.at(from), false}});
  }
  bool is_whole() const { return !snapshots_->snapshotting(); }

  Server server_;
  Fold fold_;
  std::unique_ptr<Snapshots> snapshots_;
  Reader* reader_ = nullptr;  // the last one made
  StreamTable table_;
  std::pair<std::uint64_t, state::Checkpoint> saved_;
};

}  // namespace tandem::capture::postgres::in_memory
