// Where every stage stands, as one report: for `status`, for status.json of a running agent, for
// people and for machines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/pipeline.h"
#include "state/change_log.h"
#include "state/state_directory.h"

namespace tandem::agent {

struct StatusReport {
  std::string pipeline;
  Role role = Role::kAll;  // what it tells of; of the other half there is what is known here
  std::int64_t time_ms = 0;
  std::optional<int> agent_pid;  // nothing: no agent runs
  std::string source_path;
  bool in_wal = false;  // positions of the source are places in PostgreSQL's write-ahead log
  std::optional<std::uint64_t> source_position;  // newest commit; nothing: not known yet
  bool source_reachable = true;
  capture::SourceHealth health;
  std::uint64_t capture_position = 0, epoch = 0;
  /// Up to there the source is in the log, or holds nothing that is captured.
  std::uint64_t read_up_to = 0;
  std::vector<std::string> tables;  // captured
  std::vector<std::string> snapshotting;
  state::LogExtent log;
  std::int64_t replica_next = 0;
  std::uint64_t replica_position = 0;
  /// Committed at the source, not yet captured (upper bound): changes, or bytes of its log.
  std::int64_t lag_source = 0;
  std::int64_t lag_offsets = 0;  // in the log, not yet folded
  std::uint64_t lag_bytes = 0;   // of the log, about
  double lag_seconds = 0;        // age of the oldest thing not yet in the target; 0 when equal
  std::int64_t dirty = 0, dead_letters = 0;
  bool settled = false;  // no document is to be looked at, no write is without its answer
  bool level = false;    // all that the log holds is in the target, as far as the role goes
  bool in_sync = false;  // nothing on its way anywhere
  std::vector<sink::DocumentStatus> documents;
  std::int64_t written = 0, deleted = 0, unchanged = 0, write_calls = 0, read_calls = 0,
               throttled = 0;
  double items_per_second = 0, changes_per_second = 0;
};

/// Of a running pipeline. `previous` gives the rates; null at first.
StatusReport report_of(const Config& config, const PipelineStatus& status,
                       const StatusReport* previous);
/// Both halves of a pipeline, of which each runs apart.
StatusReport joined(const StatusReport& capture, StatusReport apply);
/// Whether anything was ever applied from this directory.
bool has_replica(const state::StateDirectory& directory);
/// From the files of the state directory, without an agent.
StatusReport report_from_files(const Config& config, const state::StateDirectory& directory);

/// As the source's own tools write it.
std::string position_text(const StatusReport& report, std::uint64_t position);

std::string to_json(const StatusReport& report);
StatusReport report_from_json(const std::string& json);
std::string to_text(const StatusReport& report);
/// The log's brokers have said nothing for so long that they count as away.
bool is_silent(const state::LogExtent& log);

/// What the running agent last said, if that can be read.
std::optional<StatusReport> read_status(const state::StateDirectory& directory);

}  // namespace tandem::agent
