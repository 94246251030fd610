#include "capture/postgres/snapshots.h"

#include <algorithm>
#include <utility>

#include "capture/postgres/chunk_publishing.h"

namespace tandem::capture::postgres {
namespace {

using state::Row;

// When more keys than these are to be read by themselves, the whole table is the better reading.
constexpr std::size_t kAskedAtMost = 20'000;

}  // namespace

Snapshots::Snapshots(const std::vector<TableRequest>& requests, SnapshotOptions options)
    : options_(std::move(options)), recent_(options_.remembered_bytes) {
  for (const TableRequest& request : requests) {
    Table& table = tables_.emplace_back();
    table.request = request;
    table.progress.table = request.name;
    table.progress.snapshotting = true;
    index_.emplace(request.name, tables_.size() - 1);
  }
}

void Snapshots::restore(const std::optional<state::Checkpoint>& checkpoint,
                        const std::optional<SourceState>& state) {
  forget_all();
  ++version_;
  for (Table& table : tables_) {
    stop_reading(table);
    table.progress = {table.request.name, 0, true, {}};
    table.oid = 0;
    table.storage = table.membership = 0;
    table.must_wait = true;
    table.missing = false;
    table.gathered = false;
    table.asked.clear();
    if (!checkpoint) continue;
    for (const state::TableProgress& progress : checkpoint->tables) {
      if (progress.table == table.request.name) table.progress = progress;
    }
    // Why it was to be read from its start is not remembered.
    table.untold = table.progress.snapshotting && table.progress.next_from.empty();
    if (!state) continue;
    auto known = state->tables.find(table.request.name);
    if (known == state->tables.end()) continue;
    table.oid = known->second.oid;
    table.storage = known->second.storage;
    table.membership = known->second.membership;
  }
}

void Snapshots::save(state::Checkpoint& checkpoint, SourceState& state) const {
  for (const Table& table : tables_) {
    state::TableProgress progress = table.progress;
    // Whoever goes on from here does not know which keys were still to be read.
    if (!table.asked.empty()) progress.next_from.clear();
    checkpoint.tables.push_back(std::move(progress));
    if (table.oid == 0) continue;
    state.tables[table.request.name] = {table.oid, table.storage, table.membership};
  }
}

bool Snapshots::snapshotting() const {
  return std::any_of(tables_.begin(), tables_.end(),
                     [](const Table& table) { return table.progress.snapshotting; });
}

void Snapshots::request(const std::string& name) { read_again(name, false); }

void Snapshots::distrust(const std::string& name, bool unpublished) {
  read_again(name, unpublished);
  if (Table* table = find(name)) table->untold = true;
}

void Snapshots::read_again(const std::string& name, bool unpublished) {
  Table* table = find(name);
  if (table == nullptr) return;
  ++version_;
  table->absent = false;
  // What was streamed of a table that nobody read was not remembered.
  if (!table->progress.snapshotting) table->must_wait = true;
  table->progress.snapshotting = true;
  table->begin_anew();
  table->asked.clear();
  if (unpublished) {
    table->must_wait = true;
    stop_reading(*table);
  } else if (table->reader) {
    table->reader->start_over();
  }
}

void Snapshots::set_missing(const std::string& name, bool missing) {
  if (Table* table = find(name)) table->missing = missing;
}

bool Snapshots::is_due(const std::string& name) const {
  const Table* table = find(name);
  return table != nullptr && table->progress.snapshotting;
}

bool Snapshots::is_logged(const std::string& name) const {
  const Table* table = find(name);
  return table != nullptr && table->progress.fingerprint != 0;
}

bool Snapshots::is_outdated(const SourceTable& now) const {
  const state::TableSchema& schema = now.table.schema;
  const Table* table = find(schema.name);
  if (table == nullptr || table->progress.fingerprint == 0) return false;
  if (table->oid != now.oid || table->progress.fingerprint != schema.fingerprint()) return true;
  const bool from_start = table->progress.snapshotting && table->progress.next_from.empty();
  return !from_start && table->storage != now.storage;
}

bool Snapshots::is_republished(const std::string& name, std::uint64_t membership) {
  Table* table = find(name);
  if (table == nullptr) return false;
  const std::uint64_t before = std::exchange(table->membership, membership);
  if (before != membership) ++version_;
  return table->progress.fingerprint != 0 && before != membership;
}

void Snapshots::keep_reading() {
  if (!snapshotting()) {
    forget_all();
    return;
  }
  remembering_ = true;
  int reading = 0;
  for (Table& table : tables_) {
    if (!table.reader) continue;
    table.reader->check();
    ++reading;
  }
  for (Table& table : tables_) {
    if (reading >= options_.tables_at_once) return;
    if (table.reader || !table.progress.snapshotting || table.missing) continue;
    ChunkReader::Options options;
    options.address = options_.address;
    options.application = options_.application;
    options.table = table.request;
    options.slot = options_.slot;
    options.session = options_.session;
    options.number = table.reader_number = ++readers_;
    options.wait_for_running = table.must_wait || !ready_;
    table.reader = options_.read(std::move(options), table.progress.next_from);
    std::vector<Row> asked;
    for (const std::string& key : table.asked) asked.push_back(state::decode_row(key));
    if (!asked.empty()) table.reader->ask(std::move(asked));
    ++reading;
  }
}

std::optional<Snapshots::Wait> Snapshots::waits_for() {
  for (Table& table : tables_) {
    if (!table.reader) continue;
    if (const auto transaction = table.reader->waits_for()) {
      return Wait{table.request.name, *transaction};
    }
  }
  return std::nullopt;
}

void Snapshots::pass_by(const Visibility& view) {
  passed_ = view;
  forget_seen();
}

void Snapshots::begin(std::uint32_t xid) {
  if (!remembering_) return;
  // Readers go on meanwhile. To look through all costs each of them no more than one look.
  if (++to_forget_ > recent_.size()) forget_seen();
  recent_.begin(xid);
  xid_ = xid;
  ++begun_;
}

// The present transaction changes the table.
Snapshots::Table* Snapshots::meet(const std::string& name) {
  Table* table = find(name);
  if (table == nullptr || table->begun == begun_) return table;
  table->begun = begun_;
  table->arrived.clear();
  table->remembers = !is_seen(*table, xid_);
  return table;
}

void Snapshots::meet(const StreamTable& table, Transactions& out) {
  Table* known = meet(table.name);
  if (known == nullptr) return;
  known->absent = false;
  if (known->progress.fingerprint == table.fingerprint && known->oid == table.oid) {
    if (!std::exchange(known->described, true)) out.schema(table.schema, false);
    return;
  }
  known->described = true;
  ++version_;
  const bool first = known->progress.fingerprint == 0;
  out.schema(table.schema, true);
  known->progress.fingerprint = table.fingerprint;
  known->oid = table.oid;
  if (first && known->progress.snapshotting && known->progress.next_from.empty()) {
    // The chunks to come have this schema, or bring their own.
    return;
  }
  read_again(table.name, false);
  if (remembering_ && known->remembers) recent_.whole_table(table.name);
}

void Snapshots::change(const StreamTable& table, const Row& key_before, const Row& after,
                       bool shared) {
  if (!remembering_) return;
  Table* known = meet(table.name);
  if (known == nullptr || !known->progress.snapshotting) return;
  std::vector<int> unchanged;
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (after[i].is_unchanged()) unchanged.push_back(static_cast<int>(i));
  }
  Row key = table.schema.key_of(after);
  const bool moved = !key_before.empty() && key_before != key;
  const bool unknown = moved && !unchanged.empty();
  if (known->remembers) recent_.change(table.name, key_before, key, std::move(unchanged));
  if (!moved) return;
  left(*known, key_before, shared);
  if (known->arrived.size() >= kAskedAtMost) {
    // The whole table is the better reading, from when this transaction can be seen.
    if (known->remembers) recent_.whole_table(table.name);
    read_again(table.name, false);
    known->arrived.clear();
  }
  known->arrived.insert(state::encode_row(key));
  // It may come from where no chunk has been to where one was.
  if (unknown && known->is_doubtful(key_before)) ask(*known, key);
}

// A row left a key that another had come to in the same transaction. It may be the one that came or
// the one that had been there, and the fold, which may not have the latter yet, cannot put it back.
void Snapshots::left(Table& table, const Row& key, bool shared) {
  if (!shared && !table.arrived.contains(state::encode_row(key))) return;
  if (!table.is_doubtful(key)) return;
  if (table.remembers) recent_.doubt(table.request.name, key);
  ask(table, key);
}

void Snapshots::confused(const std::string& name) {
  distrust(name, false);
  const Table* table = find(name);
  if (remembering_ && table != nullptr && table->remembers) recent_.whole_table(name);
}

void Snapshots::ask(Table& table, const Row& key) {
  if (table.asked.size() >= kAskedAtMost) {
    read_again(table.request.name, false);
    return;
  }
  if (table.asked.empty()) ++version_;
  table.asked.insert(state::encode_row(key));
  if (table.reader) table.reader->ask({key});
}

void Snapshots::deletion(const StreamTable& table, const Row& key_before, bool shared) {
  if (!remembering_) return;
  Table* known = meet(table.name);
  if (known == nullptr || !known->progress.snapshotting) return;
  if (known->remembers) recent_.change(table.name, key_before, {}, {});
  left(*known, key_before, shared);
}

void Snapshots::truncation(const StreamTable& table) {
  const Table* known = meet(table.name);
  if (remembering_ && known != nullptr && known->remembers) recent_.whole_table(table.name);
}

void Snapshots::gone(const std::string& name, Transactions& out) {
  Table* table = find(name);
  if (table == nullptr || table->absent) return;
  ++version_;
  if (table->progress.fingerprint != 0) {
    state::TableSchema none;
    none.name = name;
    out.schema(std::move(none), false);
  }
  stop_reading(*table);
  table->progress = {name, 0, false, {}};
  table->oid = 0;
  table->storage = 0;
  table->absent = true;
  table->gathered = false;
  table->asked.clear();
}

void Snapshots::publish(std::uint64_t reader, std::uint64_t number, Transactions& out) {
  Table* table = of_reader(reader);
  if (table == nullptr) return;
  ++version_;
  std::optional<ReadChunk> chunk = table->reader->take(number);
  if (!chunk) return;
  RecentChanges::Unseen unseen = recent_.unseen(table->request.name, chunk->view);
  ready_ = true;
  table->must_wait = false;
  forget_seen();
  if (publish_chunk(*table, std::move(*chunk), unseen, out)) finish(*table);
}

void Snapshots::finish(Table& table) {
  stop_reading(table);
  finished_ = true;
  table.progress.snapshotting = false;
  table.begin_anew();
}

void Snapshots::stop_reading(Table& table) {
  table.reader.reset();
  table.reader_number = 0;
}

// Whether nobody will ask any more what the transaction did to the table.
bool Snapshots::is_seen(const Table& table, std::uint32_t xid) const {
  return table.reader ? table.reader->sees(xid) : passed_ && passed_->sees(xid);
}

void Snapshots::forget_seen() {
  to_forget_ = 0;
  recent_.forget([this](const std::string& name, std::uint32_t xid) {
    const Table* table = find(name);
    return table == nullptr || is_seen(*table, xid);
  });
}

void Snapshots::forget_all() {
  recent_.forget_all();
  passed_.reset();
  remembering_ = ready_ = false;
}

Snapshots::Table* Snapshots::find(const std::string& name) {
  auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tables_[found->second];
}

const Snapshots::Table* Snapshots::find(const std::string& name) const {
  return const_cast<Snapshots*>(this)->find(name);
}

Snapshots::Table* Snapshots::of_reader(std::uint64_t number) {
  for (Table& table : tables_) {
    if (table.reader && table.reader_number == number) return &table;
  }
  return nullptr;
}

}  // namespace tandem::capture::postgres
