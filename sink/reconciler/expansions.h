// Very many documents at once: wide marks, and the full passes over a document (its first load, a
// changed mapping, a table that has become whole again), expanded in steps of root keys.
//
// How far an expansion came stands in the ledger under the number of its mark: a step counts when
// all documents of it are right or have their dead letter. A newer number, or another fingerprint
// of the document, starts over. A full pass (path 0) ends with a walk over the document's items in
// the ledger: those whose root is gone, or that no root claimed, are dirty too. One thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "sink/reconciler/build_ahead.h"
#include "sink/reconciler/dirty_queue.h"
#include "sink/reconciler/ledger_walk.h"
#include "sink/reconciler/quarantine.h"
#include "sink/reconciler/replica_view.h"
#include "state/ledger.h"

namespace tandem::sink {

class Expansions {
 public:
  /// Takes a document into the round: what the expansion wants to be right.
  using Take = std::function<void(Dirty& dirty, BuiltDocument built)>;

  Expansions(ReplicaView& view, state::Ledger& ledger, DirtyQueue& queue, Quarantine& quarantine);

  /// Compares the view's wide marks and fingerprints with what is under way: starts what is new,
  /// starts over what has changed. Call after each renewal of the view.
  void refresh();
  /// The document has items in the ledger that perhaps nothing yields: a full pass finds out. In
  /// the ledger's open transaction.
  void look_for_orphans(const std::string& document);
  /// The document may no longer be built: its steps are void and begin again where the ledger says.
  void interrupt(int document);
  /// Whether a step could be taken now.
  bool ready();
  /// Takes the next steps into the round, of about so many documents. True if a step was made: one
  /// of the closing walk may look at many items and find no document to take.
  bool take(std::size_t documents, const Take& take);
  /// Writes what has been reached into the ledger's open transaction. True if anything was written.
  bool record();

  /// The oldest offset that an expansion under way was caused by.
  std::optional<state::Offset> oldest() const;
  bool empty() const { return running_.empty(); }
  /// How far the document's full pass is: 1 when none is under way.
  double progress(int document) const;
  /// Whether the document has been through its first full pass.
  bool loaded(int document);

 private:
  /// Document, path and values: what a wide mark is known by.
  using Key = std::tuple<std::string, std::int64_t, std::string>;
  struct Running {
    state::Expansion row;  // as in the ledger
    int document = 0;
    state::Offset offset = 0;
    bool recorded = false;  // that it began is in the ledger
    std::string next;       // the last root handed out
    bool handed_out = false;
    std::deque<std::shared_ptr<Step>> steps;
    // Of a full pass.
    std::string fingerprint;
    bool first = false;  // the ledger held no item of the document when it began
    std::unique_ptr<LedgerWalk> walk;
    bool orphans_taken = false;
    std::int64_t roots = 0, visited = 0;
  };
  static Key key_of(const std::string& document, std::int64_t path, const state::Row& values);
  void refresh_pass(int document, const state::WideMark* mark);
  void start(const Key& key, state::Expansion row, int document, state::Offset offset);
  bool resume(const Key& key, Running& running);
  bool may_step(Running& running);
  std::vector<Running*> in_turn();
  void ask_ahead(std::size_t limit);
  void step(Running& running, std::size_t limit, const Take& take);
  void step_walk(Running& running, std::size_t limit, const Take& take);
  void hand_out(Running& running, const std::shared_ptr<Step>& step, const std::string& root,
                const Take& take);
  bool record_one(Running& running);
  bool finished(Running& running);
  void finish(const Key& key, Running& running);
  const std::string& fingerprint_of(int document);

  ReplicaView& view_;
  state::Ledger& ledger_;
  DirtyQueue& queue_;
  Quarantine& quarantine_;
  BuildAhead ahead_;
  std::map<Key, Running> running_;
  std::map<Key, state::MarkNumber> done_;      // in the ledger, for marks that are not swept yet
  std::map<Key, state::Expansion> left_over_;  // by an earlier life, not taken up yet
  std::vector<state::Expansion> changed_;      // rows to be written into the ledger as they are
  std::vector<state::Expansion> obsolete_;     // rows to be removed from it
  std::map<int, std::string> fingerprints_;    // as the ledger has them
  std::set<std::string> orphans_left_;         // documents with items that nobody claimed
  Key last_stepped_;
};

}  // namespace tandem::sink
