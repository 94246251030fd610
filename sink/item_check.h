// What DynamoDB refuses, found before anything is sent, so that the reason is ours and readable.
#pragma once

#include <string>
#include <string_view>

#include "sink/target.h"

namespace tandem::sink {

inline constexpr int kMaximumNesting = 32;
inline constexpr std::size_t kMaximumPartitionKeySize = 2048;
inline constexpr std::size_t kMaximumSortKeySize = 1024;

/// Why the table could not hold this item, for people; "" if it can. Checks the whole item as it
/// would be sent (our attribute included, if it is in): size, nesting, UTF-8, names, key attributes
/// present and of their type and length, and index attributes where the item has them.
std::string check_item(const Item& item, const TargetTable& table);

bool is_utf8(std::string_view text);

}  // namespace tandem::sink
