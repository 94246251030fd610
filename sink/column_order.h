// How a column's values compare in queries over the replica, where that is not by SQLite's own
// rules: those that PostgreSQL orders otherwise than their kept form (state/source_order.h).
#pragma once

#include <optional>
#include <string>

#include "state/schema.h"

namespace tandem::sink {

/// The column, given as SQL, as `<`, `=`, IN and ORDER BY must see it.
std::string compared(const state::Column& column, const std::string& sql);

/// A constant of the config in the form in which the column's values are kept; nothing if no value
/// of the column could equal it, or come before or after it.
std::optional<state::Value> as_compared(const state::Column& column, const state::Value& constant);

/// Why rows cannot be joined by these two columns, for people; nothing if they can.
std::optional<std::string> join_refusal(const state::Column& theirs, const state::Column& ours);

/// What comparing the column's values by size gives otherwise than at the source, for people.
std::optional<std::string> order_warning(const state::Column& column);
/// The same for tests of equality.
std::optional<std::string> equality_warning(const state::Column& column);

}  // namespace tandem::sink
