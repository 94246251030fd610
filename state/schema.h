// The shape of one source table, as capture read it from the catalog and as it travels in the log.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "state/value.h"

namespace tandem::state {

/// What a column's values mean beyond their storage kind. For SQLite every column is kAny: the
/// storage class of each value decides. PostgreSQL columns carry what their exact text means.
enum class ColumnForm : std::uint8_t {
  kAny,
  kBoolean,  // integer 0 or 1
  kInteger,
  kFloat,    // real, or text NaN / Infinity / -Infinity
  kDecimal,  // exact decimal text, or NaN / Infinity / -Infinity
  kText,
  kBytes,
  kJson,
  kTimestamp,  // date, timestamp or timestamptz; exact text of the server
  kArray,      // exact text of the server; declared_type ends in [] behind that of the elements
};

/// How far comparing a column's values as the replica does (same kind; integers and reals by value,
/// text and blobs byte by byte, or by the column's SQLite collation) agrees with the source.
enum class Comparison : std::uint8_t {
  kNone,      // values that the source calls equal may differ here: numeric 1.0 and 1.00, citext
  kEquality,  // equal here if and only if equal at the source; the order may differ
  kOrder,     // equality and order agree
};

struct Column {
  std::string name;
  std::string declared_type;         // as the source declares it; "" for none
  std::string collation = "BINARY";  // of SQLite; replica columns keep it
  ColumnForm form = ColumnForm::kAny;
  bool generated = false;
  Comparison comparison = Comparison::kOrder;
  friend bool operator==(const Column&, const Column&) = default;
};

struct TableSchema {
  std::string name;  // "Track", or "schema.table" where not public
  std::vector<Column> columns;
  std::vector<int> key;  // indexes into columns, in key order; never empty
  std::vector<std::vector<int>>
      unique_keys;  // every full unique key over plain columns, `key` included

  /// Index of the column, or -1. Names compare as SQL identifiers do at the source (SQLite: ASCII
  /// case-insensitive; the caller passes the name as written).
  int find(std::string_view column) const;
  /// The key's values out of a whole row.
  Row key_of(const Row& row) const;
  /// Whether the source orders keys as the replica does, so that a chunk's key range means the same
  /// rows in both.
  bool has_ordered_key() const;
  /// A 64-bit hash over columns and key: changes when (and practically only when) they change.
  std::uint64_t fingerprint() const;
  friend bool operator==(const TableSchema&, const TableSchema&) = default;
};

}  // namespace tandem::state
