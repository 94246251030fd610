// What `tandem check` says of each captured table: whether its rows can be read and its changes are
// published, what of it is left out, and what would help.
//
// Reads only. Errors: those of the connection.
#pragma once

#include <string>
#include <vector>

#include "capture/postgres/connection.h"
#include "capture/postgres/publication.h"
#include "capture/source.h"

namespace tandem::capture::postgres {

/// `found`: what is there of the publication of that name and of its companion.
void check_tables(Connection& connection, const std::string& publication,
                  const std::vector<Publication>& found, const std::vector<TableRequest>& requests,
                  std::vector<Finding>& findings);

}  // namespace tandem::capture::postgres
