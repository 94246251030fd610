// tandem status: where every stage stands, from the agents that run or from the state directory's
// files.
#include <cstdio>
#include <optional>
#include <utility>

#include "agent/commands/commands.h"
#include "agent/status_report.h"
#include "agent/wiring.h"

namespace tandem::agent {
namespace {

// What the agent that owns the directory says of itself.
std::optional<StatusReport> live_report(const state::StateDirectory& directory) {
  const auto owner = directory.owner();
  auto live = owner ? read_status(directory) : std::nullopt;
  return live && live->agent_pid == owner ? live : std::nullopt;
}

StatusReport whole_report(const Config& config) {
  const state::StateDirectory directory = state::StateDirectory::look(config.state);
  auto live = live_report(directory);
  auto capture = live_report(state::StateDirectory::look_at_capture(config.state));
  if (live && capture && live->role == Role::kApply) return joined(*capture, *std::move(live));
  if (live) return *std::move(live);
  // A replica here means that apply is stopped, not elsewhere.
  if (capture && !has_replica(directory)) return *std::move(capture);
  return report_from_files(config, directory);
}

}  // namespace

int run_status(const CommandLine& line) {
  const Config config = load_config_as_read(line.config);
  const StatusReport report = whole_report(config);
  std::fputs((line.json ? to_json(report) + "\n" : to_text(report)).c_str(), stdout);
  return report.dead_letters > 0 ? 3 : 0;
}

}  // namespace tandem::agent
