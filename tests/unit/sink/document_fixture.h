// What tests of documents share: short ways to write specs, and a replica made by plain SQL.
#pragma once

#include <sqlite3.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sink/document.h"
#include "state/source_order.h"
#include "state/sqlite.h"

namespace tandem::sink::testing {

/// Reads a table's schema as capture would: columns, collations, key and unique keys.
inline state::TableSchema schema_of(state::Database& database, const std::string& table) {
  state::TableSchema schema;
  schema.name = table;
  std::map<int, int> key;
  state::Statement columns(database, "SELECT name, type, pk FROM pragma_table_info(?)");
  columns.bind(1, table);
  while (columns.step()) {
    state::Column column{.name = columns.text(0), .declared_type = columns.text(1)};
    const char* collation = nullptr;
    sqlite3_table_column_metadata(database.handle(), nullptr, table.c_str(), column.name.c_str(),
                                  nullptr, &collation, nullptr, nullptr, nullptr);
    if (collation != nullptr) column.collation = collation;
    if (columns.integer(2) > 0) {
      key[static_cast<int>(columns.integer(2))] = static_cast<int>(schema.columns.size());
    }
    schema.columns.push_back(std::move(column));
  }
  for (auto [order, column] : key) schema.key.push_back(column);
  if (!schema.key.empty()) schema.unique_keys.push_back(schema.key);
  state::Statement indexes(
      database, "SELECT name FROM pragma_index_list(?) WHERE \"unique\" AND NOT partial");
  indexes.bind(1, table);
  while (indexes.step()) {
    std::vector<int> unique;
    state::Statement parts(database, "SELECT cid FROM pragma_index_info(?)");
    parts.bind(1, indexes.text(0));
    while (parts.step()) unique.push_back(static_cast<int>(parts.integer(0)));
    schema.unique_keys.push_back(std::move(unique));
  }
  return schema;
}

/// A replica in memory with the schemas of its tables.
struct TestReplica {
  explicit TestReplica(const std::string& sql) : database(":memory:", state::OpenMode::kReadWrite) {
    state::add_source_collations(database);
    database.execute(sql);
    refresh();
  }
  void refresh() {
    schemas.clear();
    names.clear();
    state::Statement tables(database, "SELECT name FROM sqlite_schema WHERE type = 'table'");
    while (tables.step()) names.push_back(tables.text(0));
    for (const std::string& name : names) schemas[name] = schema_of(database, name);
  }
  SchemaLookup lookup() const {
    return [this](const std::string& name) -> const state::TableSchema* {
      auto found = schemas.find(name);
      return found == schemas.end() ? nullptr : &found->second;
    };
  }
  std::shared_ptr<const Document> compile(const DocumentSpec& spec, const TargetTable& target) {
    std::vector<Mistake> mistakes;
    return compile(spec, target, mistakes);
  }
  std::shared_ptr<const Document> compile(const DocumentSpec& spec, const TargetTable& target,
                                          std::vector<Mistake>& mistakes) {
    return Document::compile(spec, target, 0, lookup(), names, mistakes);
  }

  state::Database database;
  std::map<std::string, state::TableSchema> schemas;
  std::vector<std::string> names;
};

// ── specs ────────────────────────────────────────────────────────────────────────────────────────

inline Path path(const std::string& text) { return parse_path(text, 0); }
inline ValueSpec text(const std::string& source) { return {parse_template(source, 0), 0}; }
inline ValueSpec constant(Attribute value) { return {ConstantSpec{std::move(value)}, 0}; }
inline MapSpec map(std::vector<std::pair<std::string, ValueSpec>> entries,
                   MapSpec::Columns columns = MapSpec::Columns::kNone,
                   std::vector<std::string> names = {}) {
  return {columns, std::move(names), std::move(entries), 0};
}
inline ValueSpec nested(MapSpec entries) { return {std::move(entries), 0}; }
inline ValueSpec list(std::vector<ValueSpec> elements) {
  return {ListSpec{std::move(elements)}, 0};
}
inline ValueSpec each(const std::string& relation, ValueSpec item) {
  return {EachSpec{path(relation), std::make_shared<ValueSpec>(std::move(item))}, 0};
}
inline ValueSpec aggregate(AggregateSpec::Kind kind, const std::string& of) {
  return {AggregateSpec{kind, path(of)}, 0};
}
inline ValueSpec count(const std::string& of) { return aggregate(AggregateSpec::Kind::kCount, of); }
inline ValueSpec sum(const std::string& of) { return aggregate(AggregateSpec::Kind::kSum, of); }
inline ValueSpec least(const std::string& of) { return aggregate(AggregateSpec::Kind::kMin, of); }
inline ValueSpec most(const std::string& of) { return aggregate(AggregateSpec::Kind::kMax, of); }
inline ValueSpec with(const std::string& relation, MapSpec item) {
  return {WithSpec{path(relation), std::make_shared<MapSpec>(std::move(item))}, 0};
}

/// `on` as {"AlbumId"} or {"ArtistId=album.ArtistId"}; `order` as {"Name", "-Id"}.
inline RelationSpec relation(bool many, const std::string& name, const std::string& table,
                             const std::vector<std::string>& on,
                             const std::vector<std::string>& order = {},
                             std::vector<RelationSpec> nested_relations = {}, Where where = {}) {
  RelationSpec spec{.name = name, .many = many, .table = table};
  for (const std::string& pair : on) {
    std::size_t equals = pair.find('=');
    std::string theirs = pair.substr(0, equals);
    spec.on.emplace_back(theirs,
                         path(equals == std::string::npos ? pair : pair.substr(equals + 1)));
  }
  for (const std::string& by : order) {
    bool descending = by.starts_with('-');
    spec.order_by.emplace_back(path(descending ? by.substr(1) : by), descending);
  }
  spec.relations = std::move(nested_relations);
  spec.where = std::move(where);
  return spec;
}
inline RelationSpec one(const std::string& name, const std::string& table,
                        const std::vector<std::string>& on, std::vector<RelationSpec> inner = {},
                        Where where = {}) {
  return relation(false, name, table, on, {}, std::move(inner), std::move(where));
}
inline RelationSpec many(const std::string& name, const std::string& table,
                         const std::vector<std::string>& on,
                         const std::vector<std::string>& order = {},
                         std::vector<RelationSpec> inner = {}, Where where = {}) {
  return relation(true, name, table, on, order, std::move(inner), std::move(where));
}

inline Where::Test test(const std::string& of, Where::Comparison comparison,
                        std::vector<state::Value> values) {
  return {path(of), comparison, std::move(values)};
}

inline TargetTable target(std::vector<std::string> key = {"PK"}) {
  return {.name = "Items", .key = std::move(key)};
}

}  // namespace tandem::sink::testing
