#include "agent/record_text.h"

#include <nlohmann/json.hpp>
#include <variant>

#include "agent/terminal.h"

namespace tandem::agent {
namespace {

using Json = nlohmann::ordered_json;

bool valid_utf8(const std::string& bytes) {
  Json text = bytes;
  try {
    static_cast<void>(text.dump());
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

std::string hex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Json to_json(const state::Value& value) {
  switch (value.kind()) {
    case state::ValueKind::kNull:
      return nullptr;
    case state::ValueKind::kUnchanged:
      return {{"unchanged", true}};
    case state::ValueKind::kInteger:
      return value.as_integer();
    case state::ValueKind::kReal:
      return value.as_real();
    case state::ValueKind::kText:
      if (valid_utf8(value.bytes())) return value.bytes();
      return {{"text_hex", hex(value.bytes())}};
    case state::ValueKind::kBlob:
      return {{"hex", hex(value.bytes())}};
  }
  return nullptr;
}

Json row_json(const state::TableSchema* schema, const state::Row& row, bool key_only) {
  if (row.empty()) return nullptr;
  std::vector<std::string> names;
  if (schema != nullptr && key_only && schema->key.size() == row.size()) {
    for (int index : schema->key)
      names.push_back(schema->columns[static_cast<std::size_t>(index)].name);
  } else if (schema != nullptr && !key_only && schema->columns.size() == row.size()) {
    for (const state::Column& column : schema->columns) names.push_back(column.name);
  }
  if (names.empty()) {
    Json values = Json::array();
    for (const state::Value& value : row) values.push_back(to_json(value));
    return values;
  }
  Json object;
  for (std::size_t i = 0; i < names.size(); ++i) object[names[i]] = to_json(row[i]);
  return object;
}

const char* op_code(state::Op op) {
  switch (op) {
    case state::Op::kCreate:
      return "c";
    case state::Op::kUpdate:
      return "u";
    case state::Op::kDelete:
      return "d";
    case state::Op::kTruncate:
      return "t";
  }
  return "";
}

Json position_json(state::SourcePosition position) {
  return {{"commit", position.commit}, {"ordinal", position.ordinal}};
}

Json checkpoint_json(const state::Checkpoint& checkpoint) {
  Json json = {{"position", position_json(checkpoint.position)}, {"snapshotting", Json::array()}};
  for (const state::TableProgress& table : checkpoint.tables) {
    if (table.snapshotting) json["snapshotting"].push_back(table.table);
  }
  return json;
}

// As text for comparing with what a user typed.
std::string bare(const state::Value& value) {
  bool bytes = value.kind() == state::ValueKind::kText;
  return bytes ? value.bytes() : state::to_display(value);
}

bool same_key(const state::Row& row, const std::vector<std::string>& key) {
  if (row.size() != key.size()) return false;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (bare(row[i]) != key[i]) return false;
  }
  return true;
}

}  // namespace

const state::TableSchema* RecordText::schema(const std::string& table) const {
  auto found = schemas_.find(table);
  return found == schemas_.end() ? nullptr : &found->second;
}

std::string RecordText::table_of(const state::Batch& batch, const state::Record& record) {
  if (const auto* change = std::get_if<state::Change>(&record))
    return batch.tables.at(change->table);
  if (const auto* chunk = std::get_if<state::Chunk>(&record)) return batch.tables.at(chunk->table);
  if (const auto* made = std::get_if<state::SchemaRecord>(&record)) return made->schema.name;
  return "";
}

bool RecordText::has_key(const state::Batch& batch, const state::Record& record,
                         const std::vector<std::string>& key) const {
  const state::TableSchema* known = schema(table_of(batch, record));
  auto row_has = [&](const state::Row& row) {
    return known != nullptr && row.size() == known->columns.size() &&
           same_key(known->key_of(row), key);
  };
  if (const auto* change = std::get_if<state::Change>(&record)) {
    return same_key(change->key_before, key) || row_has(change->after);
  }
  if (const auto* chunk = std::get_if<state::Chunk>(&record)) {
    for (const state::Row& row : chunk->rows) {
      if (row_has(row)) return true;
    }
  }
  return false;
}

void RecordText::pass(const state::Record& record) {
  if (const auto* made = std::get_if<state::SchemaRecord>(&record)) know(made->schema);
}

std::string RecordText::json(const state::Batch& batch, std::size_t index) const {
  const state::Record& record = batch.records[index];
  Json json = {{"offset", batch.offsets[index]}};
  if (const auto* epoch = std::get_if<state::Epoch>(&record)) {
    json["record"] = "epoch";
    json["epoch"] = epoch->epoch;
  } else if (const auto* begin = std::get_if<state::Begin>(&record)) {
    json["record"] = "begin";
    json["position"] = position_json(begin->position);
    json["ts_ms"] = begin->ts_ms;
  } else if (const auto* change = std::get_if<state::Change>(&record)) {
    const std::string& table = batch.tables.at(change->table);
    json["record"] = "change";
    json["table"] = table;
    json["op"] = op_code(change->op);
    json["key_before"] = row_json(schema(table), change->key_before, true);
    json["after"] = row_json(schema(table), change->after, false);
    if (change->above) json["above"] = *change->above;
  } else if (const auto* chunk = std::get_if<state::Chunk>(&record)) {
    const std::string& table = batch.tables.at(chunk->table);
    json["record"] = "chunk";
    json["table"] = table;
    json["from"] = row_json(schema(table), chunk->from, true);
    json["to"] = row_json(schema(table), chunk->to, true);
    json["rows"] = Json::array();
    for (const state::Row& row : chunk->rows)
      json["rows"].push_back(row_json(schema(table), row, false));
  } else if (const auto* made = std::get_if<state::SchemaRecord>(&record)) {
    json["record"] = "schema";
    json["table"] = made->schema.name;
    json["reread"] = made->reread;
    json["columns"] = Json::array();
    for (const state::Column& column : made->schema.columns) {
      json["columns"].push_back({{"name", column.name}, {"type", column.declared_type}});
    }
  } else if (const auto* end = std::get_if<state::End>(&record)) {
    json["record"] = "end";
    json.update(checkpoint_json(end->checkpoint));
  } else if (const auto* heartbeat = std::get_if<state::Heartbeat>(&record)) {
    json["record"] = "heartbeat";
    json["ts_ms"] = heartbeat->ts_ms;
    json.update(checkpoint_json(heartbeat->checkpoint));
  } else if (const auto* gap = std::get_if<state::Gap>(&record)) {
    json["record"] = "gap";
    json["reason"] = gap->reason;
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string RecordText::line(const state::Batch& batch, std::size_t index) const {
  Json json = Json::parse(this->json(batch, index));
  auto take = [&json](const char* name) {
    Json value = json[name];
    json.erase(name);
    return value;
  };
  std::string text =
      std::to_string(take("offset").get<std::int64_t>()) + "  " + take("record").get<std::string>();
  if (json.contains("table")) text += " " + take("table").get<std::string>();
  if (json.contains("op")) text += " " + take("op").get<std::string>();
  if (json.contains("rows")) text += " of " + std::to_string(take("rows").size()) + " rows";
  for (const auto& [name, value] : json.items()) {
    if (value.is_null()) continue;
    text += "  " + name + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return printable(text);
}

}  // namespace tandem::agent
