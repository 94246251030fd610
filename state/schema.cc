#include "state/schema.h"

#include <xxhash.h>

#include <algorithm>

namespace tandem::state {
namespace {

// SQLite folds identifiers in ASCII only.
bool same_identifier(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return fold(x) == fold(y);
  });
}

void add(std::string& bytes, std::string_view text) {
  bytes += std::to_string(text.size());
  bytes += ':';
  bytes += text;
}

}  // namespace

int TableSchema::find(std::string_view column) const {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (same_identifier(columns[i].name, column)) return static_cast<int>(i);
  }
  return -1;
}

Row TableSchema::key_of(const Row& row) const {
  Row values;
  values.reserve(key.size());
  for (int index : key) values.push_back(row.at(static_cast<std::size_t>(index)));
  return values;
}

bool TableSchema::has_ordered_key() const {
  return std::all_of(key.begin(), key.end(), [this](int index) {
    return columns.at(static_cast<std::size_t>(index)).comparison == Comparison::kOrder;
  });
}

std::uint64_t TableSchema::fingerprint() const {
  std::string bytes;
  add(bytes, name);
  for (const Column& column : columns) {
    add(bytes, column.name);
    add(bytes, column.declared_type);
    add(bytes, column.collation);
    add(bytes, std::to_string(static_cast<int>(column.form)));
    add(bytes, column.generated ? "generated" : "");
    add(bytes, std::to_string(static_cast<int>(column.comparison)));
  }
  for (int index : key) add(bytes, std::to_string(index));
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace tandem::state
