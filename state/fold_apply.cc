// Applying the steps of whole transactions to the replica's tables.
#include <algorithm>
#include <utility>

#include "state/fold.h"
#include "state/replica_tables.h"

namespace tandem::state {
namespace {

bool has_unchanged(const Row& row) {
  return std::any_of(row.begin(), row.end(),
                     [](const Value& value) { return value.is_unchanged(); });
}

// The row with the values that the stream left out taken from the row before.
std::unique_ptr<Row> filled(const Row& after, const std::optional<Row>& before,
                            const std::string& table) {
  auto row = std::make_unique<Row>(after);
  for (std::size_t i = 0; i < row->size(); ++i) {
    if (!(*row)[i].is_unchanged()) continue;
    if (!before || before->size() != row->size()) {
      throw Error("an unchanged value has no row before it", table,
                  "`tandem snapshot` the table; if it comes again, reset the state");
    }
    (*row)[i] = (*before)[i];
  }
  return row;
}

}  // namespace

void Fold::apply(const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    if (std::holds_alternative<Change>(*step.record)) {
      apply_change(step);
    } else if (std::holds_alternative<Begin>(*step.record)) {
      displaced_.clear();
    } else if (std::holds_alternative<Chunk>(*step.record)) {
      apply_run();
      apply_chunk(step);
    } else if (const auto* schema = std::get_if<SchemaRecord>(step.record)) {
      apply_run();
      marks_.set_offset(step.offset);
      apply_schema(*schema);
    } else if (std::holds_alternative<Gap>(*step.record)) {
      apply_run();
      marks_.set_offset(step.offset);
      apply_gap();
    }
  }
}

std::optional<Row> Fold::current(TableRows& rows, Run& run, const std::string& identity,
                                 const Row& key) {
  auto found = run.keys.find(identity);
  if (found == run.keys.end()) return rows.find(key);
  if (found->second.after == nullptr) return std::nullopt;
  return *found->second.after;
}

void Fold::apply_change(const Step& step) {
  const auto& change = std::get<Change>(*step.record);
  const std::string& table = step.batch->tables.at(change.table);
  TableRows* rows = rows_of(table);
  if (rows == nullptr)
    return;  // its schema is gone from the log; a schema record and chunks follow
  if (change.op == Op::kTruncate) {
    apply_run();
    marks_.set_offset(step.offset);
    apply_truncate(table);
    return;
  }
  Run& run = runs_[table];
  auto& displaced_rows = displaced_[table];
  const TableSchema& schema = rows->schema();
  if (change.op == Op::kDelete) {
    std::string identity = key_identity(schema, change.key_before);
    if (displaced_rows.erase(identity) > 0) return;
    run.keys.insert_or_assign(std::move(identity),
                              Net{change.key_before, nullptr, nullptr, step.offset});
    return;
  }
  Row key = schema.key_of(change.after);
  std::string identity = key_identity(schema, key);
  Net net{std::move(key), &change.after, nullptr, step.offset};
  std::string identity_before =
      change.key_before.empty() ? identity : key_identity(schema, change.key_before);
  if (identity_before != identity) {
    std::optional<Row> before;
    if (auto displaced = displaced_rows.find(identity_before); displaced != displaced_rows.end()) {
      before = std::move(displaced->second);
      displaced_rows.erase(displaced);
    } else {
      before = current(*rows, run, identity_before, change.key_before);
      run.keys.insert_or_assign(identity_before,
                                Net{change.key_before, nullptr, nullptr, step.offset});
    }
    // Who stands on the new key has a change of its own to come in this transaction.
    if (auto occupant = current(*rows, run, identity, net.key))
      displaced_rows[identity] = std::move(*occupant);
    if (has_unchanged(change.after)) net.own = filled(change.after, before, table);
  } else if (has_unchanged(change.after)) {
    net.own = filled(change.after, current(*rows, run, identity, net.key), table);
  }
  if (net.own != nullptr) net.after = net.own.get();
  run.keys.insert_or_assign(std::move(identity), std::move(net));
}

void Fold::apply_run() {
  for (auto& [table, run] : runs_) {
    TableRows* rows = rows_of(table);
    std::vector<Net*> order;
    order.reserve(run.keys.size());
    for (auto& [identity, net] : run.keys) order.push_back(&net);
    std::sort(order.begin(), order.end(),
              [](const Net* a, const Net* b) { return key_before(a->key, b->key); });
    for (Net* net : order) apply_net(*rows, *net);
  }
  runs_.clear();
}

void Fold::apply_net(TableRows& rows, Net& net) {
  std::optional<Row> before = rows.find(net.key);
  const Row* old = before ? &*before : nullptr;
  if (old == nullptr && net.after == nullptr) return;
  if (old != nullptr && net.after != nullptr && *old == *net.after) return;
  marks_.set_offset(net.offset);
  if (old != nullptr && listener_ != nullptr) {
    listener_->row_changed(rows.schema(), old, net.after, false, marks_);
  }
  if (net.after == nullptr) {
    rows.remove(net.key);
  } else {
    rows.put(*net.after);
    if (listener_ != nullptr) listener_->row_changed(rows.schema(), old, net.after, true, marks_);
  }
  ++written_;
}

void Fold::apply_chunk(const Step& step) {
  const auto& chunk = std::get<Chunk>(*step.record);
  const std::string& table = step.batch->tables.at(chunk.table);
  TableRows* rows = rows_of(table);
  if (rows == nullptr) return;
  marks_.set_offset(step.offset);
  written_ += rows->make_exact(chunk, [&](const Row* before, const Row* after, bool applied) {
    if (listener_ != nullptr)
      listener_->row_changed(rows->schema(), before, after, applied, marks_);
  });
  ReplicaTable& known = tables_.at(table);
  if (known.whole) return;
  auto covered = covered_.find(table);
  if (!chunk.from.empty() && (covered == covered_.end() || covered->second != chunk.from)) return;
  if (!chunk.to.empty()) {
    covered_[table] = chunk.to;
    save_table(table);
    return;
  }
  covered_.erase(table);
  known.whole = true;
  save_table(table);
  if (listener_ != nullptr) {
    tell_tables();
    listener_->table_whole(table, marks_);
  }
}

void Fold::apply_truncate(const std::string& table) {
  TableRows* rows = rows_of(table);
  written_ += rows->make_exact(Chunk{}, [&](const Row* before, const Row* after, bool applied) {
    if (listener_ != nullptr)
      listener_->row_changed(rows->schema(), before, after, applied, marks_);
  });
}

void Fold::apply_schema(const SchemaRecord& record) {
  const std::string& name = record.schema.name;
  rows_.erase(name);
  auto known = tables_.find(name);
  if (record.schema.columns.empty()) {
    if (known != tables_.end()) {
      database_.execute("DROP TABLE " + quote_identifier(name));
      tables_.erase(known);
    }
    covered_.erase(name);
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
      rebuild_table(known->second.schema, record.schema);
    }
    known->second.schema = record.schema;
    if (record.reread) known->second.whole = false;
  }
  if (record.reread) covered_.erase(name);
  save_table(name);
  tell_tables();
}

// Rows are kept by the names of their columns, so that the table read again is compared and not
// written anew; but not when its key is another.
void Fold::rebuild_table(const TableSchema& from, const TableSchema& to) {
  constexpr char kBeside[] = "_tandem_rebuilt";
  database_.execute(create_table_sql(to, kBeside));
  std::string common;
  for (const Column& column : to.columns) {
    if (from.find(column.name) >= 0)
      common += (common.empty() ? "" : ", ") + quote_identifier(column.name);
  }
  auto names = [](const TableSchema& schema) {
    std::vector<std::string> key;
    for (int index : schema.key)
      key.push_back(schema.columns.at(static_cast<std::size_t>(index)).name);
    return key;
  };
  if (names(from) == names(to)) {
    database_.execute(std::string("INSERT OR REPLACE INTO ") + kBeside + "(" + common +
                      ") SELECT " + common + " FROM " + quote_identifier(from.name));
  }
  database_.execute("DROP TABLE " + quote_identifier(from.name));
  database_.execute(std::string("ALTER TABLE ") + kBeside + " RENAME TO " +
                    quote_identifier(to.name));
}

void Fold::apply_gap() {
  covered_.clear();
  for (auto& [name, table] : tables_) {
    table.whole = false;
    save_table(name);
  }
  tell_tables();
}

TableRows* Fold::rows_of(const std::string& table) {
  auto known = tables_.find(table);
  if (known == tables_.end()) return nullptr;
  auto& rows = rows_[table];
  if (rows == nullptr) rows = std::make_unique<TableRows>(database_, known->second.schema);
  return rows.get();
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
