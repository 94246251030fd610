// `source` and `log`.
#include <algorithm>

#include "agent/config_parts.h"
#include "agent/config_reader.h"

namespace tandem::agent {
namespace {

// PostgreSQL cuts longer names off, without a word. A publication's must leave room for the second
// one that is named after it, of the tables that are insert_only.
constexpr std::size_t kLongestSlotName = 63;
constexpr std::size_t kLongestPublicationName =
    kLongestSlotName - std::string_view("_inserts").size();

bool is_slot_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

void read_slot(const ConfigNode& node, SourceConfig& source, MistakeList& mistakes) {
  auto name = read_name(node, mistakes);
  if (!name) return;
  if (name->size() > kLongestSlotName ||
      !std::all_of(name->begin(), name->end(), is_slot_character)) {
    mistakes.add(node, "must have at most 63 of the characters a-z 0-9 _, as PostgreSQL wants it");
    return;
  }
  source.slot = *name;
}

void read_publication(const ConfigNode& node, SourceConfig& source, MistakeList& mistakes) {
  auto name = read_name(node, mistakes);
  if (!name) return;
  if (name->size() > kLongestPublicationName) {
    mistakes.add(node, "must have at most 55 bytes, so that _inserts can be added to it");
    return;
  }
  source.publication = *name;
}

void read_credentials(const ConfigNode& node, SourceConfig& source, MistakeList& mistakes) {
  MapReader map(node, kCredentialsShape, mistakes);
  if (!map) return;
  if (const ConfigNode* file = map.require("file")) {
    source.credentials.file = read_name(*file, mistakes).value_or("");
  }
  if (const ConfigNode* section = map.find("section")) {
    source.credentials.section = read_name(*section, mistakes).value_or("");
  }
}

void read_snapshot_tables(const ConfigNode& node, SourceConfig& source, MistakeList& mistakes) {
  constexpr std::int64_t kMost = 16;
  auto count = read_whole(node, 1, mistakes);
  if (count && *count > kMost) {
    mistakes.add(node, "must be 16 at most: each is a connection of its own");
  } else if (count) {
    source.snapshot_tables = static_cast<int>(*count);
  }
}

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
    if (const ConfigNode* insert_only = map.find("insert_only")) {
      request.insert_only = read_flag(*insert_only, mistakes).value_or(false);
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

void read_replication(const ConfigNode& node, LogConfig& log, MistakeList& mistakes) {
  constexpr std::int64_t kMost = 32767;
  auto count = read_whole(node, 1, mistakes);
  if (count && *count > kMost) {
    mistakes.add(node, "must be the number of brokers at most");
  } else if (count) {
    log.replication = static_cast<int>(*count);
  }
}

void read_texts(const ConfigNode& node, const char* what, std::map<std::string, std::string>& texts,
                MistakeList& mistakes) {
  if (!expect_map(node, what, mistakes)) return;
  for (const auto& [name, value] : node.entries) {
    if (auto text = read_text(value, mistakes)) texts.emplace(name.text, *text);
  }
}

}  // namespace

std::string default_object_name(std::string_view pipeline) {
  std::string name = "tandem_";
  for (char c : pipeline) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    name += is_slot_character(c) ? c : '_';
  }
  return name.substr(0, kLongestPublicationName);
}

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
  if (const ConfigNode* credentials = map.find("credentials")) {
    read_credentials(*credentials, source, mistakes);
  }
  if (const ConfigNode* slot = map.find("slot")) read_slot(*slot, source, mistakes);
  if (const ConfigNode* publication = map.find("publication")) {
    read_publication(*publication, source, mistakes);
  }
  if (const ConfigNode* count = map.find("snapshot_tables")) {
    read_snapshot_tables(*count, source, mistakes);
  }
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
    read_texts(*properties, "of librdkafka's properties", log.properties, mistakes);
  }
  if (const ConfigNode* replication = map.find("replication")) {
    read_replication(*replication, log, mistakes);
  }
  if (const ConfigNode* settings = map.find("settings")) {
    read_texts(*settings, "of the topic's settings", log.settings, mistakes);
  }
  if (const ConfigNode* tombstones = map.find("tombstones")) {
    log.tombstones = read_flag(*tombstones, mistakes).value_or(false);
  }
  if (const ConfigNode* retention = map.find("retention")) {
    read_retention(*retention, log, mistakes);
  }
}

}  // namespace tandem::agent
