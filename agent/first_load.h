// Which target tables init made: into those a first load may send unconditional batches, because
// nothing else has ever written there. Remembered in the ledger, which also knows whose first load
// has ended for good.
#pragma once

#include <string>
#include <vector>

#include "agent/config.h"
#include "state/ledger.h"
#include "state/state_directory.h"

namespace tandem::agent {

/// Adds the tables to what the ledger of the state directory remembers. Precondition: owned.
void remember_made_tables(const Config& config, const state::StateDirectory& directory,
                          const std::vector<std::string>& tables);
std::vector<std::string> made_tables(state::Ledger& ledger);

}  // namespace tandem::agent
