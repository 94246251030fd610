// How the server bears being captured: what it keeps for the slot, which transaction keeps the
// first chunk of a table waiting, and which tables are gone from it.
//
// Threads: one at a time. Errors: those of the connection it is given.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "capture/postgres/connection.h"
#include "capture/postgres/slot_guardian.h"
#include "capture/postgres/snapshots.h"
#include "capture/source.h"

namespace tandem::capture::postgres {

/// Who has the transaction, for people; "" if this role may not see it. One that waits for its
/// second phase belongs to no process.
std::string holder_of(Connection& connection, std::uint64_t transaction);

class ServerHealth {
 public:
  explicit ServerHealth(std::string slot) : slot_(std::move(slot)) {}

  /// What is so now. Its rates and forecasts are those of the calls before, so call it every few
  /// seconds.
  SourceHealth look(Connection& connection, const std::optional<Snapshots::Wait>& wait,
                    const std::vector<std::string>& missing);

 private:
  using Clock = std::chrono::steady_clock;
  void look_at_slot(Connection& connection, SourceHealth& health);
  void look_at_wait(Connection& connection, const Snapshots::Wait& wait, SourceHealth& health);

  const std::string slot_;
  SlotGuardian guardian_;
  std::optional<Snapshots::Wait> wait_;  // that the last call was told of
  Clock::time_point waits_since_;
};

}  // namespace tandem::capture::postgres
