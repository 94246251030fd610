// What `tandem check` says about an SQLite source, a line a finding.
#pragma once

#include <vector>

#include "capture/source.h"
#include "state/sqlite.h"

namespace tandem::capture {

/// Reads only. Throws SqliteError if the file cannot be read at all.
std::vector<Finding> check_sqlite(state::Database& database,
                                  const std::vector<TableRequest>& requests);

/// The name among the catalog's tables that is nearest to a misspelled one, "" if none is near.
std::string nearest_table(state::Database& database, const std::string& name);

}  // namespace tandem::capture
