// How a PostgreSQL source orders values that the replica keeps as text: decimals and timestamps.
//
// The replica's own schema knows nothing of it, so that anyone can open the file with sqlite3: the
// collations exist on our connections alone and are named in queries alone.
#pragma once

#include <string_view>

#include "state/sqlite.h"

namespace tandem::state {

/// Below, at or above zero as decimal `a` is below, equal to or above `b`: -Infinity, the numbers
/// by value however they are spelt, Infinity, NaN. Texts that are no decimals come first, in the
/// order of their bytes.
int compare_decimals(std::string_view a, std::string_view b);

/// The same for dates and timestamps: -infinity, the times by the moment (a date is its midnight;
/// what has no zone is taken for UTC), infinity. Other texts come first, in the order of their
/// bytes.
int compare_timestamps(std::string_view a, std::string_view b);

/// Whether compare_decimals() or compare_timestamps() knows the text as a value.
bool is_decimal(std::string_view text);
bool is_timestamp(std::string_view text);

inline constexpr char kDecimalCollation[] = "tandem_decimal";
inline constexpr char kTimestampCollation[] = "tandem_timestamp";
/// Makes the two collations for this connection.
void add_source_collations(Database& database);

}  // namespace tandem::state
