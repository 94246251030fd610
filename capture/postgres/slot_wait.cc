#include "capture/postgres/slot_wait.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "capture/postgres/connection.h"
#include "capture/postgres/server_health.h"
#include "state/rest.h"

namespace tandem::capture::postgres {
namespace {

using std::chrono::milliseconds;

// Short waits are no news; where many transactions run, each is waited for in turn.
constexpr milliseconds kFirst{3'000}, kLongest{60'000};

// The maker waits for a lock that each transaction has on its own number.
std::optional<std::uint64_t> awaited_by(Connection& connection, int maker) {
  const Rows rows = connection.query(
      "SELECT transactionid::text::int8 FROM pg_catalog.pg_locks "
      "WHERE pid = $1 AND locktype = 'transactionid' AND NOT granted LIMIT 1",
      {std::to_string(maker)});
  if (rows.empty()) return std::nullopt;
  return static_cast<std::uint64_t>(rows.integer(0, 0));
}

void watch(const ServerAddress& address, const std::string& application, const std::string& slot,
           int maker, const SlotWait::Tell& tell, const std::stop_token& stop) {
  std::optional<Connection> connection;
  std::optional<std::uint64_t> told;
  for (milliseconds pause = kFirst; !stop.stop_requested();) {
    state::rest(pause, stop);
    if (stop.stop_requested()) return;
    if (!connection) connection.emplace(address, application, Connection::Purpose::kSql, stop);
    const std::optional<std::uint64_t> awaited = awaited_by(*connection, maker);
    if (!awaited || awaited == told) continue;
    told = awaited;
    pause = std::min(2 * pause, kLongest);
    const std::string holder = holder_of(*connection, *awaited);
    tell("slot " + slot + ": it is made when transaction " + std::to_string(*awaited) +
         " has ended" + (holder.empty() ? "" : " (" + holder + ")") +
         "; end it, by COMMIT, ROLLBACK or pg_terminate_backend");
  }
}

}  // namespace

SlotWait::SlotWait(ServerAddress address, std::string application, std::string slot, int maker,
                   Tell tell) {
  if (!tell) return;
  thread_ = std::jthread([address = std::move(address), application = std::move(application),
                          slot = std::move(slot), maker,
                          tell = std::move(tell)](const std::stop_token& stop) {
    try {
      watch(address, application, slot, maker, tell, stop);
    } catch (const state::Error&) {
      return;
    }
  });
}

}  // namespace tandem::capture::postgres
