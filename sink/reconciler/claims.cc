#include "sink/reconciler/claims.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace tandem::sink {

using state::LedgerItem;

Claims::Claims(ReplicaView& view, state::Ledger& ledger, DirtyQueue& queue, Take take)
    : view_(view), ledger_(ledger), queue_(queue), take_(std::move(take)) {}

void Claims::add(Dirty& dirty, BuiltDocument built) {
  Candidate& candidate = candidates_.emplace_back();
  candidate.dirty = &dirty;
  candidate.built = std::move(built);
  candidate.former = ledger_.items_of(view_.document(dirty.document).name, dirty.root);
  if (!candidate.built.invalid.empty()) {
    candidate.fate = Candidate::Fate::kDeadLetter;
    candidate.reason = candidate.built.invalid;
    candidate.item = candidate.built.invalid_item;
    return;
  }
  std::unordered_set<std::string_view> keys;
  for (const BuiltItem& item : candidate.built.items) {
    if (candidate.built.items.size() == 1 || keys.insert(item.key).second) continue;
    const TargetTable& table = view_.targets()[view_.document(dirty.document).table];
    candidate.fate = Candidate::Fate::kDeadLetter;
    candidate.reason = "the document yields two items with the same key";
    candidate.item = display_key(decode_key(item.key, table.key), table.key);
  }
}

void Claims::resolve() {
  // look_up_owners() may append candidates, which are then looked at in their turn.
  for (std::size_t i = 0; i < candidates_.size(); ++i) look_up_owners(i);
  for (std::size_t i = 0; i < candidates_.size(); ++i) claim_all(i);
  while (!contests_.empty()) {
    ItemKey key = std::move(contests_.front());
    contests_.pop_front();
    settle_contest(key);
  }
}

void Claims::look_up_owners(std::size_t index) {
  Candidate& candidate = candidates_[index];
  if (candidate.fate != Candidate::Fate::kWrite) return;
  const std::string& table = view_.targets()[view_.document(candidate.dirty->document).table].name;
  candidate.rows.resize(candidate.built.items.size());
  for (std::size_t i = 0; i < candidate.built.items.size(); ++i) {
    const std::string& key = candidate.built.items[i].key;
    auto mine =
        std::find_if(candidate.former.begin(), candidate.former.end(),
                     [&](const LedgerItem& row) { return row.key == key && row.table == table; });
    if (mine != candidate.former.end()) {
      candidate.rows[i] = *mine;
      continue;
    }
    std::optional<LedgerItem> row = ledger_.owner_of(table, key);
    if (row) look_up_owner(index, *row);
    candidates_[index].rows[i] = std::move(row);
  }
}

void Claims::look_up_owner(std::size_t index, const LedgerItem& row) {
  int owner = view_.document_index(row.document);
  if (owner < 0) return;
  Dirty* present = queue_.find(owner, row.root);
  if (present != nullptr && present->state == Dirty::State::kInRound) return;
  if (present != nullptr && present->state == Dirty::State::kInFlight) {
    candidates_[index].fate = Candidate::Fate::kBlocked;
    return;
  }
  // Nobody to ask: the owner is not known, or no longer declared, or only a tombstone is left.
  if (row.root.empty() || !view_.document(owner).declared() || row.deleted) return;
  Dirty* taken = view_.document(owner).ready() ? take_(owner, row.root) : nullptr;
  if (taken == nullptr) {
    candidates_[index].fate = Candidate::Fate::kBlocked;
    return;
  }
  add(*taken, view_.build(owner, row.root));
}

std::vector<ItemKey> Claims::keys_of(const Candidate& candidate) const {
  std::vector<ItemKey> keys;
  if (candidate.fate == Candidate::Fate::kWrite) {
    std::size_t table = view_.document(candidate.dirty->document).table;
    for (const BuiltItem& item : candidate.built.items) keys.push_back({table, item.key});
    return keys;
  }
  for (const LedgerItem& row : candidate.former) {
    int table = view_.table_index(row.table);
    if (table >= 0) keys.push_back({static_cast<std::size_t>(table), row.key});
  }
  return keys;
}

void Claims::claim_all(std::size_t index) {
  for (ItemKey& key : keys_of(candidates_[index])) claim(index, std::move(key));
}

void Claims::claim(std::size_t index, ItemKey key) {
  std::vector<std::size_t>& claimants = claims_[key];
  claimants.push_back(index);
  if (claimants.size() > 1) contests_.push_back(std::move(key));
}

bool Claims::owned_before(const Candidate& candidate, const ItemKey& key) const {
  return std::any_of(candidate.former.begin(), candidate.former.end(), [&](const LedgerItem& row) {
    return row.key == key.key && !row.deleted &&
           view_.table_index(row.table) == static_cast<int>(key.table);
  });
}

void Claims::settle_contest(const ItemKey& key) {
  std::vector<std::size_t> claimants = claims_[key];
  if (claimants.size() < 2) return;
  std::size_t winner = *std::min_element(claimants.begin(), claimants.end());
  for (std::size_t claimant : claimants) {
    if (owned_before(candidates_[claimant], key)) winner = claimant;
  }
  for (std::size_t claimant : claimants) {
    if (claimant != winner) lose(claimant, winner, key);
  }
}

void Claims::lose(std::size_t loser, std::size_t winner, const ItemKey& key) {
  Candidate& candidate = candidates_[loser];
  // One that lost another key in the meantime claims its former items, which nobody else owns.
  if (candidate.fate != Candidate::Fate::kWrite) return;
  withdraw(loser);
  const TargetTable& table = view_.targets()[key.table];
  if (candidates_[winner].fate == Candidate::Fate::kBlocked) {
    candidate.fate = Candidate::Fate::kBlocked;
  } else {
    candidate.fate = Candidate::Fate::kDeadLetter;
    candidate.contested = key;
    candidate.reason = std::string(kContestedReason) + describe(candidates_[winner]) +
                       "; this one is " + describe(candidate);
  }
  candidate.item = display_key(decode_key(key.key, table.key), table.key);
  claim_all(loser);
}

void Claims::withdraw(std::size_t index) {
  for (const ItemKey& key : keys_of(candidates_[index])) std::erase(claims_[key], index);
}

std::string Claims::describe(const Candidate& candidate) {
  const Dirty& dirty = *candidate.dirty;
  return view_.document(dirty.document).name + " of " +
         view_.display_root(dirty.document, dirty.root);
}

bool Claims::yielded(const ItemKey& key) const {
  auto found = claims_.find(key);
  return found != claims_.end() &&
         std::any_of(found->second.begin(), found->second.end(), [&](std::size_t index) {
           return candidates_[index].fate == Candidate::Fate::kWrite;
         });
}

}  // namespace tandem::sink
