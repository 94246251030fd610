#include "agent/status_report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <sstream>
#include <utility>

#include "agent/terminal.h"
#include "agent/wiring.h"
#include "state/ledger_reader.h"

namespace tandem::agent {
namespace {

void finish(StatusReport& report) {
  report.read_up_to = std::max(report.read_up_to, report.capture_position);
  const std::uint64_t newest = report.source_position.value_or(0);
  report.lag_source =
      newest > report.read_up_to ? static_cast<std::int64_t>(newest - report.read_up_to) : 0;
  const bool captured = report.role != Role::kApply && report.source_reachable &&
                        report.source_position && report.lag_source == 0 &&
                        report.snapshotting.empty();
  if (report.role == Role::kCapture) {
    report.level = captured;
    return;
  }
  report.lag_offsets = std::max<std::int64_t>(0, report.log.next - report.replica_next);
  const std::int64_t kept = std::max<std::int64_t>(1, report.log.next - report.log.first);
  report.lag_bytes = static_cast<std::uint64_t>(static_cast<double>(report.log.bytes) *
                                                static_cast<double>(report.lag_offsets) /
                                                static_cast<double>(kept));
  const bool applied =
      report.lag_offsets == 0 && report.settled && report.dirty == 0 && report.dead_letters == 0;
  // What the log may hold by now, nobody here knows.
  const bool heard = !is_silent(report.log);
  report.in_sync = captured && applied && heard;
  report.level = report.role == Role::kApply ? applied && heard : report.in_sync;
}

std::uint64_t unchanged_up_to(capture::Source& source, const state::SourcePosition& logged) {
  try {
    return source.unchanged_up_to(logged).commit;
  } catch (const state::Error&) {
    return logged.commit;
  }
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

std::string text_of(const capture::SourceHealth::Retained& retained) {
  std::string text =
      retained.by + ": " + retained.state + ", the server keeps " +
      human_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(0, retained.bytes))) +
      " of WAL for it";
  if (retained.bytes_per_second) {
    const double rate = *retained.bytes_per_second;
    text += rate < 0 ? ", falling by " : ", growing by ";
    text += human_bytes(static_cast<std::uint64_t>(std::abs(rate))) + "/s";
  }
  if (retained.safe_bytes) {
    text +=
        "; lost after " +
        human_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(0, *retained.safe_bytes))) +
        " more";
  }
  if (retained.until_lost) {
    text += ", in " + human_duration(static_cast<double>(retained.until_lost->count())) +
            " at this rate";
  }
  return text;
}

std::string silence(const state::LogExtent& log) {
  if (!is_silent(log)) return "";
  return styled(Style::kRed, " (no broker has answered for " +
                                 human_duration(static_cast<double>(log.silent.count()) / 1000) +
                                 ")");
}

std::string_view level_text(Role role) {
  if (role == Role::kCapture) return "the log has all of the source";
  return role == Role::kApply ? "the target has all of the log" : "source and target are level";
}

}  // namespace

std::string position_text(const StatusReport& report, std::uint64_t position) {
  if (!report.in_wal) return std::to_string(position);
  return fmt::format("{:X}/{:X}", position >> 32U, position & 0xffffffffU);
}

StatusReport report_of(const Config& config, const PipelineStatus& status,
                       const StatusReport* previous) {
  StatusReport report;
  report.pipeline = config.name;
  report.role = status.role;
  report.time_ms = unix_milliseconds();
  report.agent_pid = static_cast<int>(::getpid());
  report.source_path = shown_source(config.source);
  report.in_wal = config.source.type == SourceType::kPostgres;
  if (status.source.newest) report.source_position = status.source.newest->commit;
  report.source_reachable = status.source.reachable;
  report.health = status.source.health;
  report.read_up_to = status.read_up_to.commit;
  report.capture_position = status.capture.checkpoint.position.commit;
  report.epoch = status.capture.epoch;
  for (const state::TableProgress& table : status.capture.checkpoint.tables) {
    report.tables.push_back(table.table);
    if (table.snapshotting) report.snapshotting.push_back(table.table);
  }
  report.log = status.log;
  report.replica_next = std::max(status.fold.position.next, status.fold.read);
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
  bool waits = report.lag_source > 0 || report.lag_offsets > 0 || report.dirty > 0;
  if (previous != nullptr && report.time_ms > previous->time_ms) {
    double seconds = static_cast<double>(report.time_ms - previous->time_ms) / 1000;
    report.items_per_second = static_cast<double>(report.written + report.deleted -
                                                  previous->written - previous->deleted) /
                              seconds;
    report.changes_per_second = static_cast<double>(report.log.next - previous->log.next) / seconds;
    if (waits) report.lag_seconds = previous->lag_seconds + seconds;
  }
  return report;
}

StatusReport joined(const StatusReport& capture, StatusReport apply) {
  apply.role = Role::kAll;
  apply.source_path = capture.source_path;
  apply.in_wal = capture.in_wal;
  apply.source_position = capture.source_position;
  apply.source_reachable = capture.source_reachable;
  apply.health = capture.health;
  apply.capture_position = capture.capture_position;
  apply.epoch = capture.epoch;
  apply.read_up_to = capture.read_up_to;
  apply.tables = capture.tables;
  apply.snapshotting = capture.snapshotting;
  apply.log.first = std::max(apply.log.first, capture.log.first);
  apply.log.next = std::max(apply.log.next, capture.log.next);
  apply.log.bytes = std::max(apply.log.bytes, capture.log.bytes);
  finish(apply);
  return apply;
}

bool has_replica(const state::StateDirectory& directory) {
  return ::access(directory.replica().c_str(), R_OK) == 0;
}

StatusReport report_from_files(const Config& config, const state::StateDirectory& directory) {
  StatusReport report;
  report.pipeline = config.name;
  report.time_ms = unix_milliseconds();
  report.source_path = shown_source(config.source);
  report.in_wal = config.source.type == SourceType::kPostgres;
  const std::unique_ptr<capture::Source> source = open_source(config);
  try {
    report.source_position = source->newest().commit;
    report.health = source->health();
  } catch (const state::Error&) {
    report.source_reachable = false;
  }
  if (!log_is_there(config, directory)) {
    finish(report);
    report.in_sync = false;
    return report;
  }
  auto log = open_log_for_reading(config, directory);
  state::LogTail tail = log->read_tail();
  report.epoch = tail.epoch;
  if (tail.checkpoint) {
    report.capture_position = tail.checkpoint->position.commit;
    for (const state::TableProgress& table : tail.checkpoint->tables) {
      report.tables.push_back(table.table);
      if (table.snapshotting) report.snapshotting.push_back(table.table);
    }
  }
  if (tail.checkpoint && report.source_position.value_or(0) > report.capture_position) {
    report.read_up_to = unchanged_up_to(*source, tail.checkpoint->position);
  }
  report.log = log->extent();
  if (has_replica(directory) && ::access(directory.ledger().c_str(), R_OK) == 0) {
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

bool is_silent(const state::LogExtent& log) { return log.silent >= std::chrono::seconds(5); }

std::string to_text(const StatusReport& report) {
  std::ostringstream out;
  auto line = [&](const char* name, const std::string& text) {
    out << styled(Style::kBold, name) << std::string(10 - std::string_view(name).size(), ' ')
        << text << '\n';
  };
  line("pipeline", report.pipeline + ": " +
                       (report.level ? styled(Style::kGreen, std::string(level_text(report.role)))
                                     : styled(Style::kYellow, "something is on its way")));
  line("agent", report.agent_pid ? "runs as process " + std::to_string(*report.agent_pid)
                                 : "does not run; start it with `tandem run`");
  const bool captures = report.role != Role::kApply, applies = report.role != Role::kCapture;
  std::string source = captures ? report.source_path : "read by a capture that runs apart";
  if (report.source_position)
    source += ", position " + position_text(report, *report.source_position);
  if (!report.source_reachable) source += styled(Style::kRed, " (cannot be opened)");
  line("source", source);
  if (report.health.retained) line("slot", text_of(*report.health.retained));
  std::string capture =
      "position " + position_text(report, report.capture_position) + ", " +
      (report.in_wal ? human_bytes(static_cast<std::uint64_t>(report.lag_source)) + " of WAL"
                     : with_commas(report.lag_source) + " changes") +
      " behind";
  if (!report.snapshotting.empty()) {
    capture += ", reading";
    for (const std::string& table : report.snapshotting) capture += " " + table;
  }
  if (captures) line("capture", capture);
  if (!report.health.waits_for.empty()) line("waits", printable(report.health.waits_for));
  std::string tables;
  for (const std::string& table : report.tables) tables += (tables.empty() ? "" : ", ") + table;
  if (captures) line("tables", tables);
  line("log", "offsets " + std::to_string(report.log.first) + " to " +
                  std::to_string(report.log.next - 1) + ", " + human_bytes(report.log.bytes) +
                  ", " + with_commas(static_cast<std::int64_t>(report.changes_per_second)) +
                  " records/s" + silence(report.log));
  if (!applies) return out.str();
  line("replica", "offset " + std::to_string(report.replica_next - 1) + ", " +
                      with_commas(report.lag_offsets) + " records (" +
                      human_bytes(report.lag_bytes) + ") behind");
  line("apply", with_commas(report.dirty) + " documents to look at, " +
                    with_commas(static_cast<std::int64_t>(report.items_per_second)) + " items/s, " +
                    (report.lag_seconds > 0  ? human_duration(report.lag_seconds) + " behind"
                     : is_silent(report.log) ? "level with what is known of the log"
                                             : "level"));
  line("target", with_commas(report.written) + " written, " + with_commas(report.deleted) +
                     " deleted, " + with_commas(report.unchanged) + " unchanged, " +
                     with_commas(report.write_calls) + " write calls, " +
                     with_commas(report.throttled) + " throttled (since the agent's start)");
  if (report.dead_letters > 0) {
    line("letters", styled(Style::kRed, with_commas(report.dead_letters) + " dead letters") +
                        "; see `tandem dead-letters list`");
  }
  for (const capture::Finding& warning : report.health.warnings) {
    line("warning", styled(Style::kRed, printable(warning.subject + ": " + warning.text)) + "; " +
                        printable(warning.advice));
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

}  // namespace tandem::agent
