// Reads the server's catalog: tables with their columns, keys, foreign keys and partitions.
//
// Within a transaction it tells what that transaction's locks and snapshot hold fast; the catalog
// itself is always read as of now. Threads: none, uses the connection it is given. Errors: Error of
// the connection. A table that cannot be captured is a value (`refusal`), not an error.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "capture/postgres/connection.h"
#include "capture/postgres/source_table.h"

namespace tandem::capture::postgres {

/// All ordinary and partitioned tables but the server's and Tandem's own, as the requests say; for
/// tables without a request, as an empty one says. Without partitions, which are part of their
/// table, foreign tables and views, unless they are requested: then they are refused.
std::vector<SourceTable> read_tables(Connection& connection, TypeCatalog& types,
                                     const std::vector<TableRequest>& requests);

/// The tables of the requests that are there, in the requests' order. Two queries, three if one of
/// them is partitioned; a few more when there are types that `types` does not know yet, so keep
/// `types` as long as the connection. Leaves foreign keys out.
std::vector<SourceTable> read_requested(Connection& connection, TypeCatalog& types,
                                        const std::vector<TableRequest>& requests);

/// One table, nothing if it is not there.
std::optional<SourceTable> read_table(Connection& connection, TypeCatalog& types,
                                      const TableRequest& request);
/// The same by oid, whatever its name has become.
std::optional<SourceTable> read_table(Connection& connection, TypeCatalog& types, Oid oid,
                                      const TableRequest& request);

Catalog to_catalog(std::vector<SourceTable> tables);

}  // namespace tandem::capture::postgres
