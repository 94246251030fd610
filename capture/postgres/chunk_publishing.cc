#include "capture/postgres/chunk_publishing.h"

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace tandem::capture::postgres {
namespace {

using state::Row;

// "Of this row these columns are so": everything else is left as it is.
Row partial(const state::TableSchema& schema, const Row& key, const Row& from,
            const std::vector<int>& columns) {
  Row row(schema.columns.size(), state::Value::unchanged());
  for (std::size_t i = 0; i < schema.key.size(); ++i) {
    row[static_cast<std::size_t>(schema.key[i])] = key[i];
  }
  for (int column : columns) {
    row[static_cast<std::size_t>(column)] = from[static_cast<std::size_t>(column)];
  }
  return row;
}

bool publish_range(SnapshotTable& table, ReadChunk chunk, const RecentChanges::Unseen& unseen,
                   Transactions& out) {
  const std::uint64_t fingerprint = chunk.schema.fingerprint();
  const bool same = fingerprint == table.progress.fingerprint && chunk.oid == table.oid;
  const bool moved = !chunk.from.empty() && chunk.storage != table.storage;
  if (moved || (!same && !chunk.from.empty()) || (same && chunk.from != table.progress.next_from)) {
    table.begin_anew();
    table.reader->restart({});
    return false;
  }
  const std::string& name = table.request.name;
  if (!same || (table.untold && chunk.from.empty())) {
    table.untold = false;
    table.described = true;
    out.schema(chunk.schema, true);
    table.progress.fingerprint = fingerprint;
    table.oid = chunk.oid;
  } else if (!std::exchange(table.described, true)) {
    out.schema(chunk.schema, false);
  }
  if (chunk.from.empty()) table.storage = chunk.storage;
  std::vector<Row> touched;
  bool fill = false;
  for (const auto& [identity, key] : unseen.keys) {
    touched.push_back(key.key);
    fill = fill || !key.unchanged.empty();
  }
  std::vector<std::pair<Row, Row>> fills;  // key, row
  if (fill) {
    for (const Row& row : chunk.rows) {
      Row key = chunk.schema.key_of(row);
      auto found = unseen.keys.find(state::encode_row(key));
      if (found == unseen.keys.end() || found->second.unchanged.empty()) continue;
      fills.emplace_back(key, partial(chunk.schema, key, row, found->second.unchanged));
    }
  }
  bool last = chunk.to.empty();
  if (last && !table.asked.empty()) {
    // The table is not whole before those are there. They become no more from here on.
    last = false;
    table.gathered = true;
    chunk.to = chunk.rows.empty() ? chunk.from : chunk.schema.key_of(chunk.rows.back());
    table.reader->restart(chunk.to);
    if (chunk.rows.empty()) return false;
  }
  table.progress.next_from = chunk.to;
  out.chunk(name, std::move(chunk.from), std::move(chunk.to), std::move(chunk.rows),
            std::move(touched));
  for (auto& [key, row] : fills) out.change(name, state::Op::kUpdate, {}, std::move(row));
  return last;
}

void publish_asked(SnapshotTable& table, ReadChunk chunk, const RecentChanges::Unseen& unseen,
                   Transactions& out) {
  if (chunk.schema.fingerprint() != table.progress.fingerprint) {
    // It was read before a change of columns, or before that was logged.
    std::vector<Row> again;
    for (Row& key : chunk.asked) {
      if (key.size() == chunk.schema.key.size()) {
        again.push_back(std::move(key));
      } else {
        table.asked.erase(state::encode_row(key));
      }
    }
    if (!again.empty()) table.reader->ask(std::move(again));
    return;
  }
  const std::string& name = table.request.name;
  std::unordered_map<std::string, Row> rows;
  for (Row& row : chunk.rows) {
    std::string identity = state::encode_row(chunk.schema.key_of(row));
    rows.emplace(std::move(identity), std::move(row));
  }
  std::vector<Row> again;
  std::unordered_set<std::string> answered;  // the same key may have been asked for twice
  for (const Row& key : chunk.asked) {
    const std::string identity = state::encode_row(key);
    if (!answered.insert(identity).second) continue;
    auto later = unseen.keys.find(identity);
    if (later != unseen.keys.end() && later->second.unknown) {
      again.push_back(key);
      continue;
    }
    table.asked.erase(identity);
    auto row = rows.extract(identity);
    if (row.empty()) {
      if (later == unseen.keys.end()) out.change(name, state::Op::kDelete, key, {});
    } else if (later == unseen.keys.end()) {
      out.change(name, state::Op::kUpdate, {}, std::move(row.mapped()));
    } else if (!later->second.unchanged.empty()) {
      out.change(name, state::Op::kUpdate, {},
                 partial(chunk.schema, key, row.mapped(), later->second.unchanged));
    }
  }
  if (!again.empty()) table.reader->ask(std::move(again));
}

}  // namespace

bool publish_chunk(SnapshotTable& table, ReadChunk chunk, const RecentChanges::Unseen& unseen,
                   Transactions& out) {
  if (unseen.whole_table) {
    // What the chunk shows is no longer there.
    if (chunk.asked.empty()) {
      table.reader->restart(table.progress.next_from);
    } else {
      table.reader->ask(std::move(chunk.asked));
    }
    return false;
  }
  if (chunk.asked.empty()) return publish_range(table, std::move(chunk), unseen, out);
  publish_asked(table, std::move(chunk), unseen, out);
  return false;
}

}  // namespace tandem::capture::postgres
