// One round's documents and the item keys that they claim: who owns which key.
//
// A document that can be written claims the keys that it yields; one that cannot (a dead letter, or
// blocked) keeps the items that it had. Where two claim one key, the present owner by the ledger
// wins, else the one that came first, and the loser becomes a dead letter that names both; what it
// had before it keeps, which may make a loser of another one in turn. Owners are built in the same
// round before their keys are given away, so two documents that swap keys hand over.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sink/reconciler/dirty_queue.h"
#include "sink/reconciler/replica_view.h"
#include "sink/reconciler/standing.h"

namespace tandem::sink {

/// A document built in this round.
struct Candidate {
  enum class Fate : std::uint8_t {
    kWrite,       // its items are to be made right
    kDeadLetter,  // `reason` says why; its former items stay
    kBlocked,     // waits for another document that is on its way or rests
  };
  Dirty* dirty = nullptr;
  BuiltDocument built;
  std::vector<state::LedgerItem> former;  // its items by the ledger
  /// For each built item the ledger's row of its key, whoever owns it.
  std::vector<std::optional<state::LedgerItem>> rows;
  Fate fate = Fate::kWrite;
  std::string reason, item;          // of a dead letter
  std::optional<ItemKey> contested;  // the key that another document owns
};

class Claims {
 public:
  /// `take` moves a document into the round: null if it is on its way or blocked, or if it is in
  /// the round already.
  using Take = std::function<Dirty*(int document, const std::string& root)>;

  Claims(ReplicaView& view, state::Ledger& ledger, DirtyQueue& queue, Take take);

  void add(Dirty& dirty, BuiltDocument built);
  /// Decides every candidate's fate; may add candidates: the owners of contested keys.
  void resolve();
  std::deque<Candidate>& candidates() { return candidates_; }
  /// Whether a candidate that is going to be written yields this key.
  bool yielded(const ItemKey& key) const;

 private:
  void claim_all(std::size_t index);
  void claim(std::size_t index, ItemKey key);
  void look_up_owners(std::size_t index);
  void look_up_owner(std::size_t index, const state::LedgerItem& row);
  void settle_contest(const ItemKey& key);
  bool owned_before(const Candidate& candidate, const ItemKey& key) const;
  void lose(std::size_t loser, std::size_t winner, const ItemKey& key);
  void withdraw(std::size_t index);
  std::vector<ItemKey> keys_of(const Candidate& candidate) const;
  std::string describe(const Candidate& candidate);

  ReplicaView& view_;
  state::Ledger& ledger_;
  DirtyQueue& queue_;
  Take take_;
  std::deque<Candidate> candidates_;
  std::unordered_map<ItemKey, std::vector<std::size_t>, ItemKeyHash> claims_;
  std::deque<ItemKey> contests_;
};

/// How the reason of every dead letter begins that is there because of another document's key.
inline constexpr std::string_view kContestedReason = "another document has this key: ";

}  // namespace tandem::sink
