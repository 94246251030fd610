// What SQLite's catalog says of a table, as capture needs it: columns with collations, the key that
// identifies a row, and every way in which two rows may collide.
//
// Threads: none of its own; uses the connection it is given. Errors: SqliteError of the connection.
// A table that cannot be captured is a value (`refusal`), not an error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "capture/source.h"
#include "state/schema.h"
#include "state/sqlite.h"

namespace tandem::capture {

/// One term of a unique key: a column, or an expression (column is -1 then).
struct UniqueTerm {
  int column = -1;
  std::string expression;
  std::string collation;
};

/// A way in which a new row may displace an old one.
struct UniqueKey {
  std::string index;      // the index's name; "" for the rowid
  bool is_rowid = false;  // the rowid itself, or the INTEGER PRIMARY KEY that stands for it
  std::vector<UniqueTerm> terms;
  std::string where;  // of a partial index
};

struct TableShape {
  state::TableSchema schema;
  std::string refusal;  // why it cannot be captured, with the choices; "" if it can
  std::vector<std::string> primary_key;
  std::vector<ForeignKey> foreign_keys;
  std::vector<UniqueKey> uniques;
  int key_unique = -1;                      // the one of `uniques` that makes the key unique
  std::vector<std::string> key_collations;  // of the index that finds the key's columns
  std::vector<std::string> null_becomes;  // by column: what REPLACE puts for a null, "" if nothing
  std::vector<int> null_unforeseen;       // columns where nobody can tell what it puts
  std::string rowid;  // a name by which SQL reaches the rowid, "" if there is none
  bool key_may_be_null = false;
  std::vector<std::string> unknown_collations;  // columns whose collation only the application has
};

/// True for names that are Tandem's own.
bool is_own_name(std::string_view name);

/// The table's shape under its name in the catalog (found without regard to case), nothing if there
/// is no such table or view.
std::optional<TableShape> read_shape(state::Database& database, const TableRequest& request);

/// All tables and views but SQLite's and Tandem's own.
Catalog read_catalog(state::Database& database, const std::vector<TableRequest>& requests);

/// A row whose key is null in part cannot be told from others. Returns a query that shows such
/// rows, "" if the table has none.
std::string query_of_null_keys(state::Database& database, const TableShape& shape);

}  // namespace tandem::capture
