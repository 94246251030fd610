#include "agent/replay.h"

#include <chrono>
#include <unordered_set>
#include <variant>

namespace tandem::agent {
namespace {

// The row as the replica holds it, or nothing.
std::optional<state::Row> find_row(state::Database& replica, const state::TableSchema& schema,
                                   const state::Row& key) {
  std::string sql = "SELECT ";
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    sql += (i == 0 ? "" : ", ") + state::quote_identifier(schema.columns[i].name);
  }
  sql += " FROM " + state::quote_identifier(schema.name) + " WHERE ";
  for (std::size_t i = 0; i < schema.key.size(); ++i) {
    const auto& column = schema.columns[static_cast<std::size_t>(schema.key[i])];
    sql += (i == 0 ? "" : " AND ") + state::quote_identifier(column.name) + " IS ?";
  }
  state::Statement select = replica.prepare(sql);
  select.bind_row(1, key);
  if (!select.step()) return std::nullopt;
  return select.row(0, static_cast<int>(schema.columns.size()));
}

// A row of which only the key is left: what a deletion tells.
state::Row key_alone(const state::TableSchema& schema, const state::Row& key) {
  state::Row row(schema.columns.size());
  for (std::size_t i = 0; i < schema.key.size() && i < key.size(); ++i) {
    row[static_cast<std::size_t>(schema.key[i])] = key[i];
  }
  return row;
}

class Toucher {
 public:
  Toucher(const std::string& replica_path, state::FoldListener& listener, state::Marks& marks)
      : reader_(replica_path), listener_(listener), marks_(marks) {
    reader_.renew();
    tables_ = reader_.tables();
  }

  /// A row was written or removed. Its root documents are found by its key. The documents that it
  /// is related to may have been others than today's: the log does not know what it was before.
  void touch(const std::string& table, const state::Row& key) {
    auto found = tables_.find(table);
    if (found == tables_.end() || key.empty()) return;
    const state::TableSchema& schema = found->second.schema;
    if (key.size() != schema.key.size()) return touch_all(table);  // of a former key
    if (auto row = find_row(reader_.database(), schema, key)) {
      listener_.row_changed(schema, nullptr, &*row, true, marks_);
    } else {
      state::Row row_key = key_alone(schema, key);
      listener_.row_changed(schema, &row_key, nullptr, false, marks_);
    }
    if (touched_.insert(table).second) listener_.table_touched(table, false, marks_);
  }

  /// Any row of the table may have been written or removed.
  void touch_all(const std::string& table) {
    if (all_touched_.insert(table).second) listener_.table_touched(table, true, marks_);
  }

  void touch_after(const std::string& table, const state::Row& row) {
    auto found = tables_.find(table);
    if (found == tables_.end() || row.empty()) return;
    if (row.size() != found->second.schema.columns.size()) return touch_all(table);
    touch(table, found->second.schema.key_of(row));
  }

 private:
  state::ReplicaReader reader_;
  state::FoldListener& listener_;
  state::Marks& marks_;
  std::unordered_map<std::string, state::ReplicaTable> tables_;
  std::unordered_set<std::string> touched_, all_touched_;
};

}  // namespace

void mark_touched(state::ChangeLog& log, state::Offset from, const std::string& replica_path,
                  state::FoldListener& listener, state::Marks& marks, std::stop_token stop) {
  Toucher toucher(replica_path, listener, marks);
  state::Offset end = log.next();
  if (from >= end) return;
  auto reader = log.reader(from);
  while (!stop.stop_requested() && reader->position() < end) {
    auto batch = reader->next(std::chrono::milliseconds(1000), stop);
    if (batch == nullptr) continue;
    for (const state::Record& record : batch->records) {
      if (const auto* change = std::get_if<state::Change>(&record)) {
        const std::string& table = batch->tables.at(change->table);
        if (change->op == state::Op::kTruncate) toucher.touch_all(table);
        toucher.touch(table, change->key_before);
        toucher.touch_after(table, change->after);
      } else if (const auto* chunk = std::get_if<state::Chunk>(&record)) {
        // What the chunk does not hold any more was removed by it.
        toucher.touch_all(batch->tables.at(chunk->table));
      }
    }
  }
}

}  // namespace tandem::agent
