#include "state/record_json_reader.h"

#include <utility>

#include "state/base64.h"
#include "state/error.h"
#include "state/json_value.h"

namespace tandem::state {

namespace dom = simdjson::dom;

void RecordJsonReader::foreign(const std::string& what) const {
  throw Error("a message that Tandem did not write (" + what + ")",
              where_ + ", offset " + std::to_string(offset_),
              "let nobody else write to this topic; `tandem reset --confirm` and `run` with "
              "another `log.topic` begin anew");
}

Value RecordJsonReader::value(dom::element json, std::string_view form) const {
  switch (json.type()) {
    case dom::element_type::NULL_VALUE:
      return Value::null();
    case dom::element_type::BOOL:
      return Value::integer(bool(json) ? 1 : 0);
    case dom::element_type::INT64:
      return Value::integer(std::int64_t(json));
    case dom::element_type::DOUBLE:
      return Value::real(double(json));
    case dom::element_type::STRING:
      if (auto made = value_of_string(std::string_view(json), form)) return *std::move(made);
      foreign("form");
    default:
      foreign("value");
  }
}

// A value that says its own form.
Value RecordJsonReader::telling(dom::element json) const {
  dom::object object;
  if (json.get(object) != simdjson::SUCCESS) return value(json, {});
  if (object.size() != 1) foreign("form");
  const dom::key_value_pair pair = *object.begin();
  return value(pair.value, pair.key);
}

std::string RecordJsonReader::text(dom::element json) const {
  Value made = telling(json);
  if (made.kind() != ValueKind::kText) foreign("text");
  return made.bytes();
}

Row RecordJsonReader::telling_row(dom::array json) const {
  Row made;
  for (dom::element each : json) made.push_back(telling(each));
  return made;
}

SourcePosition RecordJsonReader::position(dom::element json) const {
  const auto pair = get<dom::array>(json, "position");
  SourcePosition made;
  if (pair.size() != 2 || pair.at(0).get(made.commit) != simdjson::SUCCESS ||
      pair.at(1).get(made.ordinal) != simdjson::SUCCESS) {
    foreign("`position`");
  }
  return made;
}

Checkpoint RecordJsonReader::checkpoint(dom::element json) const {
  Checkpoint made;
  made.position = position(json);
  for (dom::element each : get<dom::array>(json, "tables")) {
    made.tables.push_back({text(get<dom::element>(each, "table")),
                           get<std::uint64_t>(each, "fingerprint"), get<bool>(each, "snapshotting"),
                           telling_row(get<dom::array>(each, "next_from"))});
  }
  auto state = decode_base64(get<std::string_view>(json, "source_state"));
  if (!state) foreign("`source_state`");
  made.source_state = *std::move(state);
  return made;
}

std::vector<int> RecordJsonReader::indexes(dom::array json, std::size_t limit) const {
  std::vector<int> made;
  for (dom::element each : json) {
    std::uint64_t index = 0;
    if (each.get(index) != simdjson::SUCCESS || index >= limit) foreign("a key's column");
    made.push_back(static_cast<int>(index));
  }
  return made;
}

SchemaRecord RecordJsonReader::schema(dom::element json) const {
  SchemaRecord made;
  made.reread = get<bool>(json, "reread");
  const auto changes = get<dom::array>(json, "tableChanges");
  if (changes.size() != 1) foreign("`tableChanges`");
  const dom::element change = *changes.begin();
  made.schema.name = text(get<dom::element>(change, "id"));
  const auto table = get<dom::object>(change, "table");
  for (dom::element each : get<dom::array>(table, "columns")) {
    Column column;
    column.name = text(get<dom::element>(each, "name"));
    column.declared_type = text(get<dom::element>(each, "typeName"));
    column.collation = text(get<dom::element>(each, "collation"));
    const auto form = get<std::uint64_t>(each, "form");
    const auto comparison = get<std::uint64_t>(each, "comparison");
    if (form > static_cast<std::uint64_t>(ColumnForm::kArray) ||
        comparison > static_cast<std::uint64_t>(Comparison::kOrder)) {
      foreign("a column");
    }
    column.form = static_cast<ColumnForm>(form);
    column.comparison = static_cast<Comparison>(comparison);
    column.generated = get<bool>(each, "generated");
    made.schema.columns.push_back(std::move(column));
  }
  const std::size_t columns = made.schema.columns.size();
  made.schema.key = indexes(get<dom::array>(table, "key"), columns);
  for (dom::element each : get<dom::array>(table, "uniqueKeys")) {
    dom::array key;
    if (each.get(key) != simdjson::SUCCESS) foreign("`uniqueKeys`");
    made.schema.unique_keys.push_back(indexes(key, columns));
  }
  return made;
}

}  // namespace tandem::state
