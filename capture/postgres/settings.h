// What the options of a PostgreSQL source come to: for the source and for verify's reader alike.
//
// Plain functions. Errors: Error for options that cannot be read.
#pragma once

#include <string>
#include <vector>

#include "capture/postgres/installation.h"
#include "capture/postgres/pgoutput.h"
#include "capture/postgres/postgres_source.h"
#include "capture/postgres/server_address.h"

namespace tandem::capture::postgres {

/// The requests under the names by which Tandem knows the tables.
std::vector<TableRequest> canonical(std::vector<TableRequest> tables);
ServerAddress address_of(const PostgresOptions& options);
/// As pg_stat_activity shows it.
std::string application_of(const PostgresOptions& options);
InstallationNames names_of(const PostgresOptions& options);

/// The position of everything that ended before this: docs/postgres-capture.md, "Claim, position,
/// confirmation".
inline state::SourcePosition ends_at(Lsn end) { return {end, 0}; }

}  // namespace tandem::capture::postgres
