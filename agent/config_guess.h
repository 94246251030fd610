// Writes a first config for a database, guessed from its tables, keys and foreign keys: commented,
// ready to run into a local target, meant to be edited. Pure functions, any thread.
#pragma once

#include <string>

#include "agent/config.h"
#include "capture/source.h"

namespace tandem::agent {

/// The text of the config. A file's path goes into it as it is, a connection string does not: it
/// may hold a password, so the config takes it from the environment (DATABASE_URL). The text parses
/// and passes check_config() over the same catalog. Throws Error when no table can be captured.
std::string guess_config(const capture::Catalog& catalog, const SourceConfig& source);

}  // namespace tandem::agent
