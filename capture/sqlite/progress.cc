#include "capture/sqlite/progress.h"

#include <algorithm>
#include <utility>

#include "capture/sqlite/index_text.h"
#include "state/failpoint.h"

namespace tandem::capture {
namespace {

// The fingerprint leaves unique keys out, since a new index does not change a row.
std::uint64_t hash_unique_keys(const state::TableSchema& schema) {
  std::string bytes;
  for (const std::vector<int>& unique : schema.unique_keys) {
    for (int column : unique) bytes += std::to_string(column) + ",";
    bytes += ";";
  }
  return stable_hash(bytes);
}

}  // namespace

void Progress::restore(const std::optional<state::Checkpoint>& checkpoint,
                       const std::optional<SourceState>& state) {
  tables_.clear();
  pending_.clear();
  if (!checkpoint || !state) return;
  for (std::size_t i = 0; i < checkpoint->tables.size(); ++i) {
    Table table;
    table.progress = checkpoint->tables[i];
    if (i < state->tables.size()) table.tag = state->tables[i];
    tables_.push_back(std::move(table));
  }
}

Progress::Table& Progress::table(const std::string& name) {
  for (Table& table : tables_) {
    if (table.progress.table == name) return table;
  }
  tables_.emplace_back();
  tables_.back().progress.table = name;
  return tables_.back();
}

void Progress::adopt(state::Database& database, const Installation& found) {
  pending_.clear();
  // Whatever is not there any more goes first: a table may have been renamed by case only.
  for (const Table& table : tables_) {
    const std::string& name = table.progress.table;
    bool there = std::any_of(found.captured.begin(), found.captured.end(), [&](const auto& entry) {
      return entry.usable() && entry.shape->schema.name == name;
    });
    if (!there) pending_.push_back({{name, {}, {}, {}}, true});
  }
  for (const PendingSchema& gone : pending_) {
    std::erase_if(tables_, [&](const Table& t) { return t.progress.table == gone.schema.name; });
  }
  for (const CapturedTable& captured : found.captured) {
    if (!captured.usable()) continue;
    const state::TableSchema& schema = captured.shape->schema;
    Table& known = table(schema.name);
    std::uint64_t fingerprint = schema.fingerprint();
    std::uint64_t indexes = hash_unique_keys(schema);
    bool reread = known.progress.fingerprint != fingerprint || known.tag.number != captured.number;
    if (reread) {
      known.progress.snapshotting = true;
      known.progress.next_from.clear();
    }
    if (reread || known.tag.indexes != indexes) pending_.push_back({schema, reread});
    known.progress.fingerprint = fingerprint;
    known.tag = {captured.number, indexes};
    known.reader = std::make_unique<TableReader>(database, captured);
  }
}

void Progress::log_schemas(Transactions& out) {
  for (PendingSchema& pending : pending_) {
    if (!pending.schema.columns.empty()) table(pending.schema.name).described = true;
    out.schema(std::move(pending.schema), pending.reread);
  }
  pending_.clear();
  for (Table& table : tables_) {
    if (!table.reader || std::exchange(table.described, true)) continue;
    out.schema(table.reader->schema(), false);
  }
}

TableReader* Progress::reader(std::int64_t number) {
  for (Table& table : tables_) {
    if (table.tag.number == number) return table.reader.get();
  }
  return nullptr;
}

void Progress::read_again(std::int64_t number) {
  for (Table& table : tables_) {
    if (table.tag.number != number || !table.reader) continue;
    table.progress.snapshotting = true;
    table.progress.next_from.clear();
    pending_.push_back({table.reader->schema(), true});
  }
}

void Progress::chunk(Transactions& out) {
  for (Table& table : tables_) {
    if (!table.progress.snapshotting || !table.reader) continue;
    table.reader->chunk(table.progress, out);
    TANDEM_FAILPOINT("capture.chunk.after");
    return;
  }
}

bool Progress::snapshotting() const {
  return std::any_of(tables_.begin(), tables_.end(), [](const Table& table) {
    return table.progress.snapshotting && table.reader != nullptr;
  });
}

void Progress::request_snapshot(const std::string& name) {
  for (Table& table : tables_) {
    if (!same_name(table.progress.table, name)) continue;
    table.progress.snapshotting = true;
    table.progress.next_from.clear();
  }
}

void Progress::save(state::Checkpoint& checkpoint, SourceState& state) const {
  for (const Table& table : tables_) {
    checkpoint.tables.push_back(table.progress);
    state.tables.push_back(table.tag);
  }
}

}  // namespace tandem::capture
