#include "state/table_shape.h"

#include <string_view>
#include <unordered_map>
#include <vector>

namespace tandem::state {
namespace {

bool is_named(std::string_view declared_type, std::string_view upper) {
  if (declared_type.size() != upper.size()) return false;
  for (std::size_t i = 0; i < upper.size(); ++i) {
    char c = declared_type[i];
    if ((c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c) != upper[i]) return false;
  }
  return true;
}

const Column& key_column(const TableSchema& schema, std::size_t at) {
  return schema.columns.at(static_cast<std::size_t>(schema.key.at(at)));
}

std::vector<std::string> key_names(const TableSchema& schema) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < schema.key.size(); ++i) names.push_back(key_column(schema, i).name);
  return names;
}

std::vector<std::string> index_sql(Database& database, const std::string& table) {
  auto select = database.prepare(
      "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL");
  select.bind(1, std::string_view(table));
  std::vector<std::string> all;
  while (select.step()) all.push_back(select.text(0));
  return all;
}

}  // namespace

bool has_rowid_key(const TableSchema& schema) {
  if (schema.key.size() != 1) return false;
  const Column& key = key_column(schema, 0);
  if (key.form == ColumnForm::kInteger) return !key.declared_type.empty();
  return key.form == ColumnForm::kAny && is_named(key.declared_type, "INTEGER");
}

std::string create_table_sql(const TableSchema& schema, const std::string& name) {
  if (schema.name.starts_with("_tandem_")) {
    throw Error("a source table has a name that Tandem keeps for itself", schema.name,
                "rename the table, or leave it out of the documents");
  }
  std::string sql = "CREATE TABLE " + quote_identifier(name) + "(";
  for (const Column& column : schema.columns) {
    sql += quote_identifier(column.name);
    if (column.form == ColumnForm::kInteger && !column.declared_type.empty()) {
      sql += " INTEGER";
    } else if (column.form == ColumnForm::kAny && !column.declared_type.empty() &&
               !is_named(column.declared_type, "ANY")) {
      // Quoted as one name: SQLite derives the affinity from the words within, and no word of it
      // can be taken for a constraint.
      sql += " " + quote_identifier(column.declared_type);
    }
    if (!column.collation.empty() && column.collation != "BINARY") {
      sql += " COLLATE " + quote_identifier(column.collation);
    }
    sql += ", ";
  }
  sql += "PRIMARY KEY(";
  for (std::size_t i = 0; i < schema.key.size(); ++i) {
    sql += (i == 0 ? "" : ", ") + quote_identifier(key_column(schema, i).name);
  }
  return sql + (has_rowid_key(schema) ? "))" : ")) WITHOUT ROWID");
}

TableSchema stored_schema(Database& database, const TableSchema& schema) {
  auto select = database.prepare("SELECT name, type FROM pragma_table_info(?)");
  select.bind(1, std::string_view(schema.name));
  std::unordered_map<std::string, std::string> types;
  while (select.step()) types[select.text(0)] = select.text(1);
  TableSchema stored = schema;
  for (Column& column : stored.columns) {
    auto type = types.find(column.name);
    if (type != types.end() && type->second.empty()) column.declared_type.clear();
  }
  return stored;
}

void rebuild_table(Database& database, const TableSchema& from, const TableSchema& to,
                   bool keep_indexes) {
  constexpr char kBeside[] = "_tandem_rebuilt";
  std::vector<std::string> indexes;
  if (keep_indexes) indexes = index_sql(database, from.name);
  database.execute(create_table_sql(to, kBeside));
  if (key_names(from) == key_names(to)) {
    std::string common;
    for (const Column& column : to.columns) {
      if (from.find(column.name) < 0) continue;
      common += (common.empty() ? "" : ", ") + quote_identifier(column.name);
    }
    std::string copy = std::string("INSERT OR REPLACE INTO ") + kBeside + "(" + common +
                       ") SELECT " + common + " FROM " + quote_identifier(from.name);
    if (has_rowid_key(to)) {
      copy += " WHERE typeof(" + quote_identifier(key_column(to, 0).name) + ") = 'integer'";
    }
    database.execute(copy);
  }
  database.execute("DROP TABLE " + quote_identifier(from.name));
  database.execute(std::string("ALTER TABLE ") + kBeside + " RENAME TO " +
                   quote_identifier(to.name));
  for (const std::string& sql : indexes) database.execute(sql);
}

}  // namespace tandem::state
