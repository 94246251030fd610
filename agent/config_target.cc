// `target`: where the items go.
#include <algorithm>

#include "agent/config_parts.h"
#include "agent/config_reader.h"

namespace tandem::agent {
namespace {

/// Table and index names as DynamoDB takes them; a local target keeps to the same, so that a
/// rehearsal proves something.
void check_store_name(const ConfigNode& name, std::string_view what, MistakeList& mistakes) {
  const bool plain = std::all_of(name.text.begin(), name.text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
  if (plain && name.text.size() >= 3 && name.text.size() <= 255) return;
  mistakes.add(name, "the name of " + std::string(what) +
                         " has 3 to 255 of the characters a-z A-Z 0-9 _ - .");
}

std::vector<std::string> read_key(const ConfigNode& node, MistakeList& mistakes) {
  std::vector<std::string> key = read_names(node, "attributes", mistakes);
  if (key.size() > 2) {
    mistakes.add(node, "a key has one or two attributes, not " + std::to_string(key.size()));
  }
  return key;
}

sink::TargetTable read_target_table(const ConfigNode& name, const ConfigNode& node,
                                    MistakeList& mistakes) {
  sink::TargetTable table;
  table.name = name.text;
  check_store_name(name, "a target table", mistakes);
  MapReader map(node, kTargetTableShape, mistakes);
  if (const ConfigNode* key = map.require("key")) table.key = read_key(*key, mistakes);
  const ConfigNode* indexes = map.find("indexes");
  if (indexes == nullptr || !expect_map(*indexes, "of indexes", mistakes)) return table;
  for (const auto& [index, attributes] : indexes->entries) {
    check_store_name(index, "an index", mistakes);
    table.indexes.push_back({index.text, read_key(attributes, mistakes)});
  }
  return table;
}

void read_billing(const ConfigNode& node, TargetConfig& target, MistakeList& mistakes) {
  if (!node.is_map()) {
    if (node.is_scalar() && node.text == "on_demand") return;
    mistakes.add(node, "must be on_demand or {read: UNITS, write: UNITS}",
                 node.is_scalar() ? sink::nearest_name(node.text, {"on_demand"}) : "");
    return;
  }
  MapReader map(node, kBillingShape, mistakes);
  std::int64_t read = 0, write = 0;
  if (const ConfigNode* units = map.require("read")) {
    read = read_whole(*units, 1, mistakes).value_or(0);
  }
  if (const ConfigNode* units = map.require("write")) {
    write = read_whole(*units, 1, mistakes).value_or(0);
  }
  for (sink::TargetTable& table : target.tables) {
    table.read_units = read;
    table.write_units = write;
  }
}

void read_tombstones(const ConfigNode& node, sink::TargetOptions& options, MistakeList& mistakes) {
  if (node.is_scalar() && node.text == "none") {
    options.tombstones = std::chrono::seconds(0);
  } else if (auto duration = read_duration(node, mistakes)) {
    options.tombstones = std::chrono::duration_cast<std::chrono::seconds>(*duration);
    if (options.tombstones.count() == 0) {
      mistakes.add(node, "a tombstone stands for at least a second; write none for no tombstones");
    }
  }
}

/// Key attributes belong to the documents, never to us.
void check_own_attribute(const ConfigNode& node, const TargetConfig& target,
                         MistakeList& mistakes) {
  const std::string& own = target.options.attribute;
  auto clashes = [&own](const std::string& name) { return name == own || name == own + "_ttl"; };
  for (const sink::TargetTable& table : target.tables) {
    bool found = std::any_of(table.key.begin(), table.key.end(), clashes);
    for (const sink::TargetIndex& index : table.indexes) {
      found = found || std::any_of(index.key.begin(), index.key.end(), clashes);
    }
    if (found) {
      mistakes.add(node, "table " + table.name + " has " + own + " (or " + own +
                             "_ttl) in a key, but these attributes are Tandem's own; name another "
                             "by target.attribute");
    }
  }
}

}  // namespace

void read_target(const ConfigNode& node, TargetConfig& target, MistakeList& mistakes) {
  MapReader map(node, kTargetShape, mistakes);
  if (!map) return;
  std::optional<std::size_t> type;
  if (const ConfigNode* found = map.require("type")) {
    type = read_choice(*found, {"local", "dynamodb"}, mistakes);
  }
  if (type) target.type = *type == 0 ? TargetType::kLocal : TargetType::kDynamodb;
  const ConfigNode* path = type == 0U ? map.require("path") : map.find("path");
  if (path != nullptr) target.path = read_name(*path, mistakes).value_or("");
  if (const ConfigNode* region = map.find("region")) {
    target.region = read_text(*region, mistakes).value_or("");
  }
  if (const ConfigNode* endpoint = map.find("endpoint")) {
    // `endpoint:` and `endpoint: ""` both mean AWS itself.
    if (!endpoint->is_null()) target.endpoint = read_text(*endpoint, mistakes).value_or("");
  }
  const ConfigNode* tables = map.require("tables");
  if (tables != nullptr && expect_map(*tables, "of target tables", mistakes)) {
    if (tables->entries.empty()) mistakes.add(*tables, "must declare at least one table");
    for (const auto& [name, table] : tables->entries) {
      target.tables.push_back(read_target_table(name, table, mistakes));
    }
  }
  if (const ConfigNode* attribute = map.find("attribute")) {
    if (auto name = read_name(*attribute, mistakes)) target.options.attribute = *name;
  }
  if (const ConfigNode* tombstones = map.find("tombstones")) {
    read_tombstones(*tombstones, target.options, mistakes);
  }
  if (const ConfigNode* billing = map.find("billing")) read_billing(*billing, target, mistakes);
  const ConfigNode* attribute = map.find("attribute");
  check_own_attribute(attribute != nullptr ? *attribute : node, target, mistakes);
}

}  // namespace tandem::agent
