#include "state/net_changes.h"

#include <algorithm>
#include <utility>

#include "state/error.h"
#include "state/key_order.h"

namespace tandem::state {
namespace {

// A change's own fields, its place in the map and what the allocator adds.
constexpr std::size_t kBytesAChange = 250;

bool has_unchanged(const Row& row) {
  return std::any_of(row.begin(), row.end(),
                     [](const Value& value) { return value.is_unchanged(); });
}

std::size_t bytes_of(const std::string& identity, const NetChange& change) {
  return kBytesAChange + 2 * identity.size() + change.key.size() * sizeof(Value) +
         change.after.size();
}

}  // namespace

bool NetChanges::add(const Change& change, const Find& find) {
  if (change.op == Op::kDelete) {
    depart(key_identity(schema_, change.key_before), change, false, find);
    return true;
  }
  Row key = schema_.key_of(change.after);
  std::string identity = key_identity(schema_, key);
  std::string identity_before =
      change.key_before.empty() ? identity : key_identity(schema_, change.key_before);
  const bool moved = identity_before != identity;
  const bool fill = has_unchanged(change.after);
  std::optional<Row> before;
  if (moved) {
    before = depart(std::move(identity_before), change, fill, find);
    arrive(identity, key, find);
  } else if (change.op == Op::kCreate) {
    if (change.above) arrive(identity, key, find);
  } else if (const auto place = place_of(identity, change.above)) {
    return change_beneath(identity, *place, change.after);
  }
  if (!moved && fill) before = current(identity, key, find);
  NetChange net{std::move(key), false, {}};
  const bool known = !fill || (before && before->size() == change.after.size());
  encode_row(fill ? filled(change.after, known ? &*before : nullptr) : change.after, net.after);
  set(std::move(identity), std::move(net));
  return known;
}

std::optional<std::size_t> NetChanges::place_of(const std::string& identity,
                                                const std::optional<std::uint32_t>& above) const {
  if (above == 0U) return std::nullopt;
  auto found = beneath_.find(identity);
  const std::size_t rows = found == beneath_.end() ? 0 : found->second.size();
  if (!above) return rows == 0 ? std::nullopt : std::optional<std::size_t>(0);
  // If there are not so many, the row is one that nobody told of; no row has this place.
  return *above <= rows ? rows - *above : rows;
}

// Takes the row off the key and gives it back if it is known and `wanted`.
std::optional<Row> NetChanges::depart(std::string identity, const Change& change, bool wanted,
                                      const Find& find) {
  const auto place = place_of(identity, change.above);
  auto found = beneath_.find(identity);
  std::optional<Row> row;
  if (place) {
    if (found == beneath_.end() || *place >= found->second.size()) return row;
    auto gone = found->second.begin() + static_cast<std::ptrdiff_t>(*place);
    row = std::move(*gone);
    found->second.erase(gone);
  } else {
    if (wanted) row = current(identity, change.key_before, find);
    NetChange net{change.key_before, true, {}};
    if (found != beneath_.end()) {
      net = {schema_.key_of(found->second.back()), false, encode_row(found->second.back())};
      found->second.pop_back();
    }
    set(std::move(identity), std::move(net));
  }
  if (found != beneath_.end() && found->second.empty()) beneath_.erase(found);
  return row;
}

// A row comes to the key, above who stands there.
void NetChanges::arrive(const std::string& identity, const Row& key, const Find& find) {
  if (auto occupant = current(identity, key, find)) {
    beneath_[identity].push_back(std::move(*occupant));
  }
}

bool NetChanges::change_beneath(const std::string& identity, std::size_t place, const Row& after) {
  auto found = beneath_.find(identity);
  const bool known = found != beneath_.end() && place < found->second.size();
  if (!known) return !has_unchanged(after);
  Row& row = found->second[place];
  row = filled(after, row.size() == after.size() ? &row : nullptr);
  return true;
}

void NetChanges::set(std::string identity, NetChange change) {
  bytes_ += bytes_of(identity, change);
  auto [place, added] = changes_.try_emplace(std::move(identity));
  if (!added) bytes_ -= bytes_of(place->first, place->second);
  place->second = std::move(change);
}

std::optional<Row> NetChanges::current(const std::string& identity, const Row& key,
                                       const Find& find) const {
  auto found = changes_.find(identity);
  if (found == changes_.end()) return find(key);
  if (found->second.gone) return std::nullopt;
  return decode_row(found->second.after);
}

Row NetChanges::filled(const Row& after, const Row* before) {
  Row row = after;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i].is_unchanged()) row[i] = before != nullptr ? (*before)[i] : Value::null();
  }
  return row;
}

std::vector<const NetChange*> NetChanges::in_key_order() const {
  std::vector<const NetChange*> order;
  order.reserve(changes_.size());
  for (const auto& [identity, change] : changes_) order.push_back(&change);
  std::sort(order.begin(), order.end(),
            [](const NetChange* a, const NetChange* b) { return key_before(a->key, b->key); });
  return order;
}

void NetChanges::clear() {
  changes_.clear();
  bytes_ = 0;
}

}  // namespace tandem::state
