// The replica's tables: one SQLite table per source table, and our own beside them.
//
//   "Track"(... PRIMARY KEY(key)) WITHOUT ROWID
//       the source's rows, under the source's names
//   _tandem_position(id, log_identity, epoch, next, source_commit, source_ordinal, ts_ms,
//   next_mark)
//       one row; source_...: null before the first transaction and after a gap
//   _tandem_tables(name, schema, whole, covered)
//       schema: encode_schema; covered: how far chunks have come without a hole since the start
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

/// The source table's columns keep their names, declared types and collations, so that SQLite
/// compares them as the source does. Two exceptions keep values as they are: a column declared ANY
/// (in a STRICT table it converts nothing, elsewhere it would) and one with a form of its own have
/// no declared type.
std::string create_table_sql(const TableSchema& schema, const std::string& name);

std::string encode_schema(const TableSchema& schema);
TableSchema decode_schema(std::string_view bytes);

ReplicaPosition read_position(Database& database);
std::unordered_map<std::string, ReplicaTable> read_tables(Database& database);

}  // namespace tandem::state
