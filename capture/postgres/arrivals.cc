#include "capture/postgres/arrivals.h"

#include <xxhash.h>

#include <utility>

#include "state/key_order.h"

namespace tandem::capture::postgres {

using state::Row;
using state::TableSchema;

void Arrivals::begin() {
  if (tables_.empty() && full_.empty()) return;
  tables_.clear();
  full_.clear();
  untold_.clear();
  keys_ = 0;
}

void Arrivals::forget(const TableSchema& table) {
  auto found = tables_.find(table.name);
  if (found == tables_.end()) return;
  keys_ -= found->second.size();
  tables_.erase(found);
}

std::optional<std::uint32_t> Arrivals::inserted(const TableSchema& table, const Row& row) {
  if (!arrive(table, key_of(table, row), hash(state::encode_row(row)))) return std::nullopt;
  return 0;
}

std::optional<std::uint32_t> Arrivals::updated(const TableSchema& table, const Row& before,
                                               const Row& after) {
  const Hash from = key_of(table, before), to = key_of(table, after);
  const Hash now = hash(state::encode_row(after));
  std::optional<Place> place = find(table, from, hash(state::encode_row(before)));
  if (from == to) {
    if (place && place->index) (*place->rows)[*place->index] = now;
  } else {
    if (place) leave(*place);
    arrive(table, to, now);
  }
  return above(place);
}

std::optional<std::uint32_t> Arrivals::deleted(const TableSchema& table, const Row& before) {
  const std::optional<Place> place =
      find(table, key_of(table, before), hash(state::encode_row(before)));
  if (place) leave(*place);
  return above(place);
}

Arrivals::Hash Arrivals::hash(const std::string& bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

Arrivals::Hash Arrivals::key_of(const TableSchema& table, const Row& row) {
  return hash(state::key_identity(table, table.key_of(row)));
}

// False: nothing more is kept of the table.
bool Arrivals::arrive(const TableSchema& table, const Hash& key, const Hash& row) {
  if (full_.contains(table.name)) return false;
  if (keys_ >= most_keys_) {
    forget(table);
    full_.insert(table.name);
    return false;
  }
  auto [rows, added] = tables_[table.name].try_emplace(key);
  if (added) ++keys_;
  rows->second.push_back(row);
  return true;
}

// Nothing if no row came to the key, so that no doubt is possible.
std::optional<Arrivals::Place> Arrivals::find(const TableSchema& table, const Hash& key,
                                              const Hash& row) {
  if (full_.contains(table.name)) {
    untold_.insert(table.name);
    return std::nullopt;
  }
  auto keys = tables_.find(table.name);
  if (keys == tables_.end()) return std::nullopt;
  auto found = keys->second.find(key);
  if (found == keys->second.end()) return std::nullopt;
  const Rows& rows = found->second;
  Place place{&found->second, std::nullopt, static_cast<std::uint32_t>(rows.size())};
  for (std::size_t i = rows.size(); i-- > 0;) {
    if (rows[i] != row) continue;
    place.index = i;
    place.above = static_cast<std::uint32_t>(rows.size() - 1 - i);
    break;
  }
  return place;
}

// The key is kept, though nobody who came to it may stand there any more: it may come again.
void Arrivals::leave(const Place& place) {
  if (place.index)
    place.rows->erase(place.rows->begin() + static_cast<std::ptrdiff_t>(*place.index));
}

std::optional<std::uint32_t> Arrivals::above(const std::optional<Place>& place) {
  return place ? std::optional(place->above) : std::nullopt;
}

}  // namespace tandem::capture::postgres
