// MAP and VALUE: what an item is made of.
//   MAP   := {NAME: VALUE, …, $columns: all | [a, b] | {except: [c]}}
//   VALUE := a constant | T | MAP | a list | one operator
// `$` alone marks operators; a literal name that begins with it is written `$$`.
#include <algorithm>

#include "agent/config_parts.h"
#include "agent/config_reader.h"
#include "sink/filter.h"

namespace tandem::agent {
namespace {

const std::vector<std::string>& operator_names() {
  static const std::vector<std::string> kNames = {"$each", "$count", "$sum",   "$min",
                                                  "$max",  "$with",  "$value", "$columns"};
  return kNames;
}

bool is_operator(const std::string& name) {
  return name.starts_with("$") && !name.starts_with("$$");
}

/// The nearest by spelling, else the only one with the same first letter ($evry: $each).
std::string nearest_operator(const std::string& name) {
  std::string nearest = sink::nearest_name(name, operator_names());
  if (!nearest.empty() || name.size() < 2) return nearest;
  for (const std::string& known : operator_names()) {
    if (known[1] != name[1]) continue;
    if (!nearest.empty()) return "";
    nearest = known;
  }
  return nearest;
}

void add_unknown_operator(const ConfigNode& name, MistakeList& mistakes) {
  mistakes.add(name,
               "unknown operator; a name that begins with $ as text is written $" + name.written,
               nearest_operator(name.text));
}

void read_columns(const ConfigNode& node, sink::MapSpec& map, MistakeList& mistakes) {
  using Columns = sink::MapSpec::Columns;
  if (node.is_list()) {
    map.columns = Columns::kOnly;
    map.column_names = read_names(node, "columns", mistakes);
  } else if (node.is_map()) {
    map.columns = Columns::kExcept;
    MapReader reader(node, kColumnsShape, mistakes);
    if (const ConfigNode* except = reader.require("except")) {
      map.column_names = read_names(*except, "columns", mistakes);
    }
  } else if (node.is_scalar() && node.text == "all") {
    map.columns = Columns::kAll;
  } else {
    mistakes.add(node, "must be all, a list of columns or {except: [columns]}",
                 node.is_scalar() ? sink::nearest_name(node.text, {"all"}) : "");
  }
}

/// What every operator begins with: its path, or nothing with the mistake noted.
std::optional<sink::Path> read_operand(const MapReader& map, std::string_view key,
                                       MistakeList& mistakes) {
  const ConfigNode* node = map.require(key);
  return node != nullptr ? read_path(*node, mistakes) : std::nullopt;
}

sink::ValueSpec read_each(const ConfigNode& node, MistakeList& mistakes) {
  MapReader map(node, kEachShape, mistakes);
  sink::EachSpec each;
  if (auto path = read_operand(map, "$each", mistakes)) each.relation = std::move(*path);
  each.item = std::make_shared<sink::ValueSpec>();
  if (const ConfigNode* item = map.require("item")) {
    *each.item = read_value_spec(*item, mistakes);
  }
  return {std::move(each), node.line};
}

sink::ValueSpec read_with(const ConfigNode& node, MistakeList& mistakes) {
  MapReader map(node, kWithShape, mistakes);
  sink::WithSpec with;
  if (auto path = read_operand(map, "$with", mistakes)) with.relation = std::move(*path);
  with.item = std::make_shared<sink::MapSpec>();
  if (const ConfigNode* item = map.require("item")) *with.item = read_map(*item, mistakes);
  return {std::move(with), node.line};
}

sink::ValueSpec read_aggregate(const ConfigNode& node, const Shape& shape,
                               sink::AggregateSpec::Kind kind, MistakeList& mistakes) {
  MapReader map(node, shape, mistakes);
  sink::AggregateSpec aggregate;
  aggregate.kind = kind;
  if (auto path = read_operand(map, shape.keys[0], mistakes)) {
    if (kind != sink::AggregateSpec::Kind::kCount && path->segments.size() < 2) {
      mistakes.add(*map.find(shape.keys[0]), "must name a relation and its column, orders.Total");
    }
    aggregate.path = std::move(*path);
  }
  return {std::move(aggregate), node.line};
}

/// A map names values by their text: 1 and "1" are one, null is itself.
bool same(const state::Value& a, const state::Value& b) {
  if (a.is_null() || b.is_null()) return a.is_null() && b.is_null();
  return sink::value_text(a) == sink::value_text(b);
}

void read_value_map(const ConfigNode& node, sink::TypedSpec& typed, MistakeList& mistakes) {
  if (!expect_map(node, "from the source's values to the item's", mistakes)) return;
  for (const auto& [name, constant] : node.entries) {
    const bool null = name.text == "null" && !name.quoted;
    auto from = null ? state::Value::null() : read_value(name, mistakes);
    auto to = read_constant(constant, mistakes);
    if (!from || !to) continue;
    const bool twice = std::any_of(typed.map.begin(), typed.map.end(),
                                   [&from](const auto& pair) { return same(pair.first, *from); });
    if (twice) mistakes.add(name, "this value stands here twice");
    typed.map.emplace_back(std::move(*from), std::move(*to));
  }
}

sink::ValueSpec read_typed(const ConfigNode& node, MistakeList& mistakes) {
  using As = sink::TypedSpec::As;
  static constexpr As kAs[] = {As::kString, As::kNumber, As::kJson, As::kBytes};
  MapReader map(node, kValueShape, mistakes);
  sink::TypedSpec typed;
  if (const ConfigNode* value = map.require("$value")) {
    if (auto parsed = read_template(*value, mistakes)) typed.value = std::move(*parsed);
  }
  if (const ConfigNode* values = map.find("map")) read_value_map(*values, typed, mistakes);
  if (const ConfigNode* constant = map.find("default")) {
    typed.default_value = read_constant(*constant, mistakes);
  }
  if (const ConfigNode* as = map.find("as")) {
    if (auto choice = read_choice(*as, {"string", "number", "json", "bytes"}, mistakes)) {
      typed.as = kAs[*choice];
    }
  }
  if (const ConfigNode* null = map.find("null")) {
    typed.keep_null = read_choice(*null, {"omit", "keep"}, mistakes).value_or(0) == 1;
  }
  return {std::move(typed), node.line};
}

sink::ValueSpec read_operator(const ConfigNode& name, const ConfigNode& node,
                              MistakeList& mistakes) {
  using Kind = sink::AggregateSpec::Kind;
  if (name.text == "$each") return read_each(node, mistakes);
  if (name.text == "$with") return read_with(node, mistakes);
  if (name.text == "$value") return read_typed(node, mistakes);
  if (name.text == "$count") return read_aggregate(node, kCountShape, Kind::kCount, mistakes);
  if (name.text == "$sum") return read_aggregate(node, kSumShape, Kind::kSum, mistakes);
  if (name.text == "$min") return read_aggregate(node, kMinShape, Kind::kMin, mistakes);
  if (name.text == "$max") return read_aggregate(node, kMaxShape, Kind::kMax, mistakes);
  add_unknown_operator(name, mistakes);
  return {sink::ConstantSpec{}, node.line};
}

sink::ValueSpec read_scalar(const ConfigNode& node, MistakeList& mistakes) {
  if (scalar_type(node) != ScalarType::kText) {
    auto constant = read_constant(node, mistakes);
    return {sink::ConstantSpec{constant.value_or(sink::Attribute())}, node.line};
  }
  auto text = read_template(node, mistakes);
  if (!text) return {sink::ConstantSpec{}, node.line};
  if (text->parts.empty()) return {sink::ConstantSpec{sink::Attribute::string("")}, node.line};
  if (text->parts.size() == 1 && !text->parts[0].path) {
    return {sink::ConstantSpec{sink::Attribute::string(text->parts[0].literal)}, node.line};
  }
  return {std::move(*text), node.line};
}

}  // namespace

sink::ValueSpec read_value_spec(const ConfigNode& node, MistakeList& mistakes) {
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      return {sink::ConstantSpec{}, node.line};
    case ConfigNode::Kind::kScalar:
      return read_scalar(node, mistakes);
    case ConfigNode::Kind::kList: {
      sink::ListSpec list;
      for (const ConfigNode& element : node.elements) {
        list.elements.push_back(read_value_spec(element, mistakes));
      }
      return {std::move(list), node.line};
    }
    case ConfigNode::Kind::kMap:
      break;
  }
  for (const auto& [name, value] : node.entries) {
    if (is_operator(name.text) && name.text != "$columns") {
      return read_operator(name, node, mistakes);
    }
  }
  return {read_map(node, mistakes), node.line};
}

sink::MapSpec read_map(const ConfigNode& node, MistakeList& mistakes) {
  sink::MapSpec map;
  map.line = node.line;
  if (!expect_map(node, "of attributes", mistakes)) return map;
  for (const auto& [name, value] : node.entries) {
    if (name.text == "$columns") {
      read_columns(value, map, mistakes);
    } else if (is_operator(name.text)) {
      const std::vector<std::string>& known = operator_names();
      if (std::find(known.begin(), known.end(), name.text) != known.end()) {
        mistakes.add(name, name.text + " stands for one value; give it a name, {NAME: {" +
                               name.text + ": …}}");
      } else {
        add_unknown_operator(name, mistakes);
      }
    } else if (name.text.empty()) {
      mistakes.add(name, "an attribute needs a name");
    } else {
      map.entries.emplace_back(name.text.starts_with("$$") ? name.text.substr(1) : name.text,
                               read_value_spec(value, mistakes));
    }
  }
  return map;
}

}  // namespace tandem::agent
