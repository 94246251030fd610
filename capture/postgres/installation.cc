#include "capture/postgres/installation.h"

#include <chrono>

#include "capture/postgres/catalog.h"
#include "capture/postgres/publication.h"
#include "capture/postgres/slot.h"
#include "state/rest.h"

namespace tandem::capture::postgres {
namespace {

constexpr char kObjectInUse[] = "55006";
constexpr char kUndefinedTable[] = "42P01";
constexpr int kTries = 50;
// How often the tables are looked at that go away as soon as they were.
constexpr int kLooks = 10;
constexpr std::chrono::milliseconds kBetweenTries{100};

// Names of ours begin so, unless the config names others.
constexpr std::string_view kOurNames = "tandem_";

std::string publication_gone(const InstallationNames& names) {
  return "the publication was gone, and the slot " + names.slot +
         " cannot see one that is newer than itself";
}

// Whoever needs it would lose what it keeps for them.
void refuse_strange(Connection& connection, const Slot& slot) {
  const std::string database = connection.query("SELECT pg_catalog.current_database()").text(0, 0);
  const std::string strange = slot.strangeness(database);
  if (strange.empty()) return;
  throw state::Error("the replication slot cannot be used: " + strange, slot.name,
                     "drop it if nothing needs it, or name another in `source.slot`");
}

void refuse_unknown(const InstallationNames& names) {
  if (names.slot_is_known || names.slot.starts_with(kOurNames)) return;
  throw state::Error(
      "there is a replication slot of this name, and no publication that says "
      "whether Tandem made it",
      names.slot, "drop it if nothing needs it, or name another in `source.slot`");
}

// A claim that finds a slot takes it for the one it knew: the owner row says that it is not.
void break_chain(Connection& connection, const InstallationNames& names) {
  std::optional<PublicationOwner> owner = read_owner(connection, names.publication);
  if (!owner || owner->since > owner->epoch) return;
  owner->since = owner->epoch + 1;
  write_owner(connection, names.publication, *owner);
}

}  // namespace

void drop_when_free(Connection& connection, const std::string& slot) {
  for (int tries = 1;; ++tries) {
    try {
      drop_slot(connection, slot);
      return;
    } catch (const ServerError& error) {
      if (error.sqlstate() != kObjectInUse || tries == kTries) throw;
    }
    state::rest(kBetweenTries, {});
  }
}

Installation make_installation(Connection& connection, const InstallationNames& names,
                               const std::vector<TableRequest>& tables) {
  Installation installed;
  std::optional<Slot> slot = read_slot(connection, names.slot);
  if (slot) refuse_strange(connection, *slot);
  // Before the publication is made: who finds both must be able to use them together.
  auto drop_older_slot = [&] {
    if (!slot) return;
    refuse_unknown(names);
    installed.slot_was_lost = publication_gone(names);
    drop_when_free(connection, names.slot);
    slot.reset();
  };
  for (int looks = 1;; ++looks) {
    try {
      TypeCatalog types;
      installed.publications =
          publish(connection, names.publication, read_requested(connection, types, tables),
                  Superfluous::kDrop, drop_older_slot)
              .names;
      break;
    } catch (const ServerError& error) {
      // A table was dropped since it was looked at, and is there again soon, perhaps.
      if (error.sqlstate() != kUndefinedTable || looks == kLooks) throw;
    }
    state::rest(kBetweenTries, {});
  }
  if (slot && !slot->is_lost()) return installed;
  if (slot) {
    installed.slot_was_lost = "the server gave up the replication slot " + names.slot +
                              (slot->invalidation.empty() ? "" : " (" + slot->invalidation + ")");
    drop_slot(connection, names.slot);
  }
  installed.slot_is_new = true;
  break_chain(connection, names);
  create_slot(connection, names.slot);
  return installed;
}

std::optional<std::vector<std::string>> keep_published(Connection& connection,
                                                       const InstallationNames& names,
                                                       const std::vector<SourceTable>& tables) {
  auto refuse = [&] {
    throw SourceReplaced("the publication was dropped", names.publication,
                         "nothing to do: Tandem makes it anew and reads everything again");
  };
  try {
    return publish(connection, names.publication, tables, Superfluous::kKeep, refuse).added;
  } catch (const ServerError& error) {
    if (error.sqlstate() != kUndefinedTable) throw;
    return std::nullopt;
  }
}

Lsn newest_lsn(Connection& connection) {
  constexpr char kPositions[] =
      "SELECT pg_catalog.pg_current_wal_insert_lsn()::text, "
      "pg_catalog.pg_current_wal_flush_lsn()::text";
  Rows rows = connection.query(kPositions);
  if (parse_lsn(rows.view(0, 0)) > parse_lsn(rows.view(0, 1))) {
    // Commits that did not wait for the disk: one that does takes them with it.
    connection.query("SELECT pg_catalog.pg_logical_emit_message(true, 'tandem', '')");
    rows = connection.query(kPositions);
  }
  return parse_lsn(rows.view(0, 1));
}

Lsn flushed_lsn(Connection& connection) {
  return parse_lsn(
      connection.query("SELECT pg_catalog.pg_current_wal_flush_lsn()::text").view(0, 0));
}

}  // namespace tandem::capture::postgres
