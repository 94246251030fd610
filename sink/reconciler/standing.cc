#include "sink/reconciler/standing.h"

namespace tandem::sink {

Standing judge(const std::optional<Item>& found, const state::Version& version,
               const std::string& attribute, const std::vector<std::string>& volatile_names,
               const TargetTable& table) {
  Standing standing;
  if (!found) return standing;
  standing.kind = Standing::Kind::kPresent;
  if (std::optional<Stamp> stamp = stamp_of(*found, attribute)) {
    if (stamp->version.epoch > version.epoch) {
      throw state::Fenced("another agent has taken over: it wrote an item with a higher epoch",
                          table.name + " " + display_key(*found, table.key),
                          "stop this agent and let the other one work, or reset this one's state");
    }
    standing.predecessor = stamp->hash;
    standing.version = stamp->version;
    standing.name = stamp->name;
    if (stamp->version > version) {
      standing.kind = Standing::Kind::kAhead;
    } else if (stamp->deleted) {
      standing.kind = Standing::Kind::kAbsent;
    }
  }
  if (standing.kind == Standing::Kind::kPresent) {
    standing.content = hash_item(*found, attribute, volatile_names);
  }
  return standing;
}

}  // namespace tandem::sink
