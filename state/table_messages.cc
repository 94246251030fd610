#include "state/table_messages.h"

#include <utility>

#include "state/json_text.h"
#include "state/json_value.h"

namespace tandem::state {

TableMessages::TableMessages(const MessageOrigin& origin, TableSchema schema)
    : schema_(std::move(schema)) {
  for (const Column& column : schema_.columns) {
    append_json_string(column.name, names_.emplace_back());
    names_.back() += ':';
  }
  before_ = "\"source\":{";
  append_quoted("version", origin.version, before_);
  before_ += ',';
  append_quoted("connector", origin.connector, before_);
  before_ += ',';
  append_quoted("name", origin.name, before_);
  before_ += ',';
  behind_ = ',';
  append_quoted("db", origin.database, behind_);
  std::string name = schema_.name;
  if (origin.connector == "postgresql") {
    // A table of the schema `public` has no schema in its name.
    std::string namespace_name = "public";
    const std::size_t dot = name.find('.');
    if (dot != std::string::npos && name.compare(0, dot, namespace_name) != 0) {
      namespace_name = name.substr(0, dot);
      name.erase(0, dot + 1);
    }
    behind_ += ',';
    append_quoted("schema", namespace_name, behind_);
    append_json_string(namespace_name + "." + name, collection_);
  } else {
    append_json_string(name, collection_);
  }
  behind_ += ',';
  append_quoted("table", name, behind_);
  behind_ += ',';
}

const std::string& TableMessages::source(const TransactionParts& transaction) {
  if (source_of_ != transaction.number) {
    source_of_ = transaction.number;
    source_ = before_;
    source_ += transaction.times;
    source_ += behind_;
    source_ += transaction.place;
  }
  return source_;
}

void TableMessages::append_key(const Row& key, std::string& out) const {
  char before = '{';
  for (std::size_t i = 0; i < key.size(); ++i) {
    out += std::exchange(before, ',');
    const auto column = static_cast<std::size_t>(schema_.key.at(i));
    out += names_[column];
    append_json_value(key[i], schema_.columns[column].form, out);
  }
  out += key.empty() ? "{}" : "}";
}

void TableMessages::append_key_of(const Row& row, std::string& out) const {
  char before = '{';
  for (const int index : schema_.key) {
    out += std::exchange(before, ',');
    const auto column = static_cast<std::size_t>(index);
    out += names_[column];
    append_json_value(row.at(column), schema_.columns[column].form, out);
  }
  out += '}';
}

void TableMessages::append_value(std::size_t column, const Value& value,
                                 const RowParts& parts) const {
  parts.out += names_.at(column);
  if (value.bytes().size() > parts.longest) {
    append_json_string(kUnavailable, parts.out);
    return;
  }
  const std::string_view form = append_json_value(value, schema_.columns[column].form, parts.out);
  if (form.empty()) return;
  if (!parts.forms.empty()) parts.forms += ',';
  parts.forms += names_[column];
  parts.forms += '"';
  parts.forms += form;
  parts.forms += '"';
}

void TableMessages::append_row(const Row& row, const RowParts& parts) const {
  parts.out += '{';
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) parts.out += ',';
    append_value(i, row[i], parts);
  }
  parts.out += '}';
}

void TableMessages::append_row_of_key(const Row& key, const RowParts& parts) const {
  Row row(schema_.columns.size());
  for (std::size_t i = 0; i < key.size(); ++i) {
    row[static_cast<std::size_t>(schema_.key.at(i))] = key[i];
  }
  append_row(row, parts);
}

}  // namespace tandem::state
