// The replica's tables: one SQLite table per source table, and our own beside them.
//
//   "Track"(...)
//       the source's rows, under the source's names (table_shape.h)
//   _tandem_position(id, log_identity, epoch, next, source_commit, source_ordinal, ts_ms,
//   next_mark)
//       one row; source_...: null before the first transaction and after a gap
//   _tandem_tables(name, schema, whole, covered)
//       schema: encode_schema; covered: how far chunks have come without a hole since the start
//   _tandem_unseen(name, key)
//       keys that the snapshot under way has not come across (unseen_keys.h); key: key_identity
//   _tandem_documents(id, name)
//       names of documents as small numbers
//   _tandem_marks(document, root, number, offset)
//   _tandem_wide_marks(document, path, vals, number, offset)
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "state/replica.h"

namespace tandem::state {

/// Makes our own tables if they are missing.
void create_own_tables(Database& database);

std::string encode_schema(const TableSchema& schema);
TableSchema decode_schema(std::string_view bytes);

ReplicaPosition read_position(Database& database);
std::unordered_map<std::string, ReplicaTable> read_tables(Database& database);

}  // namespace tandem::state
