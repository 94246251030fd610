// What SQLite does to a value that is stored in a column of a declared type.
//
// A value that came out of a column fits into a column of the same declared type, with few
// exceptions: types that were edited in place, values older than their type. Plain functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "state/value.h"

namespace tandem::state {

enum class StorageAffinity : std::uint8_t { kBlob, kText, kNumeric, kInteger, kReal };

/// By SQLite's rules over the declared type.
StorageAffinity storage_affinity(std::string_view declared_type);

/// True if a column of this affinity gives the value back as it is, storage class and all.
bool keeps(StorageAffinity affinity, const Value& value);

}  // namespace tandem::state
