// One round: documents built from one state of the replica, the items they yield held against the
// ledger and, where the ledger does not know, against the target; then what is to be written.
//
// Use: add documents, prepare(); if that says so, read_unknown() outside any transaction of the
// ledger, since the target is asked and may take its time; record() inside one. One thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sink/reconciler/claims.h"
#include "sink/reconciler/flights.h"
#include "sink/reconciler/quarantine.h"

namespace tandem::sink {

/// What a round works with; all of it outlives the round.
struct RoundParts {
  ReplicaView& view;
  state::Ledger& ledger;
  Target& target;
  DirtyQueue& queue;
  Quarantine& quarantine;
  Flights& flights;
  ItemCounts& counts;
  /// Whether a key of this table that the ledger has never seen may be written unconditionally.
  std::function<bool(std::size_t table)> unconditional;
};

struct RoundCounts {
  std::int64_t built = 0, unchanged = 0;
};

class Round {
 public:
  explicit Round(RoundParts parts);

  void add(Dirty& dirty, BuiltDocument built);
  std::size_t size() { return claims_.candidates().size(); }
  /// Bytes of the items built, estimated from some of them.
  std::size_t bytes() const { return bytes_; }
  /// Finds owners. Reads the ledger, writes nothing. False if items are unknown, which have to be
  /// read back before record().
  bool prepare();
  /// Reads back what is unknown from the target. Writes nothing.
  void read_unknown();
  /// Writes what the round came to into the ledger's open transaction and plans the writes.
  RoundCounts record();

 private:
  struct Question {
    ItemKey key;
    const Candidate* candidate;
    const state::LedgerItem* row;
  };
  void ask(ItemKey key, const Candidate& candidate, const state::LedgerItem& row);
  void wait_for_replica();
  bool record_items(Candidate& candidate);
  bool record_item(Candidate& candidate, std::size_t index);
  bool record_release(Candidate& candidate, const state::LedgerItem& row);
  void mark_contenders();
  const Standing* standing(const ItemKey& key) const;
  bool yields(const Candidate& candidate, const ItemKey& key) const;
  std::optional<ItemKey> item_key(const state::LedgerItem& row) const;
  Write write_of(const Candidate& candidate, std::size_t table) const;

  RoundParts parts_;
  Claims claims_;
  std::vector<std::vector<Question>> questions_;  // about unknown items, by table; empty: none
  std::unordered_map<ItemKey, Standing, ItemKeyHash> standing_;  // of items that were unknown
  std::vector<state::LedgerItem> ahead_;  // items newer than the replica, as the ledger has them
  std::vector<ItemKey> released_;
  std::size_t bytes_ = 0;
};

/// The document is right: its mark is settled, a dead letter of it is gone, its steps go on. In the
/// ledger's open transaction, as the next one.
void settle(const RoundParts& parts, Dirty& dirty);
/// The document cannot be written as it is: it becomes a dead letter, which settles its mark too.
void settle_as_dead_letter(const RoundParts& parts, Dirty& dirty, std::string reason,
                           std::string item, const ItemKey* contested);

}  // namespace tandem::sink
