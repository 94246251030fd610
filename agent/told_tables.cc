#include "agent/told_tables.h"

#include <unistd.h>

#include <chrono>
#include <set>
#include <utility>
#include <variant>

#include "agent/control_worker.h"
#include "agent/log.h"
#include "state/replica.h"

namespace tandem::agent {
namespace {

constexpr std::chrono::milliseconds kWait{200};
// After so long a person should know what is waited for.
constexpr std::chrono::seconds kPatience{5};

void read_replica(const state::StateDirectory& directory, const std::string& log_identity,
                  ToldTables& told) {
  if (::access(directory.replica().c_str(), R_OK) != 0) return;
  state::ReplicaReader replica(directory.replica());
  replica.renew();
  if (replica.position().log_identity != log_identity) return;
  for (const auto& [name, table] : replica.tables()) told[name] = table.schema;
}

std::string text_of(const std::set<std::string>& missing) {
  std::string text;
  for (const std::string& name : missing) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

ToldTables tables_of_log(const Config& config, state::ChangeLog& log, state::ControlTopic& control,
                         const state::StateDirectory& directory, const std::stop_token& stop) {
  ToldTables told;
  read_replica(directory, log.identity(), told);
  std::set<std::string> missing;
  for (const capture::TableRequest& table : captured_tables(config)) {
    if (!told.contains(table.name)) missing.insert(table.name);
  }
  if (missing.empty()) return told;
  const auto began = std::chrono::steady_clock::now();
  bool said = false, asked = false;
  const state::Offset first = log.first(), end = log.next();
  auto reader = log.reader(first);
  while (!missing.empty() && !stop.stop_requested()) {
    auto batch = reader->next(kWait, stop);
    if (batch == nullptr) {
      // A table that is not told behind a gap either is one that is not captured.
      if (first > state::kFirstOffset && reader->position() >= end && !std::exchange(asked, true)) {
        ask_for_gap(control, config.name, "the log no longer holds what tables there are");
      }
      if (said || std::chrono::steady_clock::now() - began < kPatience) continue;
      log_warning("the log does not tell of " + text_of(missing) +
                  " yet: start the capture, whose config has to have documents that read it");
      said = true;
      continue;
    }
    for (const state::Record& record : batch->records) {
      asked = asked || std::holds_alternative<state::Gap>(record);
      const auto* schema = std::get_if<state::SchemaRecord>(&record);
      if (schema == nullptr || schema->schema.columns.empty()) continue;
      told[schema->schema.name] = schema->schema;
      missing.erase(schema->schema.name);
    }
  }
  return told;
}

}  // namespace tandem::agent
