// The writes on their way to the target, and what becomes of them.
//
// A write is planned inside a transaction of the ledger that records its key as unknown; when that
// transaction is durable the write is submitted; when its outcome is in, the ledger is corrected in
// another one. One thread.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sink/reconciler/dirty_queue.h"
#include "sink/reconciler/item_counts.h"
#include "sink/reconciler/replica_view.h"
#include "sink/reconciler/standing.h"
#include "sink/target.h"
#include "state/ledger.h"

namespace tandem::sink {

class Flights {
 public:
  Flights(ReplicaView& view, state::Ledger& ledger, Target& target, ItemCounts& counts);

  /// Records the write as on its way, in the ledger's open transaction. `item` is the ledger's row
  /// as it will be when the write is done, `before` the row as it is.
  void plan(Dirty& dirty, Write write, state::LedgerItem item,
            std::optional<state::LedgerItem> before);
  /// Submits what was planned; call when the transaction is durable. Outcomes that come while the
  /// target has no room are kept. Gives up when a stop is asked for: what is left stays unknown.
  void submit(std::stop_token stop);
  /// Gathers outcomes, waiting for the first at most so long.
  void gather(std::chrono::milliseconds wait);
  bool has_outcomes() const { return !outcomes_.empty(); }
  /// Writes what the outcomes say into the ledger's open transaction. Returns the documents of
  /// which no write is left in the air; their `retry` and `rejection` say what to do with them.
  /// `orphaned` gets the documents whose former item a rejected write was to replace.
  std::vector<Dirty*> land(std::vector<std::pair<std::string, std::string>>& orphaned);

  bool has_planned() const { return !planned_.empty(); }
  std::size_t size() const { return flights_.size(); }
  std::int64_t written() const { return written_; }
  std::int64_t deleted() const { return deleted_; }

 private:
  struct Flight {
    Dirty* dirty = nullptr;
    std::int64_t number = 0;  // of the ledger's flight
    state::LedgerItem item;
    std::optional<state::LedgerItem> before;
    std::size_t table = 0;
    bool deletion = false;
  };
  void land_one(Flight& flight, Outcome& outcome,
                std::vector<std::pair<std::string, std::string>>& orphaned);
  void land_conflict(Flight& flight, const Outcome& outcome);
  void read_back_later(Flight& flight, const state::Version& version);
  void reject(Flight& flight, const Outcome& outcome,
              std::vector<std::pair<std::string, std::string>>& orphaned);
  void done(Flight& flight);

  ReplicaView& view_;
  state::Ledger& ledger_;
  Target& target_;
  ItemCounts& counts_;
  std::unordered_map<std::uint64_t, Flight> flights_;
  std::unordered_map<std::int64_t, std::size_t> open_;  // writes in the air of a ledger's flight
  std::vector<std::pair<std::int64_t, state::LedgerItem>> early_;
  std::vector<Write> planned_;
  std::vector<Outcome> outcomes_;
  std::uint64_t ticket_ = 0;
  std::int64_t written_ = 0, deleted_ = 0;
};

}  // namespace tandem::sink
