#include "state/message_writer.h"

#include <array>
#include <charconv>
#include <utility>
#include <variant>

#include "state/base64.h"
#include "state/error.h"
#include "state/json_string.h"
#include "state/json_value.h"

// Values of messages (v: a value as in json_value.h; w: one that says its own form; pos: [commit,
// ordinal]):
//
//   change, row of a chunk
//     {"before":ROW|null,"after":ROW|null,
//      "source":{"version":…,"connector":…,"name":…,"ts_ms":…,"snapshot":"false"|"true",
//                "db":…,"schema":…,"table":…,"lsn":commit,"forms":{column:form,…}},
//      "op":"c"|"u"|"d"|"r"|"t","ts_ms":…,"transaction":{"id":"commit:ordinal",
//      "total_order":…,"data_collection_order":…}}
//     ROW is {column:v,…} of all columns in their order; `before` of a delete has values in the
//     key's columns alone. The message's key is {column:v,…} of the key's columns in their order.
//   begin     {"status":"BEGIN","id":…,"ts_ms":…,"event_count":null,"data_collections":null,
//              "epoch":…,"position":pos}
//   end       {"status":"END","id":…,"ts_ms":…,"event_count":…,
//              "data_collections":[{"data_collection":…,"event_count":…},…],CHECKPOINT}
//   chunk     {"table":…,"from":[w,…],"to":[w,…],"rows":…,"touched":[[w,…],…]}
//   schema    {"reread":…,"tableChanges":[{"type":"CREATE"|"DROP","id":…,"table":{"columns":
//              [{"name":…,"typeName":…,"collation":…,"form":…,"generated":…,"comparison":…},…],
//              "primaryKeyColumnNames":[…],"key":[…],"uniqueKeys":[[…],…]}}]}
//   heartbeat {"ts_ms":…,"epoch":…,CHECKPOINT}
//   epoch     {"epoch":…,"identity":…}
//   gap       {"reason":w}
//   CHECKPOINT := "position":pos,"tables":[{"table":w,"fingerprint":…,"snapshotting":…,
//              "next_from":[w,…]},…],"source_state":base64
//   w := null | number | true | "text" | {"bytes"|"text"|"real"|"time"|"unchanged":"…"}
namespace tandem::state {
namespace {

template <typename Number>
void append_number(Number number, std::string& out) {
  std::array<char, 24> digits;
  auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(digits.data(), end);
}

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

template <typename List, typename Each>
void append_list(const List& list, std::string& out, Each each) {
  out += '[';
  bool first = true;
  for (const auto& item : list) {
    if (!std::exchange(first, false)) out += ',';
    each(item);
  }
  out += ']';
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
    out += ",\"fingerprint\":";
    append_number(table.fingerprint, out);
    out += table.snapshotting ? ",\"snapshotting\":true" : ",\"snapshotting\":false";
    out += ",\"next_from\":";
    append_telling(table.next_from, out);
    out += '}';
  });
  out += ",\"source_state\":\"";
  append_base64(checkpoint.source_state, out);
  out += '"';
}

void append_names(const TableSchema& schema, const std::vector<int>& columns, std::string& out) {
  append_list(columns, out, [&](int column) {
    append_telling(schema.columns.at(static_cast<std::size_t>(column)).name, out);
  });
}

void append_indexes(const std::vector<int>& columns, std::string& out) {
  append_list(columns, out, [&](int column) { append_number(column, out); });
}

// The part behind `"tableChanges":[`.
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
    out += ",\"form\":";
    append_number(static_cast<int>(column.form), out);
    out += column.generated ? ",\"generated\":true" : ",\"generated\":false";
    out += ",\"comparison\":";
    append_number(static_cast<int>(column.comparison), out);
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

void append_quoted(std::string_view name, const std::string& text, std::string& out) {
  out += '"';
  out += name;
  out += "\":";
  append_json_string(text, out);
}

}  // namespace

MessageWriter::MessageWriter(MessageOrigin origin) : origin_(std::move(origin)) {
  source_ = "\"source\":{";
  append_quoted("version", origin_.version, source_);
  source_ += ',';
  append_quoted("connector", origin_.connector, source_);
  source_ += ',';
  append_quoted("name", origin_.name, source_);
  source_ += ",\"ts_ms\":";
}

void MessageWriter::know(const TableSchema& schema) {
  Table table;
  table.schema = schema;
  for (const Column& column : schema.columns) {
    append_json_string(column.name, table.names.emplace_back());
    table.names.back() += ':';
  }
  table.source = ',';
  append_quoted("db", origin_.database, table.source);
  std::string name = schema.name;
  if (origin_.connector == "postgresql") {
    // A table of the schema `public` has no schema in its name.
    std::string namespace_name = "public";
    const std::size_t dot = name.find('.');
    if (dot != std::string::npos && name.compare(0, dot, namespace_name) != 0) {
      namespace_name = name.substr(0, dot);
      name.erase(0, dot + 1);
    }
    table.source += ',';
    append_quoted("schema", namespace_name, table.source);
    append_json_string(namespace_name + "." + name, table.collection);
  } else {
    append_json_string(name, table.collection);
  }
  table.source += ',';
  append_quoted("table", name, table.source);
  tables_[schema.name] = std::move(table);
}

void MessageWriter::write(const Batch& batch, const std::string& identity, Offset first) {
  identity_ = identity;
  first_ = first;
  for (record_ = 0; record_ < batch.records.size(); ++record_) {
    std::visit(
        [&](const auto& record) {
          using Kind = std::decay_t<decltype(record)>;
          if constexpr (std::is_same_v<Kind, Change> || std::is_same_v<Kind, Chunk>) {
            write(record, batch.tables.at(record.table));
          } else {
            write(record);
          }
        },
        batch.records[record_]);
  }
}

std::string_view MessageWriter::key(const OutgoingMessage& message) const {
  return std::string_view(bytes_).substr(message.key, message.value - message.key);
}

std::string_view MessageWriter::value(const OutgoingMessage& message) const {
  return std::string_view(bytes_).substr(message.value, message.end - message.value);
}

void MessageWriter::clear() {
  bytes_.clear();
  messages_.clear();
}

const MessageWriter::Table& MessageWriter::table(const std::string& name) const {
  auto found = tables_.find(name);
  if (found != tables_.end()) return found->second;
  throw Error("a change of a table whose columns the log does not tell", name,
              "this is a fault in Tandem; please report it");
}

void MessageWriter::begin_message() {
  OutgoingMessage& message = messages_.emplace_back();
  message.key = message.value = bytes_.size();
  message.record = record_;
}

void MessageWriter::begin_value() { messages_.back().value = bytes_.size(); }
void MessageWriter::end_message() { messages_.back().end = bytes_.size(); }

void MessageWriter::own_message(std::string_view kind) {
  begin_message();
  messages_.back().header = {kRecordHeader, std::string(kind)};
}

// What every message of ours tells of its place: who wrote it, into which log, and where it was to
// lie. At another place, somebody else wrote before it.
void MessageWriter::place() {
  bytes_ += "\"epoch\":";
  append_number(epoch_, bytes_);
  bytes_ += ",\"offset\":";
  append_number(first_ + static_cast<Offset>(messages_.size()) - 1, bytes_);
  bytes_ += ",\"log\":";
  append_json_string(identity_, bytes_);
}

void MessageWriter::write_log(const std::string& identity) {
  own_message("log");
  bytes_ += "{\"log\":";
  append_json_string(identity, bytes_);
  bytes_ += '}';
  end_message();
}

void MessageWriter::write(const Epoch& record) {
  epoch_ = record.epoch;
  own_message("epoch");
  bytes_ += '{';
  place();
  bytes_ += '}';
  end_message();
}

void MessageWriter::transaction_id() {
  bytes_ += "\"id\":\"";
  append_number(transaction_.position.commit, bytes_);
  bytes_ += ':';
  append_number(transaction_.position.ordinal, bytes_);
  bytes_ += '"';
}

void MessageWriter::write(const Begin& record) {
  transaction_ = {record.position, record.ts_ms, 0, {}};
  own_message("begin");
  bytes_ += R"({"status":"BEGIN",)";
  transaction_id();
  bytes_ += ",\"ts_ms\":";
  append_number(record.ts_ms, bytes_);
  bytes_ += R"(,"event_count":null,"data_collections":null,"position":)";
  append_position(record.position, bytes_);
  bytes_ += ',';
  place();
  bytes_ += '}';
  end_message();
}

void MessageWriter::write(const End& record) {
  own_message("end");
  bytes_ += R"({"status":"END",)";
  transaction_id();
  bytes_ += ",\"ts_ms\":";
  append_number(transaction_.ts_ms, bytes_);
  bytes_ += ",\"event_count\":";
  append_number(transaction_.total, bytes_);
  bytes_ += ",\"data_collections\":";
  append_list(transaction_.counts, bytes_, [&](const auto& count) {
    bytes_ += "{\"data_collection\":" + count.first + ",\"event_count\":";
    append_number(count.second, bytes_);
    bytes_ += '}';
  });
  bytes_ += ',';
  append_checkpoint(record.checkpoint, bytes_);
  bytes_ += ',';
  place();
  bytes_ += '}';
  end_message();
}

void MessageWriter::write(const Heartbeat& record) {
  own_message("heartbeat");
  bytes_ += "{\"ts_ms\":";
  append_number(record.ts_ms, bytes_);
  bytes_ += ',';
  append_checkpoint(record.checkpoint, bytes_);
  bytes_ += ',';
  place();
  bytes_ += '}';
  end_message();
}

void MessageWriter::write(const Gap& record) {
  own_message("gap");
  bytes_ += "{\"reason\":";
  append_telling(record.reason, bytes_);
  bytes_ += ',';
  place();
  bytes_ += '}';
  end_message();
}

void MessageWriter::write(const SchemaRecord& record) {
  know(record.schema);
  own_message("schema");
  bytes_ +=
      record.reread ? R"({"reread":true,"tableChanges":[)" : R"({"reread":false,"tableChanges":[)";
  append_schema(record.schema, bytes_);
  bytes_ += "],";
  place();
  bytes_ += '}';
  end_message();
}

std::string MessageWriter::key_object(const Table& table, const Row& key) const {
  std::string out = "{";
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (i > 0) out += ',';
    const auto column = static_cast<std::size_t>(table.schema.key.at(i));
    out += table.names[column];
    append_json_value(key[i], table.schema.columns[column].form, out);
  }
  return out + '}';
}

void MessageWriter::value_in(const Table& table, std::size_t column, const Value& value) {
  bytes_ += table.names.at(column);
  const std::string_view form = append_json_value(value, table.schema.columns[column].form, bytes_);
  if (form.empty()) return;
  forms_ += forms_.empty() ? "" : ",";
  forms_ += table.names[column];
  forms_ += '"';
  forms_ += form;
  forms_ += '"';
}

void MessageWriter::row_object(const Table& table, const Row& row) {
  bytes_ += '{';
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) bytes_ += ',';
    value_in(table, i, row[i]);
  }
  bytes_ += '}';
}

// All columns, but what is not in the key is null, as Debezium has it for a row of which no more
// is known.
void MessageWriter::row_of_key(const Table& table, const Row& key) {
  const TableSchema& schema = table.schema;
  Row row(schema.columns.size());
  for (std::size_t i = 0; i < key.size(); ++i) {
    row[static_cast<std::size_t>(schema.key.at(i))] = key[i];
  }
  row_object(table, row);
}

// `after`: null for a row that is gone.
void MessageWriter::row_message(const Table& table, char op, const Row& key, const Row* after) {
  ++transaction_.total;
  const std::int64_t count = ++transaction_.counts[table.collection];
  begin_message();
  if (op != 't') bytes_ += key_object(table, key);
  begin_value();
  forms_.clear();
  bytes_ += "{\"before\":";
  if (op == 'd') {
    row_of_key(table, key);
  } else {
    bytes_ += "null";
  }
  bytes_ += ",\"after\":";
  if (after != nullptr) {
    row_object(table, *after);
  } else {
    bytes_ += "null";
  }
  bytes_ += ',';
  bytes_ += source_;
  append_number(transaction_.ts_ms, bytes_);
  bytes_ += op == 'r' ? R"(,"snapshot":"true")" : R"(,"snapshot":"false")";
  bytes_ += table.source;
  bytes_ += ",\"lsn\":";
  append_number(transaction_.position.commit, bytes_);
  bytes_ += ",\"epoch\":";
  append_number(epoch_, bytes_);
  if (above_) {
    bytes_ += ",\"above\":";
    append_number(*above_, bytes_);
  }
  if (!forms_.empty()) bytes_ += ",\"forms\":{" + forms_ + '}';
  bytes_ += "},\"op\":\"";
  bytes_ += op;
  bytes_ += "\",\"ts_ms\":";
  append_number(transaction_.ts_ms, bytes_);
  bytes_ += ",\"transaction\":{";
  transaction_id();
  bytes_ += ",\"total_order\":";
  append_number(transaction_.total, bytes_);
  bytes_ += ",\"data_collection_order\":";
  append_number(count, bytes_);
  bytes_ += "}}";
  end_message();
}

void MessageWriter::write(const Change& change, const std::string& name) {
  const Table& its = table(name);
  above_ = change.above;
  switch (change.op) {
    case Op::kCreate:
      row_message(its, 'c', its.schema.key_of(change.after), &change.after);
      return;
    case Op::kDelete:
      row_message(its, 'd', change.key_before, nullptr);
      return;
    case Op::kTruncate:
      row_message(its, 't', {}, nullptr);
      return;
    case Op::kUpdate:
      break;
  }
  const Row key = its.schema.key_of(change.after);
  if (change.key_before.empty()) {
    row_message(its, 'u', key, &change.after);
    return;
  }
  row_message(its, 'd', change.key_before, nullptr);
  messages_.back().header = {kNewKeyHeader, key_object(its, key)};
  row_message(its, 'c', key, &change.after);
  messages_.back().header = {kOldKeyHeader, key_object(its, change.key_before)};
}

void MessageWriter::write(const Chunk& chunk, const std::string& name) {
  const Table& its = table(name);
  above_.reset();
  for (const Row& row : chunk.rows) row_message(its, 'r', its.schema.key_of(row), &row);
  own_message("chunk");
  bytes_ += "{\"table\":";
  append_telling(name, bytes_);
  bytes_ += ",\"from\":";
  append_telling(chunk.from, bytes_);
  bytes_ += ",\"to\":";
  append_telling(chunk.to, bytes_);
  bytes_ += ",\"rows\":";
  append_number(chunk.rows.size(), bytes_);
  bytes_ += ",\"touched\":";
  append_list(chunk.touched, bytes_, [&](const Row& key) { append_telling(key, bytes_); });
  bytes_ += ',';
  place();
  bytes_ += '}';
  end_message();
}

}  // namespace tandem::state
