// What `tandem check` says about an SQLite source, a line a finding.
#pragma once

#include <string>
#include <vector>

#include "capture/source.h"
#include "state/sqlite.h"

namespace tandem::capture {

/// Reads only. Throws SqliteError if the file cannot be read at all.
std::vector<Finding> check_sqlite(state::Database& database,
                                  const std::vector<TableRequest>& requests);

/// True if this user may write the file and its folder, where SQLite puts its journal.
bool is_writable(const std::string& path);

/// The name among the catalog's tables that is nearest to a misspelled one, "" if none is near.
std::string nearest_table(state::Database& database, const std::string& name);

}  // namespace tandem::capture
