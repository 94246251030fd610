// SQLite's column affinities, and how a join compares under them.
//
// A join compares THEIRS = OURS with the collation and the affinity of THEIRS: what the index on
// THEIRS can answer, and what makes a unique THEIRS find one row at most. SQLite does the same by
// itself wherever the two columns have one class of affinity. Where they differ it may convert
// THEIRS instead ('07' in a TEXT column would equal the INTEGER 7); here OURS is stripped of its
// affinity, so that '7' alone does.
#pragma once

#include <string>

#include "state/schema.h"

namespace tandem::sink {

enum class Affinity { kBlob, kText, kNumeric };

/// Of the column in the replica, by SQLite's rules over the declared type; INTEGER, REAL and
/// NUMERIC compare alike.
Affinity affinity_of(const state::Column& column);

/// `theirs = ours`, both columns, given as SQL.
std::string join_forward(const state::Column& theirs, const std::string& theirs_sql,
                         const state::Column& ours, const std::string& ours_sql);

/// A condition on `ours` that an index can answer and that holds at least wherever
/// join_forward() does; `theirs_sql` may be a parameter. For walks from THEIRS back to OURS, where
/// finding a row too many does no harm.
std::string join_backward(const state::Column& theirs, const std::string& theirs_sql,
                          const state::Column& ours, const std::string& ours_sql);
/// What an index must hold so that join_backward() can use it.
std::string backward_index_term(const state::Column& theirs, const state::Column& ours,
                                const std::string& ours_sql);

}  // namespace tandem::sink
