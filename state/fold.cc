#include "state/fold.h"

#include <algorithm>
#include <utility>

#include "state/failpoint.h"
#include "state/replica_tables.h"

namespace tandem::state {
namespace {

// A record by itself, without its values.
constexpr std::size_t kBytesARecord = 200;

std::size_t bytes_of(const Row& row) {
  std::size_t bytes = row.size() * sizeof(Value);
  for (const Value& value : row) {
    if (value.kind() == ValueKind::kText || value.kind() == ValueKind::kBlob) {
      bytes += value.bytes().size();
    }
  }
  return bytes;
}

std::size_t bytes_of(const Record& record) {
  std::size_t bytes = kBytesARecord;
  if (const auto* change = std::get_if<Change>(&record)) {
    bytes += bytes_of(change->after) + bytes_of(change->key_before);
  } else if (const auto* chunk = std::get_if<Chunk>(&record)) {
    for (const Row& row : chunk->rows) bytes += bytes_of(row);
  }
  return bytes;
}

std::int64_t rows_of(const Record& record) {
  if (std::holds_alternative<Change>(record)) return 1;
  if (const auto* chunk = std::get_if<Chunk>(&record)) {
    return static_cast<std::int64_t>(chunk->rows.size());
  }
  return 0;
}

MarkNumber next_mark(Database& database) {
  return database.query_value("SELECT coalesce(max(next_mark), 1) FROM _tandem_position")
      .as_integer();
}

}  // namespace

Fold::Fold(Database& database, const std::string& log_identity, FoldListener* listener,
           ReplicaOptions options)
    : database_(database),
      listener_(listener),
      options_(options),
      marks_(database, std::max(options.first_mark, next_mark(database))),
      sweep_(database),
      save_position_(database.prepare(
          "INSERT OR REPLACE INTO _tandem_position VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?)")),
      save_table_(database.prepare("INSERT OR REPLACE INTO _tandem_tables VALUES(?, ?, ?, ?)")),
      forget_table_(database.prepare("DELETE FROM _tandem_tables WHERE name = ?")),
      tables_(read_tables(database)),
      unseen_(database),
      committed_(read_position(database)) {
  committed_.log_identity = log_identity;
  reached_ = committed_;
  placed_ = !database.query_value("SELECT source_commit FROM _tandem_position").is_null();
  read_covered();
  open_transaction();
  tell_tables();
  commit_transaction();
}

void Fold::read_covered() {
  covered_.clear();
  auto select =
      database_.prepare("SELECT name, covered FROM _tandem_tables WHERE covered IS NOT NULL");
  while (select.step()) covered_[select.text(0)] = decode_row(select.view(1));
}

FoldResult Fold::take(const std::shared_ptr<const Batch>& batch, bool flush) {
  bool cut_off = batch->from > std::max(reached_.next, kFirstOffset);
  for (std::size_t i = 0; i < batch->records.size(); ++i) {
    if (batch->offsets[i] < reached_.next) continue;
    if (cut_off && out_of_reach(batch->records[i])) continue;
    cut_off = false;
    take_record(batch, i);
    reached_.next = batch->offsets[i] + 1;
    if (!open_ && enough()) {
      commit();
    } else if (open_ && !skipping_ && step_bytes_ >= options_.memory_bytes) {
      stream();
    }
  }
  if (flush) commit();
  return std::exchange(result_, {});
}

// The log let go of what comes next. What is behind the hole does not fit what is here; a gap,
// after which everything is read again, does. Until then the position stays, so that a restart
// meets the hole too.
bool Fold::out_of_reach(const Record& record) {
  if (std::holds_alternative<Gap>(record)) return false;
  if (const auto* epoch = std::get_if<Epoch>(&record)) {
    reached_.epoch = std::max(reached_.epoch, epoch->epoch);
  }
  return true;
}

FoldResult Fold::flush() {
  commit();
  return std::exchange(result_, {});
}

bool Fold::enough() const {
  if (static_cast<std::size_t>(pending_rows_) >= options_.batch_rows) return true;
  std::size_t bytes = 0;
  for (const auto& [table, open] : opened_) bytes += open.changes.bytes();
  return bytes >= options_.memory_bytes;
}

void Fold::take_record(const std::shared_ptr<const Batch>& batch, std::size_t index) {
  const Record& record = batch->records[index];
  Offset offset = batch->offsets[index];
  if (const auto* epoch = std::get_if<Epoch>(&record)) {
    if (epoch->epoch <= reached_.epoch) return;
    abandon();
    reached_.epoch = epoch->epoch;
    return;
  }
  // A capture that has been succeeded may have had one more append on its way.
  if (batch->epoch < reached_.epoch) return;
  if (const auto* begun = std::get_if<Begin>(&record)) {
    begin(*begun, offset);
  } else if (const auto* ended = std::get_if<End>(&record)) {
    end(*ended);
  } else if (std::holds_alternative<Gap>(record)) {
    abandon();
    apply({batch, &record, offset});
    // What comes after a gap may be an older state of the source.
    reached_.source = {};
    reached_.gap = offset;
    placed_ = false;
  } else if (std::holds_alternative<Heartbeat>(record)) {
    abandon();
  } else if (open_ && !skipping_) {
    step_rows_ += rows_of(record);
    step_bytes_ += bytes_of(record);
    steps_.push_back({batch, &record, offset});
  }
}

void Fold::begin(const Begin& begin, Offset offset) {
  abandon();
  open_ = true;
  begin_ = begin;
  begin_offset_ = offset;
  skipping_ = placed_ && begin.position <= reached_.source;
}

void Fold::end(const End& end) {
  if (!open_) return;
  open_ = false;
  if (skipping_) return;
  if (!streaming_) {
    for (auto& [table, open] : opened_) open.changes.leave_topmost();
  }
  for (const Step& step : steps_) apply(step);
  steps_.clear();
  streaming_ = false;
  reached_.source = end.checkpoint.position;
  reached_.ts_ms = begin_.ts_ms;
  placed_ = true;
  ++pending_transactions_;
  pending_rows_ += std::exchange(step_rows_, 0);
  step_bytes_ = 0;
}

// The open transaction never happened.
void Fold::abandon() {
  open_ = false;
  steps_.clear();
  step_rows_ = 0;
  step_bytes_ = 0;
  if (!streaming_) return;
  streaming_ = false;
  opened_.clear();
  database_.execute("ROLLBACK");
  writing_ = false;
  pending_written_ = 0;
  marks_.discard();
  tables_ = read_tables(database_);
  read_covered();
  unseen_.reload();
  open_transaction();
  tell_tables();
}

// Moves the open transaction's steps out of memory into an SQLite transaction.
void Fold::stream() {
  if (!streaming_) {
    commit();
    open_transaction();
    streaming_ = true;
    for (auto& [table, open] : opened_) open.changes.leave_topmost();
  }
  for (const Step& step : steps_) apply(step);
  steps_.clear();
  step_bytes_ = 0;
  write_changes();
}

// Commits what is whole.
void Fold::commit() {
  if (streaming_) return;
  Offset next = open_ ? begin_offset_ : reached_.next;
  if (!writing_ && pending_transactions_ == 0 && next == committed_.next) return;
  open_transaction();
  write_changes();
  commit_transaction();
  result_.transactions += std::exchange(pending_transactions_, 0);
  result_.rows += std::exchange(pending_rows_, 0);
  result_.rows_written += std::exchange(pending_written_, 0);
  result_.committed = true;
}

void Fold::open_transaction() {
  if (writing_) return;
  database_.execute("BEGIN IMMEDIATE");
  writing_ = true;
  // Whatever the commit folds has come at this offset or behind it.
  marks_.set_offset(committed_.next);
}

void Fold::commit_transaction() {
  marks_.write();
  save_position();
  TANDEM_FAILPOINT("fold.commit.before");
  database_.execute("COMMIT");
  writing_ = false;
  TANDEM_FAILPOINT("fold.commit.after");
}

void Fold::mark(const std::function<void(Marks&)>& make) {
  commit();
  open_transaction();
  marks_.set_offset(committed_.next - 1);
  make(marks_);
  commit_transaction();
}

std::int64_t Fold::sweep(const std::string& ledger_path) {
  // The marks of an open transaction would be committed with it.
  if (writing_) return 0;
  return sweep_.sweep(ledger_path);
}

void Fold::save_position() {
  // The transaction that is still open must be read again after a restart.
  ReplicaPosition position = reached_;
  if (open_) position.next = begin_offset_;
  save_position_.bind(1, std::string_view(position.log_identity));
  save_position_.bind(2, static_cast<std::int64_t>(position.epoch)).bind(3, position.next);
  if (placed_) {
    save_position_.bind(4, static_cast<std::int64_t>(position.source.commit));
    save_position_.bind(5, static_cast<std::int64_t>(position.source.ordinal));
  } else {
    save_position_.bind_null(4).bind_null(5);
  }
  save_position_.bind(6, position.ts_ms).bind(7, marks_.next());
  save_position_.bind(8, position.gap).run();
  committed_ = position;
}

}  // namespace tandem::state
