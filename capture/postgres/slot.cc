#include "capture/postgres/slot.h"

#include "capture/postgres/publication.h"

namespace tandem::capture::postgres {
namespace {

// Columns that newer versions brought are looked for in the row as JSON. What a role may not see of
// another's process comes as null.
constexpr char kSlots[] =
    "SELECT s.plugin, s.database, s.temporary, "
    "coalesce((to_jsonb(s) ->> 'two_phase')::boolean, false), "
    "coalesce((to_jsonb(s) ->> 'failover')::boolean, false), s.active_pid, "
    "s.confirmed_flush_lsn::text, s.restart_lsn::text, "
    "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() "
    "ELSE pg_current_wal_lsn() END::text, s.wal_status, s.safe_wal_size, "
    "coalesce(to_jsonb(s) ->> 'invalidation_reason', CASE to_jsonb(s) ->> 'conflicting' "
    "WHEN 'true' THEN 'conflict with recovery' END), "
    "a.application_name, host(a.client_addr), a.usename, a.backend_start::text, "
    "coalesce(a.backend_type, '') = 'client backend' "
    "FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid "
    "WHERE s.slot_name = $1";

Lsn lsn_of(const Rows& rows, int column) {
  return rows.is_null(0, column) ? 0 : parse_lsn(rows.view(0, column));
}

std::string holder_of(const Rows& rows) {
  std::string text = "process " + rows.text(0, 5);
  if (!rows.view(0, 12).empty()) text += ", application '" + rows.text(0, 12) + "'";
  text += rows.is_null(0, 13) ? "" : ", client " + rows.text(0, 13);
  if (!rows.is_null(0, 14)) text += ", user " + rows.text(0, 14);
  if (!rows.is_null(0, 15)) text += ", connected since " + rows.text(0, 15);
  return text;
}

}  // namespace

std::string Slot::strangeness(const std::string& wanted) const {
  if (plugin.empty()) return "it is a physical slot";
  if (plugin != "pgoutput") return "its output plugin is " + plugin + ", not pgoutput";
  if (database != wanted) return "it belongs to the database " + database;
  if (temporary) return "it is temporary";
  if (two_phase) return "it sends prepared transactions (two_phase)";
  return "";
}

std::string Slot::shortcoming(const std::string& wanted) const {
  std::string strange = strangeness(wanted);
  if (!strange.empty()) return strange;
  if (is_lost()) {
    return "the server has given it up" +
           (invalidation.empty() ? std::string() : " (" + invalidation + ")");
  }
  return "";
}

std::optional<Slot> read_slot(Connection& connection, const std::string& name) {
  Rows rows = connection.query(kSlots, {name});
  if (rows.empty()) return std::nullopt;
  Slot slot;
  slot.name = name;
  slot.plugin = rows.text(0, 0);
  slot.database = rows.text(0, 1);
  slot.temporary = rows.flag(0, 2);
  slot.two_phase = rows.flag(0, 3);
  slot.failover = rows.flag(0, 4);
  if (!rows.is_null(0, 5)) {
    slot.active_pid = static_cast<int>(rows.integer(0, 5));
    slot.holder = holder_of(rows);
    slot.in_passing = rows.flag(0, 16);
  }
  slot.confirmed = lsn_of(rows, 6);
  slot.restart = lsn_of(rows, 7);
  slot.written = lsn_of(rows, 8);
  slot.wal_status = rows.text(0, 9);
  if (!rows.is_null(0, 10)) slot.safe_wal_size = rows.integer(0, 10);
  slot.invalidation = rows.text(0, 11);
  return slot;
}

void create_slot(Connection& connection, const std::string& name) {
  const bool knows_failover = connection.server_version() >= 170000;
  connection.query(std::string("SELECT pg_create_logical_replication_slot($1, 'pgoutput', "
                               "false, false") +
                       (knows_failover ? ", true)" : ")"),
                   {name});
}

void drop_slot(Connection& connection, const std::string& name) {
  connection.query(
      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1",
      {name});
}

bool has_changes(Connection& connection, const std::string& slot,
                 const std::vector<std::string>& publications, Lsn from, Lsn to) {
  constexpr char kNoRoom[] = "53400";
  // A commit message of pgoutput: 'C', flags, the commit's LSN, its end's (eight bytes each).
  constexpr char kQuery[] =
      "WITH messages AS MATERIALIZED (SELECT xid::text, data, get_byte(data, 0) AS kind "
      "FROM pg_logical_slot_peek_binary_changes($1, $2::pg_lsn, NULL, 'proto_version', '1', "
      "'publication_names', $3)) "
      "SELECT EXISTS (SELECT FROM messages c JOIN messages m ON m.xid = c.xid "
      "WHERE c.kind = ascii('C') AND m.kind IN (ascii('I'), ascii('U'), ascii('D'), ascii('T')) "
      "AND ('x' || encode(substring(c.data FROM 11 FOR 8), 'hex'))::bit(64)::int8 > $4)";
  std::string names;
  for (const std::string& publication : publications) {
    names += (names.empty() ? "" : ",") + connection.identifier(publication);
  }
  connection.execute("SET statement_timeout = '5s'");
  // Who decodes has the slot, and an agent that starts meanwhile would not get it: so a copy is
  // decoded, which ends with the session if not before.
  std::string read = "tandem_peek_" + std::to_string(connection.backend_pid());
  try {
    connection.query("SELECT pg_copy_logical_replication_slot($1, $2, true)", {slot, read});
  } catch (const ServerError& error) {
    if (error.sqlstate() != kNoRoom) throw;
    read = slot;
  }
  const Rows rows = connection.query(kQuery, {read, to_text(to), names, std::to_string(from)});
  if (read != slot) drop_slot(connection, read);
  connection.execute("SET statement_timeout = 0");
  return rows.flag(0, 0);
}

std::vector<std::string> drop_installation(Connection& connection, const std::string& slot_name,
                                           const std::string& publication) {
  const std::optional<Slot> slot = read_slot(connection, slot_name);
  const std::vector<Publication> publications = read_publications(connection, publication);
  std::vector<std::string> left;
  bool made_here = false;
  for (const Publication& each : publications) {
    made_here = made_here || each.made_here;
    if (each.made_here) continue;
    left.push_back("the publication " + each.name +
                   " was not made by Tandem (its comment would say so); drop it yourself if "
                   "nothing needs it");
  }
  const std::string database = connection.query("SELECT current_database()").text(0, 0);
  const bool ours = made_here && slot && slot->plugin == "pgoutput" && slot->database == database;
  if (ours && slot->active_pid != 0) {
    throw state::Error("it is in use by " + slot->holder, "slot " + slot_name,
                       "stop that agent first");
  }
  if (slot && !ours) {
    left.push_back("nobody knows who made the slot " + slot_name +
                   "; if nothing needs it, drop it, since the server keeps its log for it: SELECT "
                   "pg_drop_replication_slot(" +
                   connection.literal(slot_name) + ")");
  }
  // The slot first: a crash in between leaves the comment that says whose the slot was.
  if (ours) drop_slot(connection, slot_name);
  for (const Publication& each : publications) {
    if (each.made_here) {
      connection.execute("DROP PUBLICATION IF EXISTS " + connection.identifier(each.name));
    }
  }
  return left;
}

}  // namespace tandem::capture::postgres
