#include "state/replica_tables.h"

namespace tandem::state {
namespace {

Value text(const std::string& bytes) { return Value::text(bytes); }

Row indexes_row(const std::vector<int>& indexes) {
  Row row;
  for (int index : indexes) row.push_back(Value::integer(index));
  return row;
}

std::vector<int> row_indexes(const Row& row) {
  std::vector<int> indexes;
  for (const Value& value : row) indexes.push_back(static_cast<int>(value.as_integer()));
  return indexes;
}

}  // namespace

void create_own_tables(Database& database) {
  database.execute(R"(
CREATE TABLE IF NOT EXISTS _tandem_position(id INTEGER PRIMARY KEY, log_identity TEXT, epoch INTEGER,
  next INTEGER, source_commit INTEGER, source_ordinal INTEGER, ts_ms INTEGER, next_mark INTEGER,
  gap INTEGER);
CREATE TABLE IF NOT EXISTS _tandem_tables(name TEXT PRIMARY KEY, schema BLOB, whole INTEGER, covered BLOB)
  WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _tandem_documents(id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS _tandem_marks(document INTEGER, root BLOB, number INTEGER, offset INTEGER,
  PRIMARY KEY(document, root)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _tandem_marks_by_number ON _tandem_marks(number);
CREATE TABLE IF NOT EXISTS _tandem_wide_marks(document INTEGER, path INTEGER, vals BLOB, number INTEGER,
  offset INTEGER, PRIMARY KEY(document, path, vals)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _tandem_unseen(name TEXT, key BLOB, PRIMARY KEY(name, key)) WITHOUT ROWID;
)");
}

// A schema as a row: name, key indexes, unique keys and columns, each an encoded row within.
std::string encode_schema(const TableSchema& schema) {
  Row row = {text(schema.name), Value::blob(encode_row(indexes_row(schema.key)))};
  Row unique;
  for (const auto& key : schema.unique_keys)
    unique.push_back(Value::blob(encode_row(indexes_row(key))));
  row.push_back(Value::blob(encode_row(unique)));
  for (const Column& column : schema.columns) {
    row.push_back(Value::blob(
        encode_row({text(column.name), text(column.declared_type), text(column.collation),
                    Value::integer(static_cast<int>(column.form)), Value::integer(column.generated),
                    Value::integer(static_cast<int>(column.comparison))})));
  }
  return encode_row(row);
}

TableSchema decode_schema(std::string_view bytes) {
  Row row = decode_row(bytes);
  TableSchema schema;
  schema.name = row.at(0).bytes();
  schema.key = row_indexes(decode_row(row.at(1).bytes()));
  for (const Value& key : decode_row(row.at(2).bytes())) {
    schema.unique_keys.push_back(row_indexes(decode_row(key.bytes())));
  }
  for (std::size_t i = 3; i < row.size(); ++i) {
    Row parts = decode_row(row[i].bytes());
    schema.columns.push_back({parts.at(0).bytes(), parts.at(1).bytes(), parts.at(2).bytes(),
                              static_cast<ColumnForm>(parts.at(3).as_integer()),
                              parts.at(4).as_integer() != 0,
                              static_cast<Comparison>(parts.at(5).as_integer())});
  }
  return schema;
}

ReplicaPosition read_position(Database& database) {
  ReplicaPosition position;
  auto select = database.prepare(
      "SELECT log_identity, epoch, next, source_commit, source_ordinal, ts_ms, gap FROM "
      "_tandem_position");
  if (!select.step()) return position;
  position.log_identity = select.text(0);
  position.epoch = static_cast<std::uint64_t>(select.integer(1));
  position.next = select.integer(2);
  position.source = {static_cast<std::uint64_t>(select.integer(3)),
                     static_cast<std::uint64_t>(select.integer(4))};
  position.ts_ms = select.integer(5);
  position.gap = select.integer(6);
  return position;
}

std::unordered_map<std::string, ReplicaTable> read_tables(Database& database) {
  std::unordered_map<std::string, ReplicaTable> tables;
  auto select = database.prepare("SELECT name, schema, whole FROM _tandem_tables");
  while (select.step()) {
    tables[select.text(0)] = {decode_schema(select.view(1)), select.integer(2) != 0};
  }
  return tables;
}

}  // namespace tandem::state
