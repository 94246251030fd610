// A lost ledger is rebuilt from what stands at the target: keys, hashes and versions, read by one
// scan and never by writing everything again.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "sink/target.h"
#include "state/ledger.h"

namespace tandem::sink {

/// Records every item of the pipeline as unknown and of no known root: a document that yields its
/// key takes it over, and the document's full pass deletes those that nothing yields. Does nothing
/// if the ledger is not fresh. Returns the names of the tables in which something stood.
std::vector<std::string> rebuild_ledger(state::Ledger& ledger, Target& target,
                                        const std::vector<TargetTable>& tables,
                                        const std::string& pipeline, const std::string& attribute);

/// After a gap: makes every item unknown, and adds those at the target that the ledger does not
/// know. The full pass that follows a gap reads back the former and deletes those of the latter
/// that nothing yields. False if a stop was asked for meanwhile: it has to be repeated.
bool distrust_ledger(state::Ledger& ledger, Target& target, const std::vector<TargetTable>& tables,
                     const std::string& pipeline, const std::string& attribute,
                     const std::stop_token& stop);

}  // namespace tandem::sink
