// What `tandem check` says of a PostgreSQL source, a line a finding.
#pragma once

#include <string>
#include <vector>

#include "capture/postgres/server_address.h"
#include "capture/source.h"

namespace tandem::capture::postgres {

/// Reads only. A server that cannot be reached is a finding as well; throws Error if the connection
/// breaks later on.
std::vector<Finding> check_postgres(const ServerAddress& address, const std::string& application,
                                    const std::string& slot, const std::string& publication,
                                    const std::vector<TableRequest>& requests);

}  // namespace tandem::capture::postgres
