#include "capture/postgres/server_preflight.h"

#include <algorithm>
#include <chrono>

#include "capture/postgres/slot_guardian.h"

namespace tandem::capture::postgres {
namespace {

using Level = Finding::Level;

constexpr int kTransactionsShown = 5;

constexpr char kFacts[] =
    "SELECT current_setting('wal_level'), current_setting('max_replication_slots'), "
    "(SELECT count(*) FROM pg_replication_slots), current_setting('max_wal_senders'), "
    "(SELECT count(*) FROM pg_stat_replication), "
    "(SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size'), "
    "(SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'), "
    // Seconds; of version 18, 0 where it is not known.
    "coalesce((SELECT setting FROM pg_settings WHERE name = 'idle_replication_slot_timeout'), "
    "'0'), "
    "pg_is_in_recovery(), current_user, r.rolsuper, r.rolreplication, "
    "EXISTS (SELECT FROM pg_roles g WHERE g.rolname = 'rds_replication' "
    "AND pg_has_role(g.oid, 'MEMBER')), r.rolsuper OR pg_has_role('pg_read_all_stats', 'USAGE') "
    "FROM pg_roles r WHERE r.rolname = current_user";

// What was open for longer than $1 seconds, in any database: a new slot waits for all of them.
constexpr char kOpenTransactions[] =
    "SELECT pid, coalesce(nullif(application_name, ''), 'unnamed'), usename, state, "
    "extract(epoch FROM now() - xact_start)::bigint FROM pg_stat_activity "
    "WHERE xact_start <= now() - make_interval(secs => $1::float8) AND backend_type = 'client "
    "backend' "
    "AND pid <> pg_backend_pid() AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL "
    "OR state LIKE 'idle in transaction%') ORDER BY xact_start";
constexpr char kPrepared[] =
    "SELECT gid, owner, database, extract(epoch FROM now() - prepared)::bigint "
    "FROM pg_prepared_xacts ORDER BY prepared";

// Of version 17: the slots of standbys that must have what a failover slot sends, and how each is.
constexpr char kSynchronized[] =
    "SELECT n.name, s.slot_name IS NULL OR s.wal_status = 'lost', s.active FROM "
    "(SELECT btrim(name, ' \"') AS name FROM "
    "unnest(string_to_array(current_setting('synchronized_standby_slots'), ',')) AS name) n "
    "LEFT JOIN pg_replication_slots s ON s.slot_name = n.name WHERE n.name <> ''";
constexpr char kStandbySlots[] =
    "SELECT string_agg(slot_name, ', ' ORDER BY slot_name) FROM pg_replication_slots "
    "WHERE slot_type = 'physical' AND NOT temporary";

std::string duration_of(std::int64_t seconds) {
  return shown_duration(std::chrono::seconds(seconds));
}

bool has_free_sender(const Rows& facts) { return facts.integer(0, 4) < facts.integer(0, 3); }

void check_settings(const Rows& facts, const Possessions& ours, std::vector<Finding>& findings) {
  const std::string wal_level = facts.text(0, 0);
  if (wal_level != "logical") {
    findings.push_back({Level::kFailure, "wal_level",
                        "it is " + wal_level + ", and only logical lets changes be read",
                        "run ALTER SYSTEM SET wal_level = logical and restart the server (Amazon "
                        "RDS: rds.logical_replication = 1 in the parameter group)"});
  } else {
    findings.push_back({Level::kOk, "wal_level", "it is logical", ""});
  }
  const std::int64_t slots = facts.integer(0, 1), used = facts.integer(0, 2);
  const std::string slots_text = std::to_string(used) + " of " + std::to_string(slots) + " in use";
  if (used >= slots && !ours.slot) {
    findings.push_back({Level::kFailure, "max_replication_slots", slots_text + ", none is free",
                        "raise max_replication_slots and restart the server, or drop a slot that "
                        "nothing needs"});
  } else {
    findings.push_back({Level::kOk, "max_replication_slots", slots_text, ""});
  }
  const std::int64_t senders = facts.integer(0, 3), sending = facts.integer(0, 4);
  const std::string senders_text =
      std::to_string(sending) + " of " + std::to_string(senders) + " in use";
  if (!has_free_sender(facts) && !ours.sender) {
    findings.push_back({Level::kFailure, "max_wal_senders", senders_text + ", none is free",
                        "raise max_wal_senders and restart the server"});
  } else {
    findings.push_back({Level::kOk, "max_wal_senders",
                        senders_text + (ours.sender ? ", one of them by the running agent" : ""),
                        ""});
  }
  const std::int64_t keep_mb = facts.integer(0, 5);
  if (keep_mb < 0) {
    findings.push_back(
        {Level::kWarning, "max_slot_wal_keep_size",
         "it has no limit: while Tandem is stopped the server keeps its log until the disk is full",
         "set it to what the disk can spare; if Tandem is away for longer, it reads all tables "
         "again"});
  } else {
    findings.push_back({Level::kOk, "max_slot_wal_keep_size",
                        "the server keeps up to " + shown_size(keep_mb << 20) + " of its log", ""});
  }
  // Whatever it is, connections of ours have their own (Connection).
  const std::int64_t timeout = facts.integer(0, 6);
  const std::string shown = timeout == 0      ? "off"
                            : timeout < 1'000 ? std::to_string(timeout) + " ms"
                                              : duration_of(timeout / 1'000);
  findings.push_back({Level::kOk, "wal_sender_timeout",
                      "it is " + shown + "; Tandem sets its own for its connection", ""});
  if (const std::int64_t idle = facts.integer(0, 7); idle > 0) {
    findings.push_back({Level::kWarning, "idle_replication_slot_timeout",
                        "the server gives up a slot that nobody used for " + duration_of(idle),
                        "do not stop Tandem for longer, or set it to 0"});
  }
}

void check_role(const Connection& connection, const Rows& facts, std::vector<Finding>& findings) {
  const std::string role = facts.text(0, 9);
  const std::string quoted = connection.identifier(role);
  const bool managed = facts.flag(0, 12);
  if (!facts.flag(0, 10) && !facts.flag(0, 11) && !managed) {
    findings.push_back({Level::kFailure, "role " + role, "it may not replicate",
                        "run ALTER ROLE " + quoted +
                            " REPLICATION (Amazon RDS: GRANT rds_replication TO " + quoted + ")"});
  } else {
    findings.push_back({Level::kOk, "role " + role, "it may replicate", ""});
  }
}

void check_transactions(Connection& connection, bool sees_others, std::chrono::seconds patience,
                        std::vector<Finding>& findings) {
  const std::string limit = duration_of(patience.count());
  Rows open = connection.query(kOpenTransactions, {std::to_string(patience.count())});
  for (int row = 0; row < std::min(open.count(), kTransactionsShown); ++row) {
    findings.push_back({Level::kWarning, "transactions",
                        "process " + open.text(row, 0) + " (" + open.text(row, 1) + ", user " +
                            open.text(row, 2) + ", " + open.text(row, 3) +
                            ") has had one open for " + duration_of(open.integer(row, 4)) +
                            ", and a new slot or a snapshot waits for its end",
                        "let the application end it, or run SELECT pg_terminate_backend(" +
                            open.text(row, 0) + ")"});
  }
  if (open.count() > kTransactionsShown) {
    findings.push_back({Level::kWarning, "transactions",
                        std::to_string(open.count() - kTransactionsShown) +
                            " more have been open for over " + limit,
                        "see pg_stat_activity"});
  }
  Rows prepared = connection.query(kPrepared);
  for (int row = 0; row < prepared.count(); ++row) {
    const std::string name = connection.literal(prepared.view(row, 0));
    findings.push_back({Level::kWarning, "transactions",
                        name + " in the database " + prepared.text(row, 2) +
                            " has been prepared for " + duration_of(prepared.integer(row, 3)) +
                            ", and a new slot or a snapshot waits for its end",
                        "let " + prepared.text(row, 1) + " or a superuser run COMMIT PREPARED " +
                            name + " or ROLLBACK PREPARED " + name + " in that database"});
  }
  if (open.empty() && prepared.empty()) {
    findings.push_back({Level::kOk, "transactions",
                        sees_others ? "none has been open for over " + limit
                                    : "none of this role's has been open for over " + limit +
                                          "; those of others are hidden from it",
                        ""});
  }
}

// A failover slot goes on at a standby only if the standby has got all that was sent through it.
void check_standbys(Connection& connection, std::vector<Finding>& findings) {
  const std::string subject = "synchronized_standby_slots";
  const Rows named = connection.query(kSynchronized);
  for (int row = 0; row < named.count(); ++row) {
    const std::string slot = named.text(row, 0);
    if (named.flag(row, 1)) {
      findings.push_back({Level::kFailure, subject,
                          "it names the slot " + slot +
                              ", which is not there or lost: until it is, the server sends nothing",
                          "make that slot anew with its standby, or take it out of the setting"});
    } else if (!named.flag(row, 2)) {
      findings.push_back({Level::kWarning, subject,
                          "it names the slot " + slot +
                              ", which no standby uses now: the server sends nothing that was "
                              "committed since",
                          "start that standby, or take the slot out of the setting"});
    } else {
      findings.push_back(
          {Level::kOk, subject, "the server sends what the standby at " + slot + " has got", ""});
    }
  }
  const Rows standbys = connection.query(kStandbySlots);
  if (!named.empty() || standbys.is_null(0, 0)) return;
  findings.push_back({Level::kWarning, subject,
                      "it is empty, and there are slots of standbys (" + standbys.text(0, 0) +
                          "): Tandem may read what a standby has not got, and if that one takes "
                          "over, all tables are read again",
                      "set it to the slots of the standbys that may take over; there, set "
                      "sync_replication_slots and hot_standby_feedback to on"});
}

}  // namespace

void tell_version(Connection& connection, std::vector<Finding>& findings) {
  const int version = connection.server_version();
  const std::string shown =
      "PostgreSQL " + std::to_string(version / 10000) + "." + std::to_string(version % 10000);
  findings.push_back({Level::kOk, "source", connection.shown() + " is " + shown, ""});
}

bool check_server(Connection& connection, const Possessions& ours, std::vector<Finding>& findings,
                  std::chrono::seconds patience) {
  const Rows facts = connection.query(kFacts);
  if (facts.flag(0, 8)) {
    findings.push_back({Level::kFailure, "source",
                        "it is a standby, where no publication can be made",
                        "name the primary in `source.url`"});
  }
  check_settings(facts, ours, findings);
  if (connection.server_version() >= 170000) check_standbys(connection, findings);
  check_role(connection, facts, findings);
  check_transactions(connection, facts.flag(0, 13), patience, findings);
  return has_free_sender(facts);
}

}  // namespace tandem::capture::postgres
