// The documents that may be wrong and that the reconciler holds in memory: waiting to be built, in
// the round at hand, on their way, or blocked by another one.
//
// A document is in here at most once. What makes it dirty again while it is being built or sent is
// kept beside it and counts when it has landed. A document that rests has entries only while they
// are on their way, so that nothing of it can be built and nothing of it takes up room; who ends
// its rest finds again what is dirty. One thread.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "state/replica.h"

namespace tandem::sink {

/// Roots that an expansion handed out together; its progress moves on when all of them are right.
struct Step {
  std::string through;   // the last root of the step
  std::size_t open = 0;  // documents not finished
};

/// Why a document is dirty.
struct Cause {
  state::MarkNumber number = 0;  // settled when the document is right; 0: no mark of its own
  state::Offset offset = 0;      // the oldest offset that wants it built again
  std::vector<std::shared_ptr<Step>> steps;

  void merge(Cause&& other);
};

struct Dirty {
  enum class State : std::uint8_t { kQueued, kInRound, kInFlight, kBlocked };

  int document = 0;  // index in ReplicaView::documents()
  std::string root;
  Cause cause;
  std::optional<Cause> again;  // came while the document was in the round or in flight
  State state = State::kQueued;

  // In flight: the writes without an outcome, and what the others came to.
  std::size_t open_writes = 0;
  bool retry = false;
  std::string rejection, rejected_item;
};

class DirtyQueue {
 public:
  /// The document may be wrong. One that is being built or sent will be built once more. Does
  /// nothing while it rests.
  void add(int document, const std::string& root, Cause cause);
  /// The oldest waiting document, moved into the round; null when none waits.
  Dirty* take_next();
  /// This document, moved into the round; null if it cannot be now: it is on its way or blocked,
  /// and the cause waits with it, or it is in the round already, which then serves this cause too.
  /// Precondition: it does not rest.
  Dirty* take(int document, const std::string& root, Cause cause);
  Dirty* find(int document, const std::string& root);

  void send(Dirty& dirty) { dirty.state = Dirty::State::kInFlight; }
  /// Back to the waiting ones, or forgotten if the document rests.
  void retry(Dirty& dirty);
  /// Waits for unblock(): another document has to land, or the replica to move on.
  void block(Dirty& dirty);
  void unblock();
  /// The document is right, or has its dead letter: forgotten, unless something came meanwhile.
  void finish(Dirty& dirty);
  /// The document must not be built: forgets its waiting and blocked entries, and what would join
  /// them until the rest ends.
  void rest(int document);
  void end_rest(int document) { resting_.erase(document); }

  std::size_t size() const { return entries_.size(); }
  std::size_t waiting() const { return waiting_.size(); }
  std::size_t blocked() const { return blocked_.size(); }
  /// The oldest offset that any entry was made dirty by.
  std::optional<state::Offset> oldest() const;

 private:
  struct Key {
    int document;
    std::string root;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      return std::hash<std::string>()(key.root) * 31U + static_cast<std::size_t>(key.document);
    }
  };
  void begin(Dirty& dirty, int document, const std::string& root, Cause cause);
  void merge_into(Dirty& dirty, Cause cause);
  void remember(state::Offset offset) { ++offsets_[offset]; }
  void forget_offset(state::Offset offset);
  void merge(Cause& into, Cause&& cause);
  void reset(Dirty& dirty);
  void erase(Dirty& dirty);

  std::unordered_map<Key, Dirty, KeyHash> entries_;
  std::deque<Dirty*> waiting_;
  std::vector<Dirty*> blocked_;
  std::map<state::Offset, std::size_t> offsets_;  // of all causes in here
  std::unordered_set<int> resting_;
};

}  // namespace tandem::sink
