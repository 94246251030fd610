#include "capture/postgres/table_query.h"

#include <utility>

#include "capture/postgres/copy_text.h"
#include "capture/postgres/value_decoder.h"

namespace tandem::capture::postgres {

TableQuery::TableQuery(Connection& connection, const SourceTable& table)
    : connection_(connection),
      name_(table.quoted()),
      from_clause_(table.from_clause()),
      schema_(table.table.schema) {}

void TableQuery::lock() { connection_.execute("LOCK TABLE " + name_ + " IN ACCESS SHARE MODE"); }

std::string TableQuery::columns() const {
  std::string list;
  for (const state::Column& column : schema_.columns) {
    list += (list.empty() ? "" : ", ") + connection_.identifier(column.name);
  }
  return list;
}

std::string TableQuery::key_columns() const {
  std::string list;
  for (int index : schema_.key) {
    list += (list.empty() ? "" : ", ") +
            connection_.identifier(schema_.columns[static_cast<std::size_t>(index)].name);
  }
  return list;
}

std::string TableQuery::key_literal(const state::Row& key) const {
  std::string list;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const state::Column& column = schema_.columns[static_cast<std::size_t>(schema_.key[i])];
    list += list.empty() ? "" : ", ";
    if (key[i].is_null()) {
      list += "NULL";
    } else {
      list += connection_.literal(to_text(key[i], column.form)) + "::" + column.declared_type;
    }
  }
  return "ROW(" + list + ")";
}

TableQuery::Taken TableQuery::copy(const std::string& select, std::size_t most_bytes,
                                   std::vector<state::Row>& rows) {
  CopyRowReader reader;
  Taken taken;
  const std::vector<state::Column>& columns = schema_.columns;
  connection_.copy_out("COPY (" + select + ") TO STDOUT", [&](std::string_view line) {
    const std::vector<CopyRowReader::Field>& fields = reader.read(line);
    if (fields.size() != columns.size()) {
      throw state::Error("a row has another number of columns than its table", schema_.name,
                         "start again; if it comes again, report it");
    }
    state::Row& row = rows.emplace_back();
    row.reserve(columns.size());
    for (std::size_t i = 0; i < columns.size(); ++i) {
      row.push_back(fields[i] ? decode_value(columns[i].form, *fields[i]) : state::Value::null());
    }
    taken.bytes += line.size() + sizeof(state::Row) + columns.size() * sizeof(state::Value);
    taken.cut = taken.bytes >= most_bytes;
    return !taken.cut;
  });
  return taken;
}

TableQuery::Taken TableQuery::read_range(const state::Row& from, std::size_t limit,
                                         std::vector<state::Row>& rows, std::size_t most_bytes) {
  std::string select = "SELECT " + columns() + " FROM " + from_clause_;
  if (!from.empty()) select += " WHERE ROW(" + key_columns() + ") > " + key_literal(from);
  select += " ORDER BY " + key_columns() + " LIMIT " + std::to_string(limit);
  return copy(select, most_bytes, rows);
}

TableQuery::Taken TableQuery::read_keys(const std::vector<state::Row>& keys,
                                        std::vector<state::Row>& rows, std::size_t most_bytes) {
  if (keys.empty()) return {};
  std::string select =
      "SELECT " + columns() + " FROM " + from_clause_ + " WHERE ROW(" + key_columns() + ") IN (";
  for (std::size_t i = 0; i < keys.size(); ++i)
    select += (i == 0 ? "" : ", ") + key_literal(keys[i]);
  return copy(select + ")", most_bytes, rows);
}

}  // namespace tandem::capture::postgres
