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

  void touch(const std::string& table, const state::Row& key) {
    auto found = tables_.find(table);
    if (found == tables_.end() || key.empty()) return;
    const state::TableSchema& schema = found->second.schema;
    if (auto row = find_row(reader_.database(), schema, key)) {
      listener_.row_changed(schema, nullptr, &*row, true, marks_);
    } else {
      // The row is gone, and with it the way to its documents: a root is marked by its key, and for
      // the rest every document that reads the table is looked at.
      state::Row row_key = key_alone(schema, key);
      listener_.row_changed(schema, &row_key, nullptr, false, marks_);
      if (gone_.insert(table).second) listener_.table_whole(table, marks_);
    }
  }

  void touch_after(const std::string& table, const state::Row& row) {
    auto found = tables_.find(table);
    if (found == tables_.end() || row.size() != found->second.schema.columns.size()) return;
    touch(table, found->second.schema.key_of(row));
  }

 private:
  state::ReplicaReader reader_;
  state::FoldListener& listener_;
  state::Marks& marks_;
  std::unordered_map<std::string, state::ReplicaTable> tables_;
  std::unordered_set<std::string> gone_;
};

}  // namespace

void mark_touched(state::ChangeLog& log, state::Offset from, const std::string& replica_path,
                  state::FoldListener& listener, state::Marks& marks) {
  Toucher toucher(replica_path, listener, marks);
  state::Offset end = log.next();
  if (from >= end) return;
  auto reader = log.reader(from);
  for (;;) {
    auto batch = reader->next(std::chrono::milliseconds(1000), {});
    if (batch == nullptr) return;
    for (const state::Record& record : batch->records) {
      if (const auto* change = std::get_if<state::Change>(&record)) {
        toucher.touch(batch->tables.at(change->table), change->key_before);
        toucher.touch_after(batch->tables.at(change->table), change->after);
      } else if (const auto* chunk = std::get_if<state::Chunk>(&record)) {
        for (const state::Row& row : chunk->rows) {
          toucher.touch_after(batch->tables.at(chunk->table), row);
        }
      }
    }
    if (!batch->offsets.empty() && batch->offsets.back() + 1 >= end) return;
  }
}

}  // namespace tandem::agent
