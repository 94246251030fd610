// What to do about a server that refuses, for the last part of an Error.
//
// Pure. No errors.
#pragma once

#include <string>

#include "capture/postgres/server_address.h"

struct pg_conn;

namespace tandem::capture::postgres {

/// By the SQLSTATE of what the server refused.
std::string advice(const std::string& sqlstate);
/// For a connection that came to nothing, by what libpq says of it.
std::string advice_on_connecting(pg_conn* connection, const std::string& why,
                                 const ServerAddress& address);

}  // namespace tandem::capture::postgres
