#include "capture/postgres/server_health.h"

#include <utility>

namespace tandem::capture::postgres {
namespace {

using std::chrono::seconds;

// Short waits are nobody's fault.
constexpr seconds kLongWait{60};

}  // namespace

std::string holder_of(Connection& connection, std::uint64_t transaction) {
  Rows rows = connection.query(
      "SELECT a.pid::text, a.usename::text, a.application_name, a.state, "
      "extract(epoch FROM pg_catalog.now() - a.xact_start)::int8 "
      "FROM pg_catalog.pg_stat_activity a WHERE a.backend_xid::text::int8 = $1 UNION ALL "
      "SELECT NULL, p.owner::text, p.gid, NULL, "
      "extract(epoch FROM pg_catalog.now() - p.prepared)::int8 "
      "FROM pg_catalog.pg_prepared_xacts p WHERE p.transaction::text::int8 = $1",
      {std::to_string(transaction & 0xffffffffU)});
  if (rows.empty()) return "";
  const std::string age =
      rows.is_null(0, 4) ? "" : ", open for " + shown_duration(seconds(rows.integer(0, 4)));
  if (rows.is_null(0, 0)) {
    return "prepared as '" + rows.text(0, 2) + "' by user " + rows.text(0, 1) + age;
  }
  std::string text = "process " + rows.text(0, 0) + ", user " + rows.text(0, 1);
  if (!rows.view(0, 2).empty()) text += ", application '" + rows.text(0, 2) + "'";
  if (!rows.view(0, 3).empty()) text += ", " + rows.text(0, 3);
  return text + age;
}

SourceHealth ServerHealth::look(Connection& connection, const std::optional<Snapshots::Wait>& wait,
                                const std::vector<std::string>& missing) {
  SourceHealth health;
  look_at_slot(connection, health);
  if (wait) look_at_wait(connection, *wait, health);
  wait_ = wait;
  for (const std::string& table : missing) {
    health.warnings.push_back({Finding::Level::kWarning, "table " + table,
                               "it is gone from the source: documents rest as they are until it is "
                               "there again",
                               "take it out of the config, or make it anew at the source", 1});
  }
  return health;
}

void ServerHealth::look_at_slot(Connection& connection, SourceHealth& health) {
  const std::optional<Slot> slot = read_slot(connection, slot_);
  if (!slot) return;
  guardian_.add(Clock::now(), *slot);
  if (const auto outlook = guardian_.outlook()) {
    health.retained = {slot_,
                       outlook->held_bytes,
                       outlook->bytes_per_second,
                       outlook->wal_status,
                       outlook->safe_wal_size,
                       outlook->until_lost};
  }
  if (auto warning = guardian_.warning()) health.warnings.push_back(std::move(*warning));
}

void ServerHealth::look_at_wait(Connection& connection, const Snapshots::Wait& wait,
                                SourceHealth& health) {
  if (wait_ != wait) waits_since_ = Clock::now();
  health.waits_for = "table " + wait.table + " is not read before transaction " +
                     std::to_string(wait.transaction) + " has ended";
  const std::string holder = holder_of(connection, wait.transaction);
  if (!holder.empty()) health.waits_for += " (" + holder + ")";
  auto waited = std::chrono::duration_cast<seconds>(Clock::now() - waits_since_);
  if (waited < kLongWait) return;
  Finding warning{Finding::Level::kWarning, "table " + wait.table,
                  health.waits_for + "; that is waited for since " + shown_duration(waited),
                  "end the transaction, by COMMIT, ROLLBACK or pg_terminate_backend"};
  for (; waited >= kLongWait; waited /= 2) ++warning.urgency;
  health.warnings.push_back(std::move(warning));
}

}  // namespace tandem::capture::postgres
