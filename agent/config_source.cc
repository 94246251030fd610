// `source` and `log`.
#include "agent/config_parts.h"
#include "agent/config_reader.h"

namespace tandem::agent {
namespace {

void read_source_tables(const ConfigNode& node, SourceConfig& source, MistakeList& mistakes) {
  if (!expect_map(node, "of tables", mistakes)) return;
  for (const auto& [name, settings] : node.entries) {
    MapReader map(settings, kSourceTableShape, mistakes);
    capture::TableRequest request;
    request.name = name.text;
    if (const ConfigNode* key = map.find("key"))
      request.key = read_names(*key, "columns", mistakes);
    if (const ConfigNode* victims = map.find("replace_victims")) {
      request.replace_victims = read_flag(*victims, mistakes).value_or(true);
    }
    source.tables.emplace(name.text, std::move(request));
  }
}

void read_retention(const ConfigNode& node, LogConfig& log, MistakeList& mistakes) {
  MapReader map(node, kRetentionShape, mistakes);
  if (const ConfigNode* age = map.find("age")) {
    if (auto duration = read_duration(*age, mistakes)) {
      log.retention_age = std::chrono::duration_cast<std::chrono::seconds>(*duration);
    }
  }
  if (const ConfigNode* size = map.find("size")) {
    if (auto bytes = read_size(*size, mistakes)) log.retention_size = *bytes;
  }
}

void read_brokers(const ConfigNode& node, LogConfig& log, MistakeList& mistakes) {
  if (node.is_list()) {
    log.brokers = read_names(node, "brokers", mistakes);
  } else if (auto broker = read_name(node, mistakes)) {
    log.brokers = {*broker};
  }
}

void read_properties(const ConfigNode& node, LogConfig& log, MistakeList& mistakes) {
  if (!expect_map(node, "of librdkafka's properties", mistakes)) return;
  for (const auto& [name, value] : node.entries) {
    if (auto text = read_text(value, mistakes)) log.properties.emplace(name.text, *text);
  }
}

}  // namespace

void read_source(const ConfigNode& node, SourceConfig& source, MistakeList& mistakes) {
  MapReader map(node, kSourceShape, mistakes);
  if (!map) return;
  std::optional<std::size_t> type;
  if (const ConfigNode* found = map.require("type")) {
    type = read_choice(*found, {"sqlite", "postgres"}, mistakes);
  }
  if (type) source.type = *type == 0 ? SourceType::kSqlite : SourceType::kPostgres;
  // Each type needs its own place; the other's may stand beside it, so that a variable can switch.
  const ConfigNode* path = type == 0U ? map.require("path") : map.find("path");
  if (path != nullptr) source.path = read_name(*path, mistakes).value_or("");
  const ConfigNode* url = type == 1U ? map.require("url") : map.find("url");
  if (url != nullptr) source.url = read_name(*url, mistakes).value_or("");
  if (const ConfigNode* heartbeat = map.find("heartbeat")) {
    if (auto duration = read_duration(*heartbeat, mistakes)) source.heartbeat = *duration;
  }
  if (const ConfigNode* tables = map.find("tables")) read_source_tables(*tables, source, mistakes);
}

void read_log(const ConfigNode& node, LogConfig& log, MistakeList& mistakes) {
  MapReader map(node, kLogShape, mistakes);
  if (!map) return;
  std::optional<std::size_t> type;
  if (const ConfigNode* found = map.require("type")) {
    type = read_choice(*found, {"embedded", "kafka"}, mistakes);
  }
  if (type) log.type = *type == 0 ? LogType::kEmbedded : LogType::kKafka;
  const ConfigNode* brokers = type == 1U ? map.require("brokers") : map.find("brokers");
  if (brokers != nullptr) read_brokers(*brokers, log, mistakes);
  if (const ConfigNode* topic = map.find("topic")) {
    log.topic = read_name(*topic, mistakes).value_or("");
  }
  if (const ConfigNode* properties = map.find("properties")) {
    read_properties(*properties, log, mistakes);
  }
  if (const ConfigNode* retention = map.find("retention")) {
    read_retention(*retention, log, mistakes);
  }
}

}  // namespace tandem::agent
