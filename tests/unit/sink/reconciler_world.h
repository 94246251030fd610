// A whole small world around a reconciler: a source in memory, its log, a real replica with real
// relations, a real ledger, and a fake target.
//
// Thing(id, code, note): document `thing`, whose item's key is the code, so that keys can be
// swapped and contested. Parent(id, name) and Child(id, parent, name): document `parent`, with its
// children and pages of two of them when there are more than two.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "document_fixture.h"
#include "fake_target.h"
#include "sink/builder.h"
#include "sink/reconciler.h"
#include "sink/relations.h"
#include "state/ledger.h"
#include "state/replica.h"

namespace tandem::sink::testing {

using state::Row;
using state::Value;

inline Value number(std::int64_t n) { return Value::integer(n); }
inline Value string(const std::string& s) { return Value::text(s); }

class World {
 public:
  explicit World(unsigned seed = 1, std::size_t wide_at = 1000)
      : wide_at_(wide_at), target(tables(), {}, seed) {
    std::string pattern = std::filesystem::temp_directory_path() / "reconciler-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    documents.push_back(thing());
    documents.push_back(parent());
    for (const char* name : {"Thing", "Parent", "Child"}) rows_[name];
    open_replica();
    open_ledger();
  }
  ~World() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  // ── the source ───────────────────────────────────────────────────────────────────────────────
  static state::TableSchema schema(const std::string& name) {
    state::TableSchema schema;
    schema.name = name;
    schema.columns = {{"id", "INTEGER"}};
    if (name == "Thing") {
      schema.columns.push_back({"code", "TEXT"});
      schema.columns.push_back({"note", "TEXT"});
    } else if (name == "Parent") {
      schema.columns.push_back({"name", "TEXT"});
    } else {
      schema.columns.push_back({"parent", "INTEGER"});
      schema.columns.push_back({"name", "TEXT"});
    }
    schema.key = {0};
    schema.unique_keys = {{0}};
    return schema;
  }

  void begin() { add(state::Begin{{++commit_, 0}, 1000}); }
  void put(const std::string& table, Row row) {
    rows_[table][row[0].as_integer()] = row;
    add(state::Change{state::Op::kUpdate, batch_->table_index(table), {}, std::move(row)});
  }
  void thing(std::int64_t id, const std::string& code, const std::string& note) {
    put("Thing", {number(id), string(code), string(note)});
  }
  void remove(const std::string& table, std::int64_t id) {
    rows_[table].erase(id);
    add(state::Change{state::Op::kDelete, batch_->table_index(table), {number(id)}, {}});
  }
  /// Ends the transaction; folds it into the replica.
  void end() {
    add(state::End{{{commit_, 0}, {}, ""}});
    publish();
  }
  /// The transaction never reaches the log; the model keeps what it did.
  void drop() {
    next_ -= static_cast<state::Offset>(batch_->records.size());
    batch_ = std::make_shared<state::Batch>();
  }
  /// Tables made and read whole, as they are in the model.
  void snapshot(const std::vector<std::string>& names = {"Thing", "Parent", "Child"}) {
    begin();
    for (const std::string& name : names) {
      add(state::SchemaRecord{schema(name), true});
      std::vector<Row> rows;
      for (const auto& [id, row] : rows_[name]) rows.push_back(row);
      add(state::Chunk{batch_->table_index(name), {}, {}, std::move(rows), {}});
    }
    end();
  }
  /// The table begins to be read again, and its rows up to this one have been.
  void read_half(const std::string& name, std::int64_t through) {
    begin();
    add(state::SchemaRecord{schema(name), true});
    std::vector<Row> rows;
    for (const auto& [id, row] : rows_[name]) {
      if (id <= through) rows.push_back(row);
    }
    add(state::Chunk{batch_->table_index(name), {}, {number(through)}, std::move(rows), {}});
    end();
  }
  void gap() {
    add(state::Gap{"a test"});
    publish();
  }
  /// A new capture takes the log over, with so much higher an epoch.
  void claim(std::uint64_t higher = 1) {
    epoch_ += higher;
    add(state::Epoch{epoch_});
    publish();
  }
  const std::map<std::int64_t, Row>& rows(const std::string& table) { return rows_[table]; }

  // ── state ────────────────────────────────────────────────────────────────────────────────────
  std::string replica_path() const { return directory_ + "/replica.db"; }
  std::string ledger_path() const { return directory_ + "/ledger.db"; }
  void open_ledger() {
    ledger.reset();
    ledger = std::make_unique<state::Ledger>(ledger_path(), "log");
  }
  void lose_ledger() {
    ledger.reset();
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(ledger_path() + suffix);
    }
    open_ledger();
  }
  void open_replica() {
    replica.reset();
    relations_.reset();
    set_ = std::make_unique<DocumentSet>(documents, tables());
    relations_ = std::make_unique<Relations>(*set_, wide_at_);
    state::ReplicaOptions options;
    options.first_mark = ledger ? ledger->highest_mark() + 1 : 1;
    replica = std::make_unique<state::Replica>(replica_path(), "log", relations_.get(), options);
  }
  /// The replica's file is lost; folds the first `batches` of the log again.
  void lose_replica(std::size_t batches) {
    replica.reset();
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(replica_path() + suffix);
    }
    open_replica();
    folded_ = 0;
    fold(batches);
  }
  void fold(std::size_t batches) {
    for (; folded_ < log_.size() && batches > 0; ++folded_, --batches) {
      replica->fold(log_[folded_], true);
    }
    if (reconciler) reconciler->wake();
  }
  /// A backup of the state directory: log, replica and ledger. Precondition: no reconciler runs.
  void back_up() {
    close_state();
    for (const char* name : {"replica.db", "ledger.db"}) {
      std::filesystem::copy_file(directory_ + "/" + name, directory_ + "/old-" + name,
                                 std::filesystem::copy_options::overwrite_existing);
    }
    backup_ = {log_.size(), folded_, next_};
    open_ledger();
    open_replica();
  }
  /// Puts the backup back. The source and the target stay as they are.
  void put_back() {
    close_state();
    for (const char* name : {"replica.db", "ledger.db"}) {
      std::filesystem::rename(directory_ + "/old-" + name, directory_ + "/" + name);
    }
    log_.resize(backup_.batches);
    folded_ = backup_.folded;
    next_ = backup_.next;
    open_ledger();
    open_replica();
  }
  std::size_t unfolded() const { return log_.size() - folded_; }
  std::size_t batches() const { return log_.size(); }

  // ── the reconciler ───────────────────────────────────────────────────────────────────────────
  ReconcilerOptions options() {
    ReconcilerOptions options;
    options.pipeline = "test";
    options.round_documents = round_documents;
    options.prune = prune;
    options.made_tables = made_tables;
    options.assert_owner = assert_owner;
    options.began_at = began_at;
    return options;
  }
  void start() {
    reader_set_ = std::make_unique<DocumentSet>(documents, tables());
    failure = nullptr;
    died = false;
    reconciler =
        std::make_unique<Reconciler>(replica_path(), *ledger, target, *reader_set_, options());
    thread_ = std::jthread([this](std::stop_token token) {
      try {
        reconciler->run(token);
      } catch (const Died&) {
        died = true;
      } catch (const std::exception& error) {
        died = true;
        failure = std::current_exception();
      }
      ended_.request_stop();
    });
  }
  /// The reconciler ends by itself; stop() waits for that.
  void ask_to_stop() { thread_.request_stop(); }
  void stop() {
    if (thread_.joinable()) {
      thread_.request_stop();
      thread_.join();
    }
    ended_ = std::stop_source();
    reconciler.reset();
  }
  /// Runs until all that the replica holds is settled, then stops. False if the run died first.
  bool settle() {
    const bool running = reconciler != nullptr;
    if (!running) start();
    reconciler->wake();
    bool applied = wait_idle();
    if (!running || !applied) stop();
    return applied;
  }
  bool ended() const { return ended_.stop_requested(); }
  bool wait_idle() {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < until) {
      ReconcilerStatus status = reconciler->status();
      if (status.idle && status.applied.offset >= replica->position().next) return true;
      if (ended_.stop_requested()) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ADD_FAILURE() << "the reconciler did not become idle";
    return false;
  }

  // ── what should be there ─────────────────────────────────────────────────────────────────────
  static std::string key(const std::string& text) {
    return encode_key({{"PK", Attribute::string(text)}}, {"PK"});
  }
  std::string root(std::int64_t id) const { return state::encode_row({number(id)}); }
  /// All documents built from the replica: by document and root.
  std::map<std::pair<std::string, std::string>, BuiltDocument> built() {
    state::ReplicaReader reader(replica_path());
    reader.renew();
    DocumentSet set(documents, tables());
    set.recompile(reader.tables());
    std::map<std::pair<std::string, std::string>, BuiltDocument> all;
    for (const DocumentSet::Entry& entry : set.entries()) {
      if (!entry.document) continue;
      Builder builder(reader.database(), entry.document, "_tandem");
      std::string after;
      do {
        after = builder.build_range(after, 100, [&](std::string root, BuiltDocument document) {
          all[{entry.document->name(), root}] = std::move(document);
        });
      } while (!after.empty());
    }
    return all;
  }
  /// Nothing contested: the target must hold exactly what the replica yields.
  void expect_equal() {
    std::map<FakeTarget::Key, Item> expected;
    for (const auto& [document, built_document] : built()) {
      EXPECT_TRUE(built_document.invalid.empty()) << built_document.invalid;
      for (const BuiltItem& item : built_document.items) expected[{0, item.key}] = item.item;
    }
    std::map<FakeTarget::Key, Item> living = target.living();
    EXPECT_EQ(living.size(), expected.size());
    for (const auto& [key, item] : expected) {
      auto found = living.find(key);
      if (found == living.end()) {
        ADD_FAILURE() << "missing: " << to_plain_json(item);
      } else if (found->second != item) {
        ADD_FAILURE() << to_plain_json(found->second) << " instead of " << to_plain_json(item);
      }
    }
    for (const auto& [key, item] : living) {
      if (!expected.contains(key)) ADD_FAILURE() << "surplus: " << to_plain_json(item);
    }
  }
  std::optional<std::string> note_of(const std::string& code) {
    auto living = target.living();
    auto found = living.find({0, key(code)});
    if (found == living.end()) return std::nullopt;
    const Attribute* note = find_attribute(found->second, "Note");
    return note == nullptr ? "" : note->text();
  }

  static std::vector<TargetTable> tables() {
    TargetTable table;
    table.name = "Items";
    table.key = {"PK"};
    table.key_types = {AttributeType::kString};
    return {table};
  }
  static DocumentSpec thing() {
    DocumentSpec spec;
    spec.name = "thing";
    spec.table = "Items";
    spec.root = "Thing";
    spec.item = map({{"PK", text("{code}")}, {"Id", text("{id}")}, {"Note", text("{note}")}});
    spec.source_text = "thing";
    return spec;
  }
  static DocumentSpec parent() {
    DocumentSpec spec;
    spec.name = "parent";
    spec.table = "Items";
    spec.root = "Parent";
    spec.relations = {many("children", "Child", {"parent=id"}, {"name"})};
    spec.item = map({{"PK", text("P#{id}")},
                     {"Name", text("{name}")},
                     {"Count", count("children")},
                     {"Children", each("children", text("{name}"))}});
    spec.pages = PagesSpec{
        path("children"), 2, 2,
        map({{"PK", text("P#{id}#{$page}")}, {"Children", each("children", text("{name}"))}}), 0};
    spec.source_text = "parent";
    return spec;
  }

 private:
  std::string directory_;
  std::size_t wide_at_;
  std::map<std::string, std::map<std::int64_t, Row>> rows_;
  std::shared_ptr<state::Batch> batch_ = std::make_shared<state::Batch>();
  std::vector<std::shared_ptr<const state::Batch>> log_;
  std::size_t folded_ = 0;
  state::Offset next_ = 1;
  std::uint64_t commit_ = 0, epoch_ = 5;
  struct Backup {
    std::size_t batches = 0, folded = 0;
    state::Offset next = 1;
  } backup_;
  std::unique_ptr<DocumentSet> set_, reader_set_;
  std::unique_ptr<Relations> relations_;

  void close_state() {
    replica.reset();
    relations_.reset();  // its statements would keep the file open
    ledger.reset();
  }
  void add(state::Record record) {
    batch_->records.push_back(std::move(record));
    batch_->offsets.push_back(next_++);
    batch_->epoch = epoch_;
  }
  void publish() {
    if (log_.empty()) {
      // The log begins with the epoch of the capture that writes it.
      batch_->records.insert(batch_->records.begin(), state::Epoch{epoch_});
      batch_->offsets.push_back(next_++);
    }
    log_.push_back(std::exchange(batch_, std::make_shared<state::Batch>()));
    if (hold_fold) return;
    fold(log_.size());
  }

 public:
  std::vector<DocumentSpec> documents;
  FakeTarget target;
  std::unique_ptr<state::Replica> replica;
  std::unique_ptr<state::Ledger> ledger;
  std::unique_ptr<Reconciler> reconciler;
  std::exception_ptr failure;
  bool died = false;
  bool hold_fold = false;  // the log grows, the replica does not
  bool prune = false;
  std::size_t round_documents = 2000;
  std::vector<std::string> made_tables;
  std::function<void()> assert_owner;
  std::function<std::optional<state::Version>()> began_at;

 private:
  std::stop_source ended_;
  std::jthread thread_;
};

}  // namespace tandem::sink::testing
