// tandem replay: drives the log through fold and reconciler once more. From an offset, a running
// agent can do it; from the beginning, the log is folded beside the replica, which is then swapped
// for the result.
#include <cstdio>
#include <optional>
#include <string>

#include "agent/commands/commands.h"
#include "agent/inbox_worker.h"
#include "agent/log_place.h"
#include "agent/replica_beside.h"
#include "agent/wiring.h"

namespace tandem::agent {
namespace {

int replay_from_beginning(const Config& config, const std::stop_token& stop) {
  state::StateDirectory directory = state::StateDirectory::own(config.state);
  auto log = open_log_for_reading(config, directory);
  if (log->first() > 1) {
    throw state::Error(
        "the log's beginning is gone by retention", config.state,
        "the replica stays as it is; replay from a kept offset, or `tandem snapshot TABLE`");
  }
  ReplicaBeside beside(config, directory);
  state::Offset folded = 0;
  beside.fill(*log, [&](state::Replica& replica) {
    auto reader = log->reader(1);
    const state::Offset end = log->next();
    while (!stop.stop_requested() && reader->position() < end) {
      auto batch = reader->next(std::chrono::milliseconds(1000), stop);
      if (batch == nullptr) continue;
      replica.fold(batch, false);
      folded = batch->offsets.back();
    }
    replica.flush();
  });
  if (stop.stop_requested()) return 0;
  beside.take_place();
  std::puts(("folded the log anew up to offset " + std::to_string(folded) +
             "; the next `tandem run` compares every document and writes what differs")
                .c_str());
  return 0;
}

}  // namespace

int run_replay(const CommandLine& line, const std::stop_token& stop) {
  constexpr char kHint[] =
      "give `beginning`, an offset as `tandem log show` prints them, or a time as "
      "2026-11-20T08:00:00Z";
  std::optional<LogPlace> from;
  if (line.from != "beginning") from.emplace(line.from, kHint);
  Config config = load_config_beside_replica(line.config, stop);
  if (!from) return replay_from_beginning(config, stop);
  state::StateDirectory directory = state::StateDirectory::look(config.state);
  auto log = open_log_for_reading(config, directory);
  const state::Offset offset = from->in(*log);
  if (offset < log->first() || offset >= log->next()) {
    throw state::Error("the log holds offsets " + std::to_string(log->first()) + " to " +
                           std::to_string(log->next() - 1),
                       "--from " + line.from, "give one of these, or `beginning`");
  }
  state::Request request;
  request.kind = state::RequestKind::kReplay;
  request.offset = offset;
  put_requests(config, {request});
  return 0;
}

}  // namespace tandem::agent
