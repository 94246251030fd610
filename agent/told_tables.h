// The source's tables as the log tells them, for a process that has no source: out of the replica
// where it knows them, out of the log where not.
//
// Threads: free functions. Errors: the log's.
#pragma once

#include <map>
#include <stop_token>
#include <string>

#include "agent/config.h"
#include "state/change_log.h"
#include "state/control_topic.h"
#include "state/state_directory.h"

namespace tandem::agent {

using ToldTables = std::map<std::string, state::TableSchema>;

/// Those that the config's documents read. Waits for a capture that has not told of all of them
/// yet, and asks it to by the control topic where what it told is gone by retention; incomplete if
/// stopped.
ToldTables tables_of_log(const Config& config, state::ChangeLog& log, state::ControlTopic& control,
                         const state::StateDirectory& directory, const std::stop_token& stop);

}  // namespace tandem::agent
