// The hosts of a connection that is being made, which libpq tries one after the other.
//
// Free functions over libpq's connection. No errors.
#pragma once

#include <string>

#include "capture/postgres/server_address.h"

struct pg_conn;

namespace tandem::capture::postgres {

/// What libpq made of the parameters, the environment and the service file; "" if of nothing.
std::string effective_setting(pg_conn* connection, const std::string& name);

/// The host that libpq is at, with its port.
std::string present_host(pg_conn* connection);

/// Leaves that host out of the address that the connection was begun with. False if there is no
/// other.
bool leave_out_present_host(pg_conn* connection, ServerAddress& address);

}  // namespace tandem::capture::postgres
