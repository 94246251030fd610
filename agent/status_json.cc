// The status report as JSON: what `status --json` prints and status.json holds.
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/status_report.h"
#include "agent/terminal.h"

namespace tandem::agent {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json maybe(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

template <typename T>
std::optional<T> read_maybe(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return json.get<T>();
}

void add_health(const capture::SourceHealth& health, Json& json) {
  if (health.retained) {
    const capture::SourceHealth::Retained& retained = *health.retained;
    json["slot"] = {{"name", retained.by},
                    {"wal_status", retained.state},
                    {"held_bytes", retained.bytes},
                    {"bytes_per_second", maybe(retained.bytes_per_second)},
                    {"safe_bytes", maybe(retained.safe_bytes)},
                    {"seconds_until_lost", Json()}};
    if (retained.until_lost) json["slot"]["seconds_until_lost"] = retained.until_lost->count();
  }
  json["capture"]["waits_for"] = health.waits_for;
  json["warnings"] = Json::array();
  for (const capture::Finding& warning : health.warnings) {
    json["warnings"].push_back(
        {{"subject", warning.subject}, {"text", warning.text}, {"advice", warning.advice}});
  }
}

capture::SourceHealth health_of(const Json& json) {
  capture::SourceHealth health;
  if (json.contains("slot")) {
    const Json& slot = json.at("slot");
    capture::SourceHealth::Retained& retained = health.retained.emplace();
    retained.by = slot.at("name");
    retained.state = slot.at("wal_status");
    retained.bytes = slot.at("held_bytes");
    retained.bytes_per_second = read_maybe<double>(slot.at("bytes_per_second"));
    retained.safe_bytes = read_maybe<std::int64_t>(slot.at("safe_bytes"));
    if (auto left = read_maybe<std::int64_t>(slot.at("seconds_until_lost"))) {
      retained.until_lost = std::chrono::seconds(*left);
    }
  }
  health.waits_for = json.at("capture").at("waits_for");
  for (const Json& entry : json.at("warnings")) {
    health.warnings.push_back({capture::Finding::Level::kWarning, entry.at("subject"),
                               entry.at("text"), entry.at("advice")});
  }
  return health;
}

}  // namespace

std::string to_json(const StatusReport& report) {
  Json json;
  json["pipeline"] = report.pipeline;
  json["time"] = iso_time(report.time_ms);
  json["time_ms"] = report.time_ms;
  json["role"] = name_of(report.role);
  json["in_sync"] = report.in_sync;
  json["level"] = report.level;
  json["agent"] = {{"running", report.agent_pid.has_value()}};
  if (report.agent_pid) json["agent"]["pid"] = *report.agent_pid;
  json["source"] = {{"path", report.source_path}, {"reachable", report.source_reachable}};
  json["source"]["position"] = maybe(report.source_position);
  json["capture"] = {{"position", report.capture_position},
                     {"read_up_to", report.read_up_to},
                     {"epoch", report.epoch},
                     {report.in_wal ? "lag_bytes" : "lag_changes", report.lag_source},
                     {"tables", report.tables},
                     {"snapshotting", report.snapshotting}};
  if (report.in_wal) {
    if (report.source_position) {
      json["source"]["lsn"] = position_text(report, *report.source_position);
    }
    json["capture"]["lsn"] = position_text(report, report.capture_position);
  }
  add_health(report.health, json);
  json["log"] = {{"first", report.log.first},
                 {"next", report.log.next},
                 {"bytes", report.log.bytes},
                 {"silent_seconds", static_cast<double>(report.log.silent.count()) / 1000},
                 {"records_per_second", report.changes_per_second}};
  json["replica"] = {{"next", report.replica_next},
                     {"source_position", report.replica_position},
                     {"lag_offsets", report.lag_offsets},
                     {"lag_bytes", report.lag_bytes}};
  json["apply"] = {{"dirty", report.dirty},
                   {"settled", report.settled},
                   {"dead_letters", report.dead_letters},
                   {"lag_seconds", report.lag_seconds},
                   {"written", report.written},
                   {"deleted", report.deleted},
                   {"unchanged", report.unchanged},
                   {"items_per_second", report.items_per_second}};
  json["target"] = {{"write_calls", report.write_calls},
                    {"read_calls", report.read_calls},
                    {"throttled", report.throttled}};
  json["documents"] = Json::array();
  for (const sink::DocumentStatus& document : report.documents) {
    json["documents"].push_back({{"name", document.name},
                                 {"items", document.items},
                                 {"dead_letters", document.dead_letters},
                                 {"progress", document.progress},
                                 {"resting", document.resting}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

StatusReport report_from_json(const std::string& text) {
  Json json = Json::parse(text);
  StatusReport report;
  report.pipeline = json.at("pipeline");
  report.role = role_of(json.at("role"));
  report.level = json.at("level");
  report.time_ms = json.at("time_ms");
  report.in_sync = json.at("in_sync");
  if (json.at("agent").contains("pid")) report.agent_pid = json.at("agent").at("pid").get<int>();
  report.source_path = json.at("source").at("path");
  report.source_reachable = json.at("source").at("reachable");
  report.source_position = read_maybe<std::uint64_t>(json.at("source").at("position"));
  report.capture_position = json.at("capture").at("position");
  report.epoch = json.at("capture").at("epoch");
  report.read_up_to = json.at("capture").at("read_up_to");
  report.in_wal = json.at("capture").contains("lag_bytes");
  report.lag_source = json.at("capture").at(report.in_wal ? "lag_bytes" : "lag_changes");
  report.health = health_of(json);
  report.tables = json.at("capture").at("tables").get<std::vector<std::string>>();
  report.snapshotting = json.at("capture").at("snapshotting").get<std::vector<std::string>>();
  report.log.first = json.at("log").at("first");
  report.log.next = json.at("log").at("next");
  report.log.bytes = json.at("log").at("bytes");
  report.log.silent = std::chrono::milliseconds(
      static_cast<std::int64_t>(json.at("log").value("silent_seconds", 0.0) * 1000));
  report.changes_per_second = json.at("log").at("records_per_second");
  report.replica_next = json.at("replica").at("next");
  report.replica_position = json.at("replica").at("source_position");
  report.lag_offsets = json.at("replica").at("lag_offsets");
  report.lag_bytes = json.at("replica").at("lag_bytes");
  report.dirty = json.at("apply").at("dirty");
  report.settled = json.at("apply").at("settled");
  report.dead_letters = json.at("apply").at("dead_letters");
  report.lag_seconds = json.at("apply").at("lag_seconds");
  report.written = json.at("apply").at("written");
  report.deleted = json.at("apply").at("deleted");
  report.unchanged = json.at("apply").at("unchanged");
  report.items_per_second = json.at("apply").at("items_per_second");
  report.write_calls = json.at("target").at("write_calls");
  report.read_calls = json.at("target").at("read_calls");
  report.throttled = json.at("target").at("throttled");
  for (const Json& entry : json.at("documents")) {
    sink::DocumentStatus document;
    document.name = entry.at("name");
    document.items = entry.at("items");
    document.dead_letters = entry.at("dead_letters");
    document.progress = entry.at("progress");
    document.resting = entry.at("resting");
    report.documents.push_back(std::move(document));
  }
  return report;
}

std::optional<StatusReport> read_status(const state::StateDirectory& directory) {
  auto text = directory.read_status();
  if (!text) return std::nullopt;
  try {
    return report_from_json(*text);
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace tandem::agent
