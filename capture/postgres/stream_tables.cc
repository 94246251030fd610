#include "capture/postgres/stream_tables.h"

#include <algorithm>
#include <utility>

#include "capture/postgres/catalog.h"
#include "capture/postgres/value_decoder.h"

namespace tandem::capture::postgres {
namespace {

using state::Column;
using state::TableSchema;

std::vector<Oid> types_of(const RelationMessage& message) {
  std::vector<Oid> types;
  for (const RelationMessage::Column& column : message.columns) types.push_back(column.type);
  return types;
}

// The types as the catalog writes them.
std::vector<std::string> declared_types(const RelationMessage& message, Connection& catalog) {
  std::string oids = "{", modifiers = "{";
  for (const RelationMessage::Column& column : message.columns) {
    if (oids.size() > 1) oids += ",", modifiers += ",";
    oids += std::to_string(column.type);
    modifiers += std::to_string(column.modifier);
  }
  Rows rows = catalog.query(
      "SELECT pg_catalog.format_type(t, m) FROM ROWS FROM "
      "(pg_catalog.unnest($1::pg_catalog.oid[]), "
      "pg_catalog.unnest($2::pg_catalog.int4[])) WITH ORDINALITY AS c(t, m, n) ORDER BY n",
      {oids + "}", modifiers + "}"});
  std::vector<std::string> types;
  for (int i = 0; i < rows.count(); ++i) types.push_back(rows.text(i, 0));
  return types;
}

std::vector<Column> columns_of(const RelationMessage& message, const TableSchema* known,
                               TypeCatalog& types, Connection& catalog) {
  const std::vector<std::string> declared = declared_types(message, catalog);
  types.learn(catalog, types_of(message), {});
  std::vector<Column> columns;
  for (std::size_t i = 0; i < message.columns.size(); ++i) {
    const RelationMessage::Column& sent = message.columns[i];
    Column column;
    column.name = sent.name;
    const TypeMeaning meaning = types.meaning(sent.type, sent.modifier, 0);
    column.declared_type = meaning.array_type.empty() ? declared.at(i) : meaning.array_type;
    column.form = meaning.form;
    column.comparison = meaning.comparison;
    if (known != nullptr) {
      for (const Column& other : known->columns) {
        if (other.name == column.name && other.declared_type == column.declared_type) {
          column = other;
        }
      }
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

// Indexes into the schema's columns, nothing if one of the names is not among them.
std::optional<std::vector<int>> indexes_of(const TableSchema& schema,
                                           const std::vector<std::string>& names) {
  std::vector<int> indexes;
  for (const std::string& name : names) {
    int index = schema.find(name);
    if (index < 0) return std::nullopt;
    indexes.push_back(index);
  }
  return indexes;
}

std::vector<std::string> names_of(const TableSchema& schema, const std::vector<int>& indexes) {
  std::vector<std::string> names;
  for (int index : indexes) names.push_back(schema.columns[static_cast<std::size_t>(index)].name);
  return names;
}

std::vector<int> key_of(const RelationMessage& message, const TableSchema& schema,
                        const TableSchema* known, const TableRequest& request) {
  std::optional<std::vector<int>> wanted;
  if (known != nullptr && !known->key.empty()) {
    wanted = indexes_of(schema, names_of(*known, known->key));
  } else if (!request.key.empty()) {
    wanted = indexes_of(schema, request.key);
  }
  std::vector<int> sent;
  for (std::size_t i = 0; i < message.columns.size(); ++i) {
    if (message.columns[i].identity) sent.push_back(static_cast<int>(i));
  }
  // The stream names no rows before, so any key will do.
  if (request.insert_only && wanted) return *wanted;
  if (message.identity == 'f' || message.identity == 'n' || sent.empty()) {
    return wanted.value_or(std::vector<int>{});
  }
  // The catalog knows the better order; if it has another key by now, the message's counts.
  if (wanted && std::is_permutation(wanted->begin(), wanted->end(), sent.begin(), sent.end())) {
    return *wanted;
  }
  return sent;
}

// Takes the generated columns out of the message. Empty if there are none.
std::vector<bool> leave_out(const std::vector<std::string>& generated, RelationMessage& message) {
  std::vector<bool> left_out;
  std::vector<RelationMessage::Column> kept;
  for (RelationMessage::Column& column : message.columns) {
    left_out.push_back(std::find(generated.begin(), generated.end(), column.name) !=
                       generated.end());
    if (!left_out.back()) kept.push_back(std::move(column));
  }
  message.columns = std::move(kept);
  if (message.columns.size() == left_out.size()) left_out.clear();
  return left_out;
}

}  // namespace

const TableRequest* StreamTables::request_of(const std::string& name) const {
  for (const TableRequest& request : requests_) {
    if (canonical_table_name(request.name) == name) return &request;
  }
  return nullptr;
}

void StreamTables::learn(const RelationMessage& sent, Connection& catalog) {
  const std::string name = table_name(sent.schema, sent.name);
  const TableRequest* request = request_of(name);
  if (request == nullptr) {
    relations_[sent.oid] = {};
    return;
  }
  RelationMessage message = sent;
  TypeCatalog types;
  const std::optional<SourceTable> found = read_table(catalog, types, *request);
  const TableSchema* known = found && found->oid == message.oid ? &found->table.schema : nullptr;
  StreamTable table;
  table.name = name;
  table.oid = message.oid;
  table.insert_only = request->insert_only;
  if (known != nullptr) table.left_out = leave_out(found->generated, message);
  table.schema.name = name;
  table.schema.columns = columns_of(message, known, types, catalog);
  table.schema.key = key_of(message, table.schema, known, *request);
  if (table.schema.key.empty() && known == nullptr) {
    // Dropped, or made again, since this was written: what it was cannot be told any more, and the
    // look at the catalog sees to what it is.
    relations_[message.oid] = {};
    return;
  }
  if (table.schema.key.empty()) {
    throw state::Error("the rows of the table cannot be told apart any more", name,
                       "give it a primary key or a replica identity; `tandem check` lists the "
                       "choices");
  }
  if (known != nullptr && known->columns == table.schema.columns) {
    table.schema.unique_keys = known->unique_keys;
  } else {
    table.schema.unique_keys = {table.schema.key};
  }
  table.fingerprint = table.schema.fingerprint();
  table.shares_keys =
      message.identity == 'f' && !request->insert_only && known != nullptr && found->deferrable_key;
  relations_[message.oid] = {sent, std::move(table)};
}

void StreamTables::learn_again(std::uint32_t relation, Connection& catalog) {
  auto found = relations_.find(relation);
  if (found == relations_.end() || !found->second.table) return;
  const RelationMessage message = found->second.message;
  learn(message, catalog);
}

const StreamTable* StreamTables::find(std::uint32_t relation) const {
  auto found = relations_.find(relation);
  if (found == relations_.end()) {
    throw state::Error("the stream names a relation that it has not described",
                       "relation " + std::to_string(relation),
                       "start again; if it comes again, report it");
  }
  return found->second.table ? &*found->second.table : nullptr;
}

state::Row StreamTable::row(Tuple tuple, const state::Row* before) const {
  const std::size_t sent = left_out.empty() ? schema.columns.size() : left_out.size();
  if (tuple.columns() != static_cast<int>(sent)) {
    throw state::Error("a row of the stream has another number of columns than its table", name,
                       "start again; if it comes again, report it");
  }
  state::Row row;
  row.reserve(schema.columns.size());
  for (std::size_t i = 0; i < sent; ++i) {
    const Tuple::Field field = tuple.next();
    if (!left_out.empty() && left_out[i]) continue;
    switch (field.kind) {
      case Tuple::Kind::kNull:
        row.emplace_back();
        break;
      case Tuple::Kind::kUnchanged:
        row.push_back(before != nullptr ? (*before)[row.size()] : state::Value::unchanged());
        break;
      case Tuple::Kind::kText:
        row.push_back(decode_value(schema.columns[row.size()].form, field.text));
        break;
    }
  }
  return row;
}

state::Row StreamTable::key(Tuple tuple) const { return schema.key_of(row(tuple)); }

}  // namespace tandem::capture::postgres
