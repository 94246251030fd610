// Applying the records of whole transactions to the replica's tables.
#include <utility>

#include "state/fold.h"
#include "state/replica_tables.h"
#include "state/table_shape.h"

namespace tandem::state {

void Fold::apply(const Step& step) {
  if (const auto* change = std::get_if<Change>(step.record);
      change != nullptr && change->op != Op::kTruncate) {
    apply_change(step, *change);
    return;
  }
  // The rest concerns whole tables, and comes after the changes before it.
  open_transaction();
  write_changes();
  if (const auto* truncate = std::get_if<Change>(step.record)) {
    apply_truncate(step.batch->tables.at(truncate->table));
  } else if (const auto* chunk = std::get_if<Chunk>(step.record)) {
    apply_chunk(step, *chunk);
  } else if (const auto* schema = std::get_if<SchemaRecord>(step.record)) {
    apply_schema(*schema);
  } else {
    apply_gap();
  }
}

void Fold::apply_change(const Step& step, const Change& change) {
  // A table without a schema has gone; if it comes again, a schema and chunks precede its changes.
  const std::string& table = step.batch->tables.at(change.table);
  Open* open = open_table(table);
  if (open == nullptr) return;
  const bool known = open->changes.add(change, [&](const Row& key) {
    open_transaction();  // a key that the table can't hold yet makes it be rebuilt
    return open->rows.find(key);
  });
  ReplicaTable& replica = tables_.at(table);
  if (known || !replica.whole) return;
  // The source had a row that nobody told of (a partition that was attached with its rows): the
  // table is not whole until it has been read again.
  open_transaction();
  replica.whole = false;
  covered_.erase(table);
  save_table(table);
  tell_tables();
}

void Fold::write_changes() {
  for (auto& [table, open] : opened_) {
    if (open.changes.empty()) continue;
    for (const NetChange* net : open.changes.in_key_order()) apply_net(open.rows, *net);
    open.changes.clear();
  }
}

void Fold::apply_net(TableRows& rows, const NetChange& net) {
  unseen_.take_out(rows.schema(), net.key);
  std::optional<Row> before = rows.find(net.key);
  if (!before && net.gone) return;
  std::optional<Row> after;
  if (!net.gone) after = decode_row(net.after);
  if (before && after && *before == *after) return;
  TableRows::Changed tell = tell_row(rows.schema());
  const Row* old = before ? &*before : nullptr;
  const Row* now = after ? &*after : nullptr;
  if (old != nullptr) tell(old, now, false);
  if (now == nullptr) {
    rows.remove(net.key);
  } else if (old == nullptr) {
    rows.insert(*now);
  } else {
    rows.replace(*old, *now);
  }
  if (now != nullptr) tell(old, now, true);
  ++pending_written_;
}

void Fold::apply_chunk(const Step& step, const Chunk& chunk) {
  const std::string& table = step.batch->tables.at(chunk.table);
  Open* open = open_table(table);
  if (open == nullptr) return;
  auto covered = covered_.find(table);
  const bool joins =
      chunk.from.empty() || (covered != covered_.end() && covered->second == chunk.from);
  ReplicaTable& known = tables_.at(table);
  if (open->rows.schema().has_ordered_key()) {
    pending_written_ += open->rows.make_exact(chunk, tell_row(open->rows.schema()));
    if (known.whole) return;
  } else {
    apply_unordered(open->rows, chunk, joins && chunk.to.empty());
  }
  if (!joins) return;
  if (!chunk.to.empty()) {
    covered_[table] = chunk.to;
    save_table(table);
    return;
  }
  covered_.erase(table);
  const bool was_whole = std::exchange(known.whole, true);
  save_table(table);
  if (was_whole) return;
  if (listener_ != nullptr) {
    tell_tables();
    listener_->table_whole(table, marks_);
  }
}

// The chunk's range means other rows here than at the source.
void Fold::apply_unordered(TableRows& rows, const Chunk& chunk, bool last) {
  const TableSchema& schema = rows.schema();
  if (chunk.from.empty()) unseen_.fill(schema);
  // Into an empty table, hardly a row is there before its chunk.
  pending_written_ += rows.put(chunk, unseen_.empty(schema.name), tell_row(schema));
  for (const Row& row : chunk.rows) unseen_.take_out(schema, schema.key_of(row));
  for (const Row& key : chunk.touched) unseen_.take_out(schema, key);
  if (!last) return;
  constexpr std::size_t kPage = 20'000;
  for (;;) {
    const std::vector<Row> gone = unseen_.take_some(schema.name, kPage);
    if (gone.empty()) return;
    for (const Row& key : gone) pending_written_ += rows.remove_if_there(key, tell_row(schema));
  }
}

void Fold::apply_truncate(const std::string& table) {
  Open* open = open_table(table);
  if (open == nullptr) return;
  unseen_.clear(table);
  open->changes.leave_topmost();
  pending_written_ += open->rows.make_exact(Chunk{}, tell_row(open->rows.schema()));
}

void Fold::apply_schema(const SchemaRecord& record) {
  const std::string& name = record.schema.name;
  opened_.erase(name);
  auto known = tables_.find(name);
  if (record.schema.columns.empty()) {
    if (known != tables_.end()) {
      database_.execute("DROP TABLE " + quote_identifier(name));
      tables_.erase(known);
    }
    covered_.erase(name);
    unseen_.clear(name);
    forget_table_.bind(1, std::string_view(name)).run();
    tell_tables();
    return;
  }
  if (known == tables_.end()) {
    database_.execute(create_table_sql(record.schema, name));
    tables_[name] = {record.schema, false};
  } else {
    if (known->second.schema.columns != record.schema.columns ||
        known->second.schema.key != record.schema.key) {
      // Rows are kept, so that the table read again is compared and not written anew.
      rebuild_table(database_, known->second.schema, record.schema, false);
      if (!known->second.schema.has_ordered_key()) covered_.erase(name);
      unseen_.clear(name);
    }
    known->second.schema = record.schema;
    if (record.reread) known->second.whole = false;
  }
  if (record.reread) {
    covered_.erase(name);
    unseen_.clear(name);
  }
  save_table(name);
  tell_tables();
}

void Fold::apply_gap() {
  covered_.clear();
  unseen_.clear();
  for (auto& [name, table] : tables_) {
    table.whole = false;
    save_table(name);
  }
  tell_tables();
}

Fold::Open* Fold::open_table(const std::string& table) {
  auto opened = opened_.find(table);
  if (opened != opened_.end()) return &opened->second;
  auto known = tables_.find(table);
  if (known == tables_.end()) return nullptr;
  return &opened_.try_emplace(table, database_, known->second.schema).first->second;
}

TableRows::Changed Fold::tell_row(const TableSchema& schema) {
  return [this, &schema](const Row* before, const Row* after, bool applied) {
    if (listener_ != nullptr) listener_->row_changed(schema, before, after, applied, marks_);
  };
}

void Fold::save_table(const std::string& name) {
  const ReplicaTable& table = tables_.at(name);
  save_table_.bind(1, std::string_view(name)).bind_blob(2, encode_schema(table.schema));
  save_table_.bind(3, std::int64_t{table.whole});
  auto covered = covered_.find(name);
  if (covered == covered_.end()) {
    save_table_.bind_null(4);
  } else {
    save_table_.bind_blob(4, encode_row(covered->second));
  }
  save_table_.run();
}

void Fold::tell_tables() {
  if (listener_ != nullptr) listener_->tables_changed(database_, tables_, marks_);
}

}  // namespace tandem::state
