#include "capture/sqlite/catalog.h"

#include <algorithm>
#include <utility>

#include "capture/sqlite/index_text.h"

namespace tandem::capture {
namespace {

using state::Database;
using state::quote_identifier;
using state::Statement;

struct Listing {
  std::string name, kind;
  bool without_rowid = false;
};

std::optional<Listing> find_listing(Database& database, const std::string& name) {
  Statement query(database,
                  "SELECT name, type, wr FROM pragma_table_list "
                  "WHERE schema = 'main' AND name = ?1 COLLATE NOCASE");
  query.bind(1, std::string_view(name));
  if (!query.step()) return std::nullopt;
  return Listing{query.text(0), query.text(1), query.integer(2) != 0};
}

struct ColumnFact {
  bool not_null = false;
  int primary = 0;  // place in the primary key, from 1
};

std::vector<ColumnFact> read_columns(Database& database, TableShape& shape) {
  std::vector<ColumnFact> facts;
  std::vector<std::string> defaults;
  Statement query(database,
                  "SELECT name, type, \"notnull\", dflt_value, pk, hidden "
                  "FROM pragma_table_xinfo(?1, 'main') ORDER BY cid");
  query.bind(1, std::string_view(shape.schema.name));
  while (query.step()) {
    state::Column column;
    column.name = query.text(0);
    column.declared_type = query.text(1);
    column.generated = query.integer(5) >= 2;
    shape.schema.columns.push_back(std::move(column));
    facts.push_back({query.integer(2) != 0, static_cast<int>(query.integer(4))});
    defaults.push_back(query.text(3));
  }
  for (std::size_t i = 0; i < facts.size(); ++i) {
    bool replaced = facts[i].not_null && !defaults[i].empty();
    shape.null_becomes.push_back(replaced ? repeatable_default(defaults[i]) : "");
    if (replaced && shape.null_becomes.back().empty()) {
      shape.null_unforeseen.push_back(static_cast<int>(i));
    }
  }
  return facts;
}

void read_collations(Database& database, TableShape& shape) {
  for (state::Column& column : shape.schema.columns) {
    std::string collation = database.column_collation(shape.schema.name, column.name);
    bool known = false;
    for (const char* builtin : {"BINARY", "NOCASE", "RTRIM"}) {
      if (same_name(collation, builtin)) {
        column.collation = builtin;
        known = true;
      }
    }
    if (!known) shape.unknown_collations.push_back(column.name);
  }
}

// A partial index or one over expressions needs the index's own text.
void read_unique_index(Database& database, TableShape& shape, const std::string& index,
                       bool partial, bool victims) {
  UniqueKey unique;
  unique.index = index;
  bool expressions = false;
  {
    Statement terms(
        database, "SELECT cid, coll FROM pragma_index_xinfo(?1, 'main') WHERE key ORDER BY seqno");
    terms.bind(1, std::string_view(index));
    while (terms.step()) {
      unique.terms.push_back({static_cast<int>(terms.integer(0)), "", terms.text(1)});
      if (terms.integer(0) < 0) expressions = true;
    }
  }
  if (partial || expressions) {
    // Such an index identifies no row, so only the search for displaced rows needs it.
    if (!victims) return;
    if (same_name(shape.schema.name, "new") || same_name(shape.schema.name, "old")) {
      shape.refusal = "its name hides a trigger's NEW and OLD from the expressions of its index " +
                      index + "; set replace_victims: off for the table, or rename it";
      return;
    }
    Statement text(database,
                   "SELECT sql FROM main.sqlite_master WHERE type = 'index' AND name = ?1");
    text.bind(1, std::string_view(index));
    IndexText cut;
    if (text.step()) cut = cut_index_text(text.text(0));
    if (cut.terms.size() != unique.terms.size() || partial == cut.where.empty()) {
      shape.refusal =
          "the text of its index " + index +
          " cannot be read; set replace_victims: off for the table, or make the index anew";
      return;
    }
    for (std::size_t i = 0; i < cut.terms.size(); ++i) {
      UniqueTerm& term = unique.terms[i];
      if (term.column < 0) {
        term.column = -1;
        term.expression = cut.terms[i];
      }
    }
    unique.where = cut.where;
  }
  shape.uniques.push_back(std::move(unique));
}

// Returns true if the table has an index of its own for the primary key.
bool read_unique_indexes(Database& database, TableShape& shape, bool victims) {
  bool primary_index = false;
  std::vector<std::pair<std::string, bool>> names;
  {
    Statement list(database,
                   "SELECT name, \"unique\", origin, partial "
                   "FROM pragma_index_list(?1, 'main') ORDER BY name");
    list.bind(1, std::string_view(shape.schema.name));
    while (list.step()) {
      if (list.text(2) == "pk") primary_index = true;
      if (list.integer(1) != 0) names.emplace_back(list.text(0), list.integer(3) != 0);
    }
  }
  for (const auto& [name, partial] : names) {
    read_unique_index(database, shape, name, partial, victims);
  }
  return primary_index;
}

void read_foreign_keys(Database& database, TableShape& shape) {
  Statement query(database,
                  "SELECT id, \"table\", \"from\", \"to\" "
                  "FROM pragma_foreign_key_list(?1, 'main') ORDER BY id, seq");
  query.bind(1, std::string_view(shape.schema.name));
  std::int64_t last = -1;
  while (query.step()) {
    if (query.integer(0) != last) shape.foreign_keys.push_back({{}, query.text(1), {}});
    last = query.integer(0);
    shape.foreign_keys.back().columns.push_back(query.text(2));
    // Null means the parent's primary key; the reader of the catalog resolves it.
    if (!query.is_null(3)) shape.foreign_keys.back().parent_columns.push_back(query.text(3));
  }
}

const std::string& collation_of(const TableShape& shape, int column) {
  return shape.schema.columns[static_cast<std::size_t>(column)].collation;
}

// Two rows that are equal by the columns' own collations must be equal to the index too, or the
// index does not make them unique. Every collation calls bytewise equal texts equal.
bool is_unique_by_columns(const TableShape& shape, const UniqueKey& unique) {
  if (!unique.where.empty() || unique.is_rowid) return unique.is_rowid && !unique.terms.empty();
  return std::all_of(unique.terms.begin(), unique.terms.end(), [&](const UniqueTerm& term) {
    return term.column >= 0 && (same_name(term.collation, collation_of(shape, term.column)) ||
                                collation_of(shape, term.column) == "BINARY");
  });
}

std::vector<int> columns_of(const UniqueKey& unique) {
  std::vector<int> columns;
  for (const UniqueTerm& term : unique.terms) columns.push_back(term.column);
  return columns;
}

std::string listed(const TableShape& shape, const std::vector<int>& columns) {
  std::string text;
  for (int column : columns) {
    if (!text.empty()) text += ", ";
    text += shape.schema.columns[static_cast<std::size_t>(column)].name;
  }
  return "[" + text + "]";
}

std::string choices(const TableShape& shape) {
  const std::string& name = shape.schema.name;
  for (const std::vector<int>& unique : shape.schema.unique_keys) {
    return "set source.tables." + name + ".key to " + listed(shape, unique) +
           ", which a unique index covers, or give the table a primary key";
  }
  return "give it a primary key, or make a unique index and name its columns in source.tables." +
         name + ".key, or leave the table out";
}

void choose_key(TableShape& shape, const TableRequest& request,
                const std::vector<ColumnFact>& facts, bool without_rowid) {
  std::vector<int>& key = shape.schema.key;
  for (const std::string& name : request.key) {
    int column = shape.schema.find(name);
    if (column < 0) {
      shape.refusal =
          "its configured key names " + name + ", which is not a column of it; " + choices(shape);
      key.clear();
      return;
    }
    key.push_back(column);
  }
  if (key.empty()) {
    for (const std::string& name : shape.primary_key) key.push_back(shape.schema.find(name));
  }
  if (key.empty()) {
    shape.refusal = "it has no primary key; " + choices(shape);
    return;
  }
  // Prefer the index that has exactly the key's columns: it finds a row by one search.
  std::size_t best = 0;
  for (std::size_t i = 0; i < shape.uniques.size(); ++i) {
    const UniqueKey& unique = shape.uniques[i];
    if (!is_unique_by_columns(shape, unique)) continue;
    bool covered = std::all_of(unique.terms.begin(), unique.terms.end(), [&](const auto& term) {
      return std::find(key.begin(), key.end(), term.column) != key.end();
    });
    if (!covered || unique.terms.size() <= best) continue;
    best = unique.terms.size();
    shape.key_unique = static_cast<int>(i);
  }
  if (shape.key_unique < 0) {
    shape.refusal = "no unique index makes its key " + listed(shape, key) +
                    " unique as the columns compare; " + choices(shape);
    key.clear();
    return;
  }
  const UniqueKey& unique = shape.uniques[static_cast<std::size_t>(shape.key_unique)];
  for (int column : key) {
    std::string collation = collation_of(shape, column);
    for (const UniqueTerm& term : unique.terms) {
      if (term.column == column && !term.collation.empty()) collation = term.collation;
    }
    shape.key_collations.push_back(collation);
    const std::string& name = shape.schema.columns[static_cast<std::size_t>(column)].name;
    for (const std::string& unknown : shape.unknown_collations) {
      if (unknown == name) {
        shape.refusal = "its key column " + name +
                        " has a collation that only the application knows; name other columns in "
                        "source.tables." +
                        shape.schema.name + ".key";
      }
    }
    const ColumnFact& fact = facts[static_cast<std::size_t>(column)];
    bool never_null = fact.not_null || unique.is_rowid || (without_rowid && fact.primary > 0);
    if (!never_null) shape.key_may_be_null = true;
  }
  if (!shape.refusal.empty()) key.clear();
}

// A column's value may come from a function that only the application has.
void try_reading(Database& database, TableShape& shape) {
  std::string columns;
  for (const state::Column& column : shape.schema.columns) {
    columns += (columns.empty() ? "" : ", ") + quote_identifier(column.name);
  }
  try {
    Statement probe(database, "SELECT " + columns + " FROM main." +
                                  quote_identifier(shape.schema.name) + " LIMIT 0");
  } catch (const state::SqliteError& error) {
    shape.refusal =
        "it cannot be read without the application: " + error.message() + "; leave the table out";
    shape.schema.key.clear();
  }
}

std::int64_t estimate_rows(Database& database, const TableShape& shape) {
  std::string table = "main." + quote_identifier(shape.schema.name);
  std::string sql = "SELECT count(*) FROM " + table;
  if (!shape.rowid.empty()) {
    // Rowids seldom have gaps that matter to a progress bar. SQLite searches the two ends at once
    // only in queries of their own.
    sql = "SELECT ifnull((SELECT max(" + shape.rowid + ") FROM " + table + ") - (SELECT min(" +
          shape.rowid + ") FROM " + table + ") + 1, 0)";
  }
  state::Value value = database.query_value(sql);
  return value.kind() == state::ValueKind::kInteger ? value.as_integer() : 0;
}

}  // namespace

bool is_own_name(std::string_view name) { return same_name(name.substr(0, 8), "_tandem_"); }

std::optional<TableShape> read_shape(Database& database, const TableRequest& request) {
  std::optional<Listing> listing = find_listing(database, request.name);
  if (!listing) return std::nullopt;
  TableShape shape;
  shape.schema.name = listing->name;
  if (is_own_name(listing->name)) {
    shape.refusal = "names that begin with _tandem_ are Tandem's own; rename the table";
    return shape;
  }
  if (listing->kind == "view") {
    shape.refusal = "it is a view; sync the tables it reads, and join them in the document";
    return shape;
  }
  if (listing->kind != "table") {
    shape.refusal = "it is a virtual table, which can have no triggers; leave it out";
    return shape;
  }
  std::vector<ColumnFact> facts = read_columns(database, shape);
  read_collations(database, shape);
  for (int place = 1; place <= static_cast<int>(facts.size()); ++place) {
    for (std::size_t i = 0; i < facts.size(); ++i) {
      if (facts[i].primary == place) shape.primary_key.push_back(shape.schema.columns[i].name);
    }
  }
  bool primary_index = read_unique_indexes(database, shape, request.replace_victims);
  if (!listing->without_rowid) {
    for (const char* name : {"rowid", "_rowid_", "oid"}) {
      if (shape.rowid.empty() && shape.schema.find(name) < 0) shape.rowid = name;
    }
    UniqueKey rowid;
    rowid.is_rowid = true;
    if (shape.primary_key.size() == 1 && !primary_index) {
      int column = shape.schema.find(shape.primary_key.front());
      rowid.terms.push_back({column, "", "BINARY"});
      if (shape.rowid.empty()) shape.rowid = quote_identifier(shape.primary_key.front());
    }
    shape.uniques.push_back(rowid);
  }
  for (const UniqueKey& unique : shape.uniques) {
    if (is_unique_by_columns(shape, unique)) shape.schema.unique_keys.push_back(columns_of(unique));
  }
  read_foreign_keys(database, shape);
  if (shape.refusal.empty()) choose_key(shape, request, facts, listing->without_rowid);
  if (shape.refusal.empty()) try_reading(database, shape);
  // A declared key that is wider than the index behind it is unique as well.
  std::vector<std::vector<int>>& unique_keys = shape.schema.unique_keys;
  if (!shape.schema.key.empty() &&
      std::find(unique_keys.begin(), unique_keys.end(), shape.schema.key) == unique_keys.end()) {
    unique_keys.push_back(shape.schema.key);
  }
  return shape;
}

Catalog read_catalog(Database& database, const std::vector<TableRequest>& requests) {
  std::vector<TableRequest> wanted;
  {
    Statement list(database,
                   "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' "
                   "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name");
    while (list.step()) {
      TableRequest request;
      request.name = list.text(0);
      if (is_own_name(request.name)) continue;
      for (const TableRequest& given : requests) {
        if (!same_name(given.name, request.name)) continue;
        request.key = given.key;
        request.replace_victims = given.replace_victims;
      }
      wanted.push_back(std::move(request));
    }
  }
  Catalog catalog;
  for (const TableRequest& request : wanted) {
    std::optional<TableShape> shape = read_shape(database, request);
    if (!shape) continue;
    CatalogTable table;
    if (shape->refusal.empty()) table.estimated_rows = estimate_rows(database, *shape);
    table.schema = std::move(shape->schema);
    table.refusal = std::move(shape->refusal);
    table.foreign_keys = std::move(shape->foreign_keys);
    table.primary_key = std::move(shape->primary_key);
    catalog.tables.push_back(std::move(table));
  }
  for (CatalogTable& table : catalog.tables) {
    for (ForeignKey& foreign : table.foreign_keys) {
      if (!foreign.parent_columns.empty()) continue;
      for (const CatalogTable& parent : catalog.tables) {
        if (same_name(parent.schema.name, foreign.parent)) {
          foreign.parent_columns = parent.primary_key;
          foreign.parent = parent.schema.name;
        }
      }
    }
  }
  return catalog;
}

std::string query_of_null_keys(Database& database, const TableShape& shape) {
  for (int column : shape.schema.key) {
    const std::string& name = shape.schema.columns[static_cast<std::size_t>(column)].name;
    std::string rows =
        quote_identifier(shape.schema.name) + " WHERE " + quote_identifier(name) + " IS NULL";
    Statement probe(database, "SELECT 1 FROM main." + rows + " LIMIT 1");
    if (probe.step()) return "SELECT * FROM " + rows;
  }
  return "";
}

}  // namespace tandem::capture
