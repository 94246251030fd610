#include "capture/postgres/settings.h"

#include "capture/postgres/source_table.h"

namespace tandem::capture::postgres {

std::vector<TableRequest> canonical(std::vector<TableRequest> tables) {
  for (TableRequest& table : tables) table.name = canonical_table_name(table.name);
  return tables;
}

ServerAddress address_of(const PostgresOptions& options) {
  return read_address(options.url, options.credentials);
}

std::string application_of(const PostgresOptions& options) { return "tandem " + options.pipeline; }

InstallationNames names_of(const PostgresOptions& options) {
  return {options.slot, options.publication, false};
}

}  // namespace tandem::capture::postgres
