#include "state/fold.h"

#include <algorithm>
#include <utility>

#include "state/failpoint.h"
#include "state/replica_tables.h"

namespace tandem::state {
namespace {

std::size_t row_bytes(const Row& row) {
  std::size_t bytes = row.size() * sizeof(Value);
  for (const Value& value : row) bytes += value.bytes().size();
  return bytes;
}

struct Weight {
  std::size_t rows = 0, bytes = 0;
};

Weight weigh(const Record& record) {
  if (const auto* change = std::get_if<Change>(&record)) {
    return {1, 200 + row_bytes(change->after) * 2 + row_bytes(change->key_before)};
  }
  if (const auto* chunk = std::get_if<Chunk>(&record)) {
    Weight weight{chunk->rows.size(), 200};
    for (const Row& row : chunk->rows) weight.bytes += row_bytes(row);
    return weight;
  }
  return {0, 200};
}

}  // namespace

Fold::Fold(Database& database, const std::string& log_identity, FoldListener* listener,
           ReplicaOptions options)
    : database_(database),
      listener_(listener),
      options_(options),
      marks_(
          database,
          std::max(options.first_mark,
                   database.query_value("SELECT coalesce(max(next_mark), 1) FROM _tandem_position")
                       .as_integer())),
      save_position_(database.prepare(
          "INSERT OR REPLACE INTO _tandem_position VALUES(1, ?, ?, ?, ?, ?, ?, ?)")),
      save_table_(database.prepare("INSERT OR REPLACE INTO _tandem_tables VALUES(?, ?, ?, ?)")),
      forget_table_(database.prepare("DELETE FROM _tandem_tables WHERE name = ?")),
      tables_(read_tables(database)),
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

FoldResult Fold::take(std::shared_ptr<const Batch> batch, bool flush) {
  FoldResult result;
  for (std::size_t i = 0; i < batch->records.size(); ++i) {
    if (batch->offsets[i] < reached_.next) continue;
    take_record(batch, i);
    reached_.next = batch->offsets[i] + 1;
    if (!open_ &&
        (pending_rows_ >= options_.batch_rows || pending_bytes_ >= options_.memory_bytes)) {
      FoldResult part = commit_pending();
      result.transactions += part.transactions;
      result.rows += part.rows;
      result.rows_written += part.rows_written;
      result.committed = result.committed || part.committed;
    } else if (open_ && !skipping_ && steps_bytes_ >= options_.memory_bytes) {
      stream();
    }
  }
  if (flush) {
    FoldResult part = commit_pending();
    result.transactions += part.transactions;
    result.rows += part.rows;
    result.rows_written += part.rows_written;
    result.committed = result.committed || part.committed;
  }
  return result;
}

FoldResult Fold::flush() { return commit_pending(); }

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
  if (std::holds_alternative<Begin>(record)) {
    begin({batch, &record, offset});
  } else if (const auto* ended = std::get_if<End>(&record)) {
    end(*ended, offset);
  } else if (std::holds_alternative<Gap>(record)) {
    abandon();
    pending_.push_back({batch, &record, offset});
    // What comes after a gap may be an older state of the source.
    reached_.source = {};
    placed_ = false;
  } else if (std::holds_alternative<Heartbeat>(record)) {
    abandon();
  } else if (open_ && !skipping_) {
    Weight weight = weigh(record);
    steps_.push_back({batch, &record, offset});
    steps_rows_ += weight.rows;
    steps_bytes_ += weight.bytes;
  }
}

void Fold::begin(Step step) {
  abandon();
  open_ = true;
  begin_ = std::get<Begin>(*step.record);
  begin_offset_ = step.offset;
  skipping_ = placed_ && begin_.position <= reached_.source;
  if (!skipping_) steps_.push_back(std::move(step));
}

void Fold::end(const End& end, Offset offset) {
  if (!open_) return;
  open_ = false;
  if (skipping_) return;
  reached_.source = end.checkpoint.position;
  placed_ = true;
  reached_.ts_ms = begin_.ts_ms;
  ++pending_transactions_;
  if (streaming_) {
    apply(steps_);
    steps_.clear();
    apply_run();
    streaming_ = false;
    streamed_rows_ += static_cast<std::int64_t>(steps_rows_);
    pending_rows_ += static_cast<std::size_t>(std::exchange(streamed_rows_, 0));
    reached_.next = offset + 1;
    commit_transaction();
  } else {
    pending_.insert(pending_.end(), std::make_move_iterator(steps_.begin()),
                    std::make_move_iterator(steps_.end()));
    steps_.clear();
    pending_rows_ += steps_rows_;
    pending_bytes_ += steps_bytes_;
  }
  steps_rows_ = steps_bytes_ = 0;
}

// The open transaction never happened.
void Fold::abandon() {
  open_ = false;
  steps_.clear();
  steps_rows_ = steps_bytes_ = 0;
  streamed_rows_ = 0;
  if (!streaming_) return;
  streaming_ = false;
  runs_.clear();
  displaced_.clear();
  rows_.clear();
  database_.execute("ROLLBACK");
  marks_.discard();
  tables_ = read_tables(database_);
  read_covered();
  open_transaction();
  tell_tables();
  commit_transaction();
}

// Moves the open transaction's steps out of memory into an open SQLite transaction.
void Fold::stream() {
  if (!streaming_) {
    commit_pending();
    open_transaction();
    streaming_ = true;
  }
  apply(steps_);
  apply_run();
  steps_.clear();
  streamed_rows_ += static_cast<std::int64_t>(steps_rows_);
  steps_rows_ = steps_bytes_ = 0;
}

FoldResult Fold::commit_pending() {
  FoldResult result;
  if (streaming_) return result;
  Offset next = open_ ? begin_offset_ : reached_.next;
  if (pending_.empty() && pending_transactions_ == 0 && next == committed_.next) return result;
  result.rows = static_cast<std::int64_t>(std::exchange(pending_rows_, 0));
  result.transactions = std::exchange(pending_transactions_, 0);
  pending_bytes_ = 0;
  if (!pending_.empty() || committed_.next != next) {
    open_transaction();
    apply(pending_);
    apply_run();
    pending_.clear();
    commit_transaction();
  }
  result.rows_written = std::exchange(written_, 0);
  result.committed = true;
  return result;
}

void Fold::open_transaction() { database_.execute("BEGIN IMMEDIATE"); }

void Fold::commit_transaction() {
  marks_.write();
  save_position();
  TANDEM_FAILPOINT("fold.commit.before");
  database_.execute("COMMIT");
  TANDEM_FAILPOINT("fold.commit.after");
}

void Fold::mark(const std::function<void(Marks&)>& make) {
  commit_pending();
  if (streaming_)
    throw Error("a large transaction is being folded", "", "try again when it is done");
  open_transaction();
  marks_.set_offset(committed_.next - 1);
  make(marks_);
  commit_transaction();
}

void Fold::save_position() {
  // The offset of a transaction that is still open must be read again after a restart.
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
  save_position_.bind(6, position.ts_ms).bind(7, marks_.next()).run();
  committed_ = position;
}

}  // namespace tandem::state
