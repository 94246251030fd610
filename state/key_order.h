// When the replica takes two keys for one, and the order in which rows are best written.
#pragma once

#include <string>

#include "state/schema.h"
#include "state/value.h"

namespace tandem::state {

/// Equal if and only if SQLite takes the two keys of the table for one: collations and numbers
/// folded away. Has no order; for maps.
std::string key_identity(const TableSchema& schema, const Row& key);

/// Numbers before text before blobs, each by value: near the order of the table's own tree.
bool key_before(const Row& a, const Row& b);

}  // namespace tandem::state
