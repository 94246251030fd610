// What `tandem check` says of the server itself: version, settings, room for a slot and its sender,
// standbys that may take over, the role's rights, and transactions that stay open.
//
// Reads only. Errors: those of the connection.
#pragma once

#include <string>
#include <vector>

#include "capture/postgres/connection.h"
#include "capture/source.h"

namespace tandem::capture::postgres {

/// False, with a finding that says why, if nothing more can be asked of this server.
bool check_version(Connection& connection, std::vector<Finding>& findings);

/// `slot_is_there`: it needs no free place.
void check_server(Connection& connection, bool slot_is_there, std::vector<Finding>& findings);

}  // namespace tandem::capture::postgres
