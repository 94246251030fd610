// What stands at the target under a key, held against what is to be written there.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sink/reconciler/replica_view.h"
#include "sink/target.h"

namespace tandem::sink {

struct Standing {
  enum class Kind {
    kAbsent,   // nothing, or a tombstone of ours
    kPresent,  // an item that a write of `version` may replace
    kAhead,    // written from a newer offset of this log: the replica is behind, wait for it
  };
  Kind kind = Kind::kAbsent;
  std::optional<state::Hash> predecessor;  // what the item's own stamp names; none: no stamp
  state::Hash content{};                   // of what really stands there, hashed anew
  state::Version version;                  // of the stamp
  std::string name;                        // of the stamp

  /// Nothing is left to write: the content is right and the stamp says the same.
  bool is(const state::Hash& hash, const std::string& stamp_name) const {
    return kind == Kind::kPresent && content == hash && predecessor == hash && name == stamp_name;
  }
};

/// Judges an item found at the target. Throws Fenced if a higher epoch than `version`'s wrote it:
/// another agent has taken over.
Standing judge(const std::optional<Item>& found, const state::Version& version,
               const std::string& attribute, const std::vector<std::string>& volatile_names,
               const TargetTable& table);

/// One item of the target by table and canonical key.
struct ItemKey {
  std::size_t table = 0;
  std::string key;
  friend bool operator==(const ItemKey&, const ItemKey&) = default;
};
struct ItemKeyHash {
  std::size_t operator()(const ItemKey& item) const {
    return std::hash<std::string>()(item.key) * 31U + item.table;
  }
};

}  // namespace tandem::sink
