// tandem log show: prints the change log's records.
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>

#include "agent/commands/commands.h"
#include "agent/log_place.h"
#include "agent/record_text.h"
#include "agent/wiring.h"

namespace tandem::agent {
namespace {

// Rows are shown with their columns' names even when the log's own schema records are gone.
void learn_from_replica(const state::StateDirectory& directory, RecordText& text) {
  if (::access(directory.replica().c_str(), R_OK) != 0) return;
  state::ReplicaReader replica(directory.replica());
  replica.renew();
  for (const auto& [name, table] : replica.tables()) text.know(table.schema);
}

}  // namespace

int run_log_show(const CommandLine& line, const std::stop_token& stop) {
  std::optional<LogPlace> place;
  if (!line.from.empty()) {
    place.emplace(line.from,
                  "give an offset, as `log show` prints them, or a time as 2026-11-20T08:00:00Z");
  }
  Config config = load_config_as_read(line.config);
  state::StateDirectory directory = state::StateDirectory::look(config.state);
  if (!log_is_there(config, directory)) {
    throw state::Error("there is no log yet", config.state, "run `tandem run` first");
  }
  auto log = open_log_for_reading(config, directory);
  RecordText text;
  learn_from_replica(directory, text);
  state::Offset from = place ? place->in(*log) : log->first();
  auto reader = log->reader(from);
  while (!stop.stop_requested()) {
    if (!line.follow && reader->position() >= log->next()) break;
    auto batch = reader->next(std::chrono::milliseconds(200), stop);
    if (batch == nullptr) continue;
    for (std::size_t i = 0; i < batch->records.size(); ++i) {
      const state::Record& record = batch->records[i];
      from = batch->offsets[i] + 1;
      text.pass(record);
      if (!line.table.empty() && RecordText::table_of(*batch, record) != line.table) continue;
      if (!line.key.empty() && !text.has_key(*batch, record, line.key)) continue;
      std::puts((line.json ? text.json(*batch, i) : text.line(*batch, i)).c_str());
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace tandem::agent
