// PostgreSQL as a source. How it captures stands in docs/postgres-capture.md.
//
// Besides Source's promises: the server is told to let go of nothing that the log does not hold
// durably, and no transaction of ours stays open longer than a chunk takes to read.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "capture/postgres/server_address.h"
#include "capture/source.h"

namespace tandem::capture {

struct PostgresOptions {
  std::string url;                           // libpq's connection string; may hold a password
  postgres::CredentialsSection credentials;  // what the url leaves open
  std::string pipeline;                      // shows as application_name, if the url has none
  std::string slot, publication;
  int snapshot_tables = 2;  // read at the same time
  /// Is told what takes long at the server, a sentence for people; of any thread. May be empty.
  std::function<void(const std::string&)> tell;
};

/// Connects nowhere yet: a server that does not answer is an Error of the first call that needs it,
/// and a failure finding of check().
std::unique_ptr<Source> open_postgres_source(PostgresOptions options,
                                             std::vector<TableRequest> tables);

/// Throws Error if the server does not answer, then and later; SourceLocked once `stop` is asked
/// for.
std::unique_ptr<SourceReader> open_postgres_reader(const PostgresOptions& options,
                                                   std::vector<TableRequest> tables,
                                                   std::stop_token stop);

}  // namespace tandem::capture
