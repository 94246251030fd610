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
    add_delete(change);
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
    if (auto displaced = displaced_.find(identity_before); displaced != displaced_.end()) {
      before = std::move(displaced->second);
      displaced_.erase(displaced);
    } else {
      if (fill) before = current(identity_before, change.key_before, find);
      set(std::move(identity_before), {change.key_before, true, {}});
    }
    // Who stands on the new key has a change of its own to come in this transaction.
    if (auto occupant = current(identity, key, find)) displaced_[identity] = std::move(*occupant);
  } else if (fill) {
    before = current(identity, key, find);
  }
  NetChange net{std::move(key), false, {}};
  const bool known = !fill || (before && before->size() == change.after.size());
  encode_row(fill ? filled(change.after, known ? &*before : nullptr) : change.after, net.after);
  set(std::move(identity), std::move(net));
  return known;
}

void NetChanges::add_delete(const Change& change) {
  std::string identity = key_identity(schema_, change.key_before);
  if (displaced_.erase(identity) > 0) return;
  set(std::move(identity), {change.key_before, true, {}});
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
