#include "capture/postgres/table_query.h"

#include <algorithm>
#include <utility>

#include "capture/postgres/copy_text.h"
#include "capture/postgres/value_decoder.h"

namespace tandem::capture::postgres {
namespace {

// The schema of the operators of a column's default order, with all that a domain is based on.
constexpr char kOperators[] =
    "WITH RECURSIVE types(name, oid, base) AS ("
    "SELECT a.attname, t.oid, t.typbasetype FROM pg_attribute a JOIN pg_type t ON t.oid = "
    "a.atttypid "
    "WHERE a.attrelid = $1::regclass AND a.attname = ANY ($2::name[]) "
    "UNION ALL SELECT y.name, t.oid, t.typbasetype FROM types y JOIN pg_type t ON t.oid = y.base) "
    "SELECT DISTINCT y.name::text, quote_ident(n.nspname) FROM types y "
    "JOIN pg_opclass c ON c.opcintype = y.oid AND c.opcdefault "
    "JOIN pg_am m ON m.oid = c.opcmethod AND m.amname = 'btree' "
    "JOIN pg_amop o ON o.amopfamily = c.opcfamily AND o.amoplefttype = y.oid "
    "AND o.amoprighttype = y.oid AND o.amopstrategy = 5 "
    "JOIN pg_operator p ON p.oid = o.amopopr JOIN pg_namespace n ON n.oid = p.oprnamespace "
    "WHERE n.nspname <> 'pg_catalog'";

std::string joined(const std::vector<std::string>& parts, const char* between = ", ") {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

}  // namespace

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

std::vector<std::string> TableQuery::key_literals(const state::Row& key) const {
  std::vector<std::string> literals;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const state::Column& column = schema_.columns[static_cast<std::size_t>(schema_.key[i])];
    literals.push_back(key[i].is_null() ? "NULL"
                                        : connection_.literal(to_text(key[i], column.form)) +
                                              "::" + column.declared_type);
  }
  return literals;
}

// For each part of the key the schema of the operators that its order goes by, "" for pg_catalog. A
// type of an extension has its own; without their schema a comparison is not found, or is that of
// another type (of citext: that of text, which minds the case).
const std::vector<std::string>& TableQuery::operator_schemas() {
  if (!operator_schemas_.empty()) return operator_schemas_;
  operator_schemas_.resize(schema_.key.size());
  std::vector<std::string> foreign;
  for (int index : schema_.key) {
    const state::Column& column = schema_.columns[static_cast<std::size_t>(index)];
    // With an empty search_path only types of pg_catalog come without a schema.
    if (column.declared_type.find('.') != std::string::npos) foreign.push_back(column.name);
  }
  if (foreign.empty()) return operator_schemas_;
  const Rows rows = connection_.query(kOperators, {name_, array_text(foreign)});
  for (int row = 0; row < rows.count(); ++row) {
    for (std::size_t i = 0; i < schema_.key.size(); ++i) {
      const state::Column& column = schema_.columns[static_cast<std::size_t>(schema_.key[i])];
      if (column.name == rows.view(row, 0)) operator_schemas_[i] = rows.text(row, 1);
    }
  }
  return operator_schemas_;
}

bool TableQuery::has_plain_operators() {
  const std::vector<std::string>& schemas = operator_schemas();
  return std::all_of(schemas.begin(), schemas.end(),
                     [](const std::string& schema) { return schema.empty(); });
}

std::string TableQuery::compared(std::size_t part, const char* operation,
                                 const std::string& literal) {
  const std::string& schema = operator_schemas()[part];
  const auto column = static_cast<std::size_t>(schema_.key[part]);
  return connection_.identifier(schema_.columns[column].name) +
         (schema.empty() ? std::string(" ") + operation + " "
                         : " OPERATOR(" + schema + "." + operation + ") ") +
         literal;
}

std::string TableQuery::behind(const state::Row& key) {
  const std::vector<std::string> literals = key_literals(key);
  if (has_plain_operators()) {
    return "ROW(" + key_columns() + ") > ROW(" + joined(literals) + ")";
  }
  // One operator does not serve all parts of a row. The first comparison is for the index.
  std::string condition = compared(literals.size() - 1, ">", literals.back());
  for (std::size_t part = literals.size() - 1; part-- > 0;) {
    condition = compared(part, ">=", literals[part]) + " AND (" +
                compared(part, ">", literals[part]) + " OR " + condition + ")";
  }
  return condition;
}

std::string TableQuery::one_of(const std::vector<state::Row>& keys) {
  const bool plain = has_plain_operators();
  std::vector<std::string> conditions;
  for (const state::Row& key : keys) {
    const std::vector<std::string> literals = key_literals(key);
    if (plain) {
      conditions.push_back("ROW(" + joined(literals) + ")");
      continue;
    }
    std::string condition;
    for (std::size_t part = 0; part < literals.size(); ++part) {
      condition += (part == 0 ? "" : " AND ") + compared(part, "=", literals[part]);
    }
    conditions.push_back("(" + condition + ")");
  }
  if (!plain) return joined(conditions, " OR ");
  return "ROW(" + key_columns() + ") IN (" + joined(conditions) + ")";
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
  if (!from.empty()) select += " WHERE " + behind(from);
  select += " ORDER BY " + key_columns() + " LIMIT " + std::to_string(limit);
  return copy(select, most_bytes, rows);
}

TableQuery::Taken TableQuery::read_keys(const std::vector<state::Row>& keys,
                                        std::vector<state::Row>& rows, std::size_t most_bytes) {
  if (keys.empty()) return {};
  return copy("SELECT " + columns() + " FROM " + from_clause_ + " WHERE " + one_of(keys),
              most_bytes, rows);
}

}  // namespace tandem::capture::postgres
