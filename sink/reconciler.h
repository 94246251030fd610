// The reconciler: makes dirty documents right. Level-triggered: build, hash, compare with the
// ledger, write if different, record. It may be killed and repeated at any point.
//
// Promise: an item is written only from a whole, committed state of the replica (Committed prefix);
// a document whose hash did not change costs no call (Silence when equal); what cannot be written
// blocks its own document alone (Quarantine); an item key has one owning document. Threads: run()
// on one thread; status() from any. Errors: Error, Fenced (a higher epoch at the target).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "sink/relations.h"
#include "sink/target.h"
#include "state/ledger.h"
#include "state/replica.h"

namespace tandem::sink {

/// How long an assertion of ownership at the source is trusted.
inline constexpr std::chrono::milliseconds kLease{500};

struct ReconcilerOptions {
  std::string pipeline;  // the config's name; items carry "pipeline/document"
  std::string attribute = "_tandem";
  std::size_t round_documents = 2000;  // documents built in one round
  bool prune = false;                  // delete the items of documents that are no longer declared
  std::function<void()> assert_owner;  // throws Fenced; called before sends when the last call is
                                       // older than `lease`, from the thread that sends
  std::chrono::milliseconds lease{kLease};
  /// Where this run's own part of the change log begins: its epoch, and a gap if it found one,
  /// stand before. Nothing is written from a replica that has not come so far: its owner may have
  /// been another agent meanwhile, and what that one did is found out only there. No value: not
  /// known yet; wake() when it is. Thread-safe. None: the replica is written from as it is.
  std::function<std::optional<state::Version>()> began_at;
  /// Who this run is, and who wrote to the target last before it, where the log is shared. If that
  /// was another than the ledger's own last run, its items are compared with the target anew.
  /// Empty: the source tells by a gap.
  std::string instance, instance_before;
  std::vector<std::string>
      made_tables;  // target tables that init just made: first loads may be batched
};

struct DocumentStatus {
  std::string name, resting;
  std::int64_t items = 0, dead_letters = 0;
  double progress = 1.0;  // of a first load or wide expansion
};

struct ReconcilerStatus {
  state::Version
      applied;  // everything caused up to this offset is at the target, dead letters aside
  std::int64_t dirty = 0, built = 0, unchanged = 0, written = 0, deleted = 0, dead_letters = 0;
  std::vector<DocumentStatus> documents;
  bool idle = false;  // nothing dirty, nothing in flight at the replica's newest offset
};

class Reconciler {
 public:
  Reconciler(std::string replica_path, state::Ledger& ledger, Target& target,
             DocumentSet& documents, ReconcilerOptions options);
  ~Reconciler();
  /// Works until stopped.
  void run(std::stop_token stop);
  /// The replica has committed something. Thread-safe.
  void wake();
  ReconcilerStatus status() const;
  /// True if something was sent since `assert_owner` last said that all before was ours to send: if
  /// another agent has taken over meanwhile, it must be told. Thread-safe.
  bool sent_unconfirmed() const;
  /// Blocks until everything that the replica holds at `offset` is settled, or stop. Thread-safe.
  bool wait_applied(state::Offset offset, std::stop_token stop);

  /// Blocks until a turn that began after this call finds nothing left to do, or stop. Thread-safe.
  bool wait_idle(std::stop_token stop);

  /// Requests from the inbox, done by the reconciler's thread at its next round. Thread-safe.
  /// `done` is called on that thread when the ledger holds durably what was asked.
  using Done = std::function<void()>;
  /// Forgets the dead letter and leaves the document as it is.
  void drop_dead_letter(const std::string& document, const std::string& root, Done done = {});
  /// Repair: reads the document's items back from the target, whatever the ledger believes, and
  /// makes them right. Outlives a crash once the round has begun.
  void recheck(const std::string& document, const std::string& root, Done done = {});
  /// Repair of an item that stands at the target and that perhaps no document yields: `key` is
  /// encode_key of it. It is deleted if a full pass over the document finds that nothing yields it.
  void recheck_item(const std::string& document, const std::string& key, Done done = {});

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::sink
