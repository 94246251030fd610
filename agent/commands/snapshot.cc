// tandem snapshot TABLE: asks the agent to read one table again.
#include <algorithm>
#include <string>
#include <vector>

#include "agent/commands/commands.h"
#include "agent/inbox_worker.h"
#include "agent/wiring.h"

namespace tandem::agent {

int run_snapshot(const CommandLine& line) {
  Config config = load_config_as_read(line.config);
  std::vector<std::string> names;
  for (const capture::TableRequest& table : captured_tables(config)) names.push_back(table.name);
  if (std::find(names.begin(), names.end(), line.table) == names.end()) {
    std::string near = sink::nearest_name(line.table, names);
    throw state::Error(
        "no document reads a table " + line.table, config.file,
        near.empty() ? "name a table that a document reads" : "did you mean " + near + "?");
  }
  state::Request request;
  request.kind = state::RequestKind::kSnapshot;
  request.text = line.table;
  put_requests(config, {request});
  return 0;
}

}  // namespace tandem::agent
