// tandem status: where every stage stands, from the running agent or from the state directory's
// files.
#include <cstdio>

#include "agent/commands/commands.h"
#include "agent/status_report.h"
#include "agent/wiring.h"

namespace tandem::agent {

int run_status(const CommandLine& line) {
  Config config = load_config(line.config);
  state::StateDirectory directory = state::StateDirectory::look(config.state);
  StatusReport report;
  auto live = directory.owner() ? read_status(directory) : std::nullopt;
  if (live && live->agent_pid == directory.owner()) {
    report = std::move(*live);
  } else {
    report = report_from_files(config, directory);
  }
  std::fputs((line.json ? to_json(report) + "\n" : to_text(report)).c_str(), stdout);
  return report.dead_letters > 0 ? 3 : 0;
}

}  // namespace tandem::agent
