// Replay: drives what the log holds through the fold and the reconciler once more. Items never roll
// back: a replay marks documents, and the reconciler writes what differs from what is right today.
#pragma once

#include <stop_token>
#include <string>

#include "state/change_log.h"
#include "state/replica.h"

namespace tandem::agent {

/// Marks every document that the changes at or after `from` touched, as `listener` relates them,
/// and those that they may have touched where the log does not tell. Incomplete if stopped.
void mark_touched(state::ChangeLog& log, state::Offset from, const std::string& replica_path,
                  state::FoldListener& listener, state::Marks& marks, std::stop_token stop);

}  // namespace tandem::agent
