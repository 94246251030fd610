#include "state/record_json.h"

#include <string_view>
#include <vector>

#include "state/base64.h"
#include "state/json_text.h"
#include "state/json_value.h"

namespace tandem::state {
namespace {

void append_names(const TableSchema& schema, const std::vector<int>& columns, std::string& out) {
  append_list(columns, out, [&](int column) {
    append_telling(schema.columns.at(static_cast<std::size_t>(column)).name, out);
  });
}

void append_indexes(const std::vector<int>& columns, std::string& out) {
  append_list(columns, out, [&](int column) { append_number(column, out); });
}

}  // namespace

void append_telling(const Value& value, std::string& out) {
  const std::size_t at = out.size();
  const std::string_view form = append_json_value(value, ColumnForm::kAny, out);
  if (form.empty()) return;
  out.insert(at, "{\"" + std::string(form) + "\":");
  out += '}';
}

void append_telling(const std::string& text, std::string& out) {
  append_telling(Value::text(text), out);
}

void append_telling(const Row& row, std::string& out) {
  append_list(row, out, [&](const Value& value) { append_telling(value, out); });
}

void append_position(const SourcePosition& position, std::string& out) {
  out += '[';
  append_number(position.commit, out);
  out += ',';
  append_number(position.ordinal, out);
  out += ']';
}

void append_checkpoint(const Checkpoint& checkpoint, std::string& out) {
  out += "\"position\":";
  append_position(checkpoint.position, out);
  out += ",\"tables\":";
  append_list(checkpoint.tables, out, [&](const TableProgress& table) {
    out += "{\"table\":";
    append_telling(table.table, out);
    out += ',';
    append_member("fingerprint", table.fingerprint, out);
    out += table.snapshotting ? ",\"snapshotting\":true" : ",\"snapshotting\":false";
    out += ",\"next_from\":";
    append_telling(table.next_from, out);
    out += '}';
  });
  out += ",\"source_state\":\"";
  append_base64(checkpoint.source_state, out);
  out += '"';
}

void append_schema(const TableSchema& schema, std::string& out) {
  out += schema.columns.empty() ? R"({"type":"DROP","id":)" : R"({"type":"CREATE","id":)";
  append_telling(schema.name, out);
  out += ",\"table\":{\"columns\":";
  append_list(schema.columns, out, [&](const Column& column) {
    out += "{\"name\":";
    append_telling(column.name, out);
    out += ",\"typeName\":";
    append_telling(column.declared_type, out);
    out += ",\"collation\":";
    append_telling(column.collation, out);
    out += ',';
    append_member("form", static_cast<int>(column.form), out);
    out += column.generated ? ",\"generated\":true," : ",\"generated\":false,";
    append_member("comparison", static_cast<int>(column.comparison), out);
    out += '}';
  });
  out += ",\"primaryKeyColumnNames\":";
  append_names(schema, schema.key, out);
  out += ",\"key\":";
  append_indexes(schema.key, out);
  out += ",\"uniqueKeys\":";
  append_list(schema.unique_keys, out,
              [&](const std::vector<int>& key) { append_indexes(key, out); });
  out += "}}";
}

}  // namespace tandem::state
