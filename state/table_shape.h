// How a source table is kept as a table of the replica.
//
// The columns keep their names, declared types and collations, so that SQLite compares them as the
// source does. A declared type must never alter a value, so some columns have none: one declared
// ANY (in a STRICT table it converts nothing, elsewhere it would), one with a form of its own, and
// one that met a value which its type would convert (the source's catalog was edited, or the value
// is older than the type). Only the form kInteger is declared, as INTEGER: SQLite uses no index to
// join a column that has a type to one that has none, and a lone INTEGER key is the rowid. Other
// tables are WITHOUT ROWID.
#pragma once

#include <string>

#include "state/schema.h"
#include "state/sqlite.h"

namespace tandem::state {

/// Throws Error if the name is one that Tandem keeps for itself.
std::string create_table_sql(const TableSchema& schema, const std::string& name);

/// True if the table's key is its rowid, which holds nothing but integers.
bool has_rowid_key(const TableSchema& schema);

/// The schema without the declared types that the replica's table does not have.
TableSchema stored_schema(Database& database, const TableSchema& schema);

/// Makes the table anew under the schema `to`. Rows are kept, by the names of their columns, if the
/// key has the same columns. The indexes are gone, unless `keep_indexes`.
void rebuild_table(Database& database, const TableSchema& from, const TableSchema& to,
                   bool keep_indexes);

}  // namespace tandem::state
