// What `tandem check` says of the server itself: version, settings, room for a slot and its sender,
// standbys that may take over, the role's rights, and transactions that stay open.
//
// Reads only. Errors: those of the connection.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "capture/postgres/connection.h"
#include "capture/source.h"

namespace tandem::capture::postgres {

/// Which version the server is; a connection to one that is too old is refused (Connection).
void tell_version(Connection& connection, std::vector<Finding>& findings);

/// What Tandem has there already, and needs no free place for.
struct Possessions {
  bool slot = false;
  bool sender = false;  // of a running agent
};

/// False: the server would take no further replication connection. Transactions are told of that
/// have been open for longer than `patience`.
bool check_server(Connection& connection, const Possessions& ours, std::vector<Finding>& findings,
                  std::chrono::seconds patience = std::chrono::minutes(1));

}  // namespace tandem::capture::postgres
