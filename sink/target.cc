#include "sink/target.h"

namespace tandem::sink {

bool may_replace(const std::optional<Item>& standing, const Stamp& stamp,
                 const std::optional<state::Hash>& predecessor, std::string_view own_attribute) {
  if (!standing.has_value()) return true;
  std::optional<Stamp> found = stamp_of(*standing, own_attribute);
  if (!found.has_value() || found->version < stamp.version) return true;
  return found->version == stamp.version && predecessor.has_value() && found->hash == *predecessor;
}

TargetCounters& TargetCounters::operator+=(const TargetCounters& more) {
  write_calls += more.write_calls;
  items_written += more.items_written;
  items_deleted += more.items_deleted;
  read_calls += more.read_calls;
  items_read += more.items_read;
  throttled += more.throttled;
  retries += more.retries;
  conflicts += more.conflicts;
  return *this;
}

}  // namespace tandem::sink
