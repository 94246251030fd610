// The local target: an SQLite file of items with DynamoDB's semantics, for rehearsals, dry runs and
// the demo. The same limits, the same condition, tombstones that vanish some time after their TTL.
//
// Anyone may read the file with sqlite3 while it is written. `items.item` is the whole item as
// DynamoDB's JSON, our attribute included; the columns behind it repeat what the condition asks.
//
// Promise: as in sink/target.h; an outcome of kDone survives power loss. The writes submitted
// before a wait() are one transaction. A file that another process keeps locked delays outcomes and
// loses none. The file is made by create_missing(), not by opening.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sink/target.h"

namespace tandem::sink {

std::unique_ptr<Target> open_local_target(std::string path, std::vector<TargetTable> tables,
                                          TargetOptions options);

}  // namespace tandem::sink
