#include "agent/status_report.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "agent/terminal.h"
#include "agent/wiring.h"
#include "state/ledger_reader.h"

namespace tandem::agent {
namespace {

using Json = nlohmann::ordered_json;

void finish(StatusReport& report) {
  report.lag_changes =
      report.source_position > report.capture_position
          ? static_cast<std::int64_t>(report.source_position - report.capture_position)
          : 0;
  report.lag_offsets = std::max<std::int64_t>(0, report.log_next - report.replica_next);
  report.in_sync = report.source_reachable && report.lag_changes == 0 && report.lag_offsets == 0 &&
                   report.settled && report.dirty == 0 && report.dead_letters == 0 &&
                   report.snapshotting.empty();
}

std::int64_t unsettled_marks(state::ReplicaReader& replica, state::LedgerReader& ledger) {
  constexpr std::size_t kPage = 10'000;
  std::int64_t unsettled = 0;
  state::MarkNumber after = 0;
  for (;;) {
    auto marks = replica.marks_after(after, kPage);
    for (const state::Mark& mark : marks) {
      auto settled = ledger.settled(mark.document, mark.root);
      if (!settled || *settled < mark.number) ++unsettled;
      after = mark.number;
    }
    if (marks.size() < kPage) return unsettled;
  }
}

// Whether nothing is left of wide marks, full passes, and writes without an answer.
bool all_settled(state::ReplicaReader& replica, state::LedgerReader& ledger) {
  std::vector<state::Expansion> expansions = ledger.expansions();
  for (const state::WideMark& mark : replica.wide_marks()) {
    const bool done =
        std::any_of(expansions.begin(), expansions.end(), [&](const state::Expansion& expansion) {
          return expansion.done && expansion.number >= mark.number &&
                 expansion.document == mark.document && expansion.path == mark.path &&
                 expansion.values == mark.values;
        });
    if (!done) return false;
  }
  const bool running = std::any_of(expansions.begin(), expansions.end(),
                                   [](const auto& expansion) { return !expansion.done; });
  auto tables = replica.tables();
  const bool whole = std::all_of(tables.begin(), tables.end(),
                                 [](const auto& table) { return table.second.whole; });
  return !running && whole && !tables.empty() && !ledger.any_unknown();
}

}  // namespace

StatusReport report_of(const Config& config, const PipelineStatus& status,
                       const StatusReport* previous) {
  StatusReport report;
  report.pipeline = config.name;
  report.time_ms = unix_milliseconds();
  report.agent_pid = static_cast<int>(::getpid());
  report.source_path = shown_source(config.source);
  report.source_position = status.source.commit;
  report.source_reachable = status.source_reachable;
  report.capture_position = status.capture.checkpoint.position.commit;
  report.epoch = status.capture.epoch;
  for (const state::TableProgress& table : status.capture.checkpoint.tables) {
    report.tables.push_back(table.table);
    if (table.snapshotting) report.snapshotting.push_back(table.table);
  }
  report.log_first = status.log_first;
  report.log_next = status.log_next;
  report.log_bytes = status.log_bytes;
  report.replica_next = status.fold.position.next;
  report.replica_position = status.fold.position.source.commit;
  report.dirty = status.apply.dirty;
  report.dead_letters = status.apply.dead_letters;
  report.settled = status.apply.idle;
  report.documents = status.apply.documents;
  report.written = status.apply.written;
  report.deleted = status.apply.deleted;
  report.unchanged = status.apply.unchanged;
  report.write_calls = status.target.write_calls;
  report.read_calls = status.target.read_calls;
  report.throttled = status.target.throttled;
  finish(report);
  bool waits = report.lag_changes > 0 || report.lag_offsets > 0 || report.dirty > 0;
  if (previous != nullptr && report.time_ms > previous->time_ms) {
    double seconds = static_cast<double>(report.time_ms - previous->time_ms) / 1000;
    report.items_per_second = static_cast<double>(report.written + report.deleted -
                                                  previous->written - previous->deleted) /
                              seconds;
    report.changes_per_second = static_cast<double>(report.log_next - previous->log_next) / seconds;
    if (waits) report.lag_seconds = previous->lag_seconds + seconds;
  }
  return report;
}

StatusReport report_from_files(const Config& config, const state::StateDirectory& directory) {
  StatusReport report;
  report.pipeline = config.name;
  report.time_ms = unix_milliseconds();
  report.source_path = shown_source(config.source);
  try {
    report.source_position = open_source(config)->newest().commit;
  } catch (const state::Error&) {
    report.source_reachable = false;
  }
  if (::access(directory.log().c_str(), R_OK) != 0) {
    finish(report);
    report.in_sync = false;
    return report;
  }
  auto log = open_log_for_reading(directory);
  state::LogTail tail = log->read_tail();
  report.epoch = tail.epoch;
  if (tail.checkpoint) {
    report.capture_position = tail.checkpoint->position.commit;
    for (const state::TableProgress& table : tail.checkpoint->tables) {
      report.tables.push_back(table.table);
      if (table.snapshotting) report.snapshotting.push_back(table.table);
    }
  }
  report.log_first = log->first();
  report.log_next = log->next();
  report.log_bytes = log->size_bytes();
  if (::access(directory.replica().c_str(), R_OK) == 0 &&
      ::access(directory.ledger().c_str(), R_OK) == 0) {
    state::ReplicaReader replica(directory.replica());
    state::LedgerReader ledger(directory.ledger());
    replica.renew();
    report.replica_next = replica.position().next;
    report.replica_position = replica.position().source.commit;
    report.dirty = unsettled_marks(replica, ledger);
    report.settled = all_settled(replica, ledger);
    report.dead_letters = static_cast<std::int64_t>(ledger.dead_letters().size());
    for (const sink::DocumentSpec& spec : config.documents) {
      sink::DocumentStatus document;
      document.name = spec.name;
      document.items = ledger.item_count(spec.name);
      report.documents.push_back(std::move(document));
    }
  }
  finish(report);
  return report;
}

std::string to_json(const StatusReport& report) {
  Json json;
  json["pipeline"] = report.pipeline;
  json["time"] = iso_time(report.time_ms);
  json["time_ms"] = report.time_ms;
  json["in_sync"] = report.in_sync;
  json["agent"] = {{"running", report.agent_pid.has_value()}};
  if (report.agent_pid) json["agent"]["pid"] = *report.agent_pid;
  json["source"] = {{"path", report.source_path},
                    {"reachable", report.source_reachable},
                    {"position", report.source_position}};
  json["capture"] = {{"position", report.capture_position},
                     {"epoch", report.epoch},
                     {"lag_changes", report.lag_changes},
                     {"tables", report.tables},
                     {"snapshotting", report.snapshotting}};
  json["log"] = {{"first", report.log_first},
                 {"next", report.log_next},
                 {"bytes", report.log_bytes},
                 {"records_per_second", report.changes_per_second}};
  json["replica"] = {{"next", report.replica_next},
                     {"source_position", report.replica_position},
                     {"lag_offsets", report.lag_offsets}};
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
  report.time_ms = json.at("time_ms");
  report.in_sync = json.at("in_sync");
  if (json.at("agent").contains("pid")) report.agent_pid = json.at("agent").at("pid").get<int>();
  report.source_path = json.at("source").at("path");
  report.source_reachable = json.at("source").at("reachable");
  report.source_position = json.at("source").at("position");
  report.capture_position = json.at("capture").at("position");
  report.epoch = json.at("capture").at("epoch");
  report.lag_changes = json.at("capture").at("lag_changes");
  report.tables = json.at("capture").at("tables").get<std::vector<std::string>>();
  report.snapshotting = json.at("capture").at("snapshotting").get<std::vector<std::string>>();
  report.log_first = json.at("log").at("first");
  report.log_next = json.at("log").at("next");
  report.log_bytes = json.at("log").at("bytes");
  report.changes_per_second = json.at("log").at("records_per_second");
  report.replica_next = json.at("replica").at("next");
  report.replica_position = json.at("replica").at("source_position");
  report.lag_offsets = json.at("replica").at("lag_offsets");
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

std::string to_text(const StatusReport& report) {
  std::ostringstream out;
  auto line = [&](const char* name, const std::string& text) {
    out << styled(Style::kBold, name) << std::string(10 - std::string_view(name).size(), ' ')
        << text << '\n';
  };
  line("pipeline", report.pipeline + ": " +
                       (report.in_sync ? styled(Style::kGreen, "source and target are level")
                                       : styled(Style::kYellow, "something is on its way")));
  line("agent", report.agent_pid ? "runs as process " + std::to_string(*report.agent_pid)
                                 : "does not run; start it with `tandem run`");
  line("source", report.source_path + ", position " + std::to_string(report.source_position) +
                     (report.source_reachable ? "" : styled(Style::kRed, " (cannot be opened)")));
  std::string capture = "position " + std::to_string(report.capture_position) + ", " +
                        with_commas(report.lag_changes) + " changes behind";
  if (!report.snapshotting.empty()) {
    capture += ", reading";
    for (const std::string& table : report.snapshotting) capture += " " + table;
  }
  line("capture", capture);
  std::string tables;
  for (const std::string& table : report.tables) tables += (tables.empty() ? "" : ", ") + table;
  line("tables", tables);
  line("log", "offsets " + std::to_string(report.log_first) + " to " +
                  std::to_string(report.log_next - 1) + ", " + human_bytes(report.log_bytes) +
                  ", " + with_commas(static_cast<std::int64_t>(report.changes_per_second)) +
                  " records/s");
  line("replica", "offset " + std::to_string(report.replica_next - 1) + ", " +
                      with_commas(report.lag_offsets) + " records behind");
  line("apply",
       with_commas(report.dirty) + " documents to look at, " +
           with_commas(static_cast<std::int64_t>(report.items_per_second)) + " items/s, " +
           (report.lag_seconds > 0 ? human_duration(report.lag_seconds) + " behind" : "level"));
  line("target", with_commas(report.written) + " written, " + with_commas(report.deleted) +
                     " deleted, " + with_commas(report.unchanged) + " unchanged, " +
                     with_commas(report.write_calls) + " write calls, " +
                     with_commas(report.throttled) + " throttled (since the agent's start)");
  if (report.dead_letters > 0) {
    line("letters", styled(Style::kRed, with_commas(report.dead_letters) + " dead letters") +
                        "; see `tandem dead-letters list`");
  }
  for (const sink::DocumentStatus& document : report.documents) {
    out << "  " << document.name << ": " << with_commas(document.items) << " items";
    if (document.progress < 1)
      out << ", " << static_cast<int>(document.progress * 100) << "% of its load";
    if (document.dead_letters > 0) out << ", " << document.dead_letters << " dead letters";
    if (!document.resting.empty()) out << " (" << document.resting << ")";
    out << '\n';
  }
  return out.str();
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
