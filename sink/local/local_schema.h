// The local target's file: its tables, how it is made, opened and checked.
//
//   items(tbl, key, item, epoch, offset, hash, deleted, expires)
//     tbl, key      the target table and the key's canonical bytes (sink/item.h); the primary key
//     item          the whole item as DynamoDB's JSON, our attribute included
//     epoch, offset the version that our attribute names; null in an item that is not ours
//     hash          the hash that our attribute names
//     deleted       1 in a tombstone, which goes some time after `expires` (Unix seconds)
//   tables(name, key)   the target's tables and their key attributes, a line break between two
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sink/target.h"
#include "state/sqlite.h"

namespace tandem::sink {

/// Opens a file that exists; Error with the way out if it does not.
state::Database open_local_file(const std::string& path, state::OpenMode mode);
/// Makes the file and the tables that are missing; returns the names of the tables it made.
std::vector<std::string> make_local_tables(const std::string& path,
                                           const std::vector<TargetTable>& tables,
                                           const std::function<void(const std::string&)>& say);
std::vector<TargetFinding> check_local_file(const std::string& path,
                                            const std::vector<TargetTable>& tables);

}  // namespace tandem::sink
