// The logical replication slot: what the server says of it, making and dropping it.
//
// Threads: none, uses the connection it is given. Errors: Error of the connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "capture/postgres/connection.h"
#include "capture/postgres/pgoutput.h"

namespace tandem::capture::postgres {

struct Slot {
  std::string name;
  std::string plugin;    // "" for a physical slot
  std::string database;  // that it decodes
  bool temporary = false, two_phase = false, failover = false;
  int active_pid = 0;  // of the process that has it, 0 if none
  std::string holder;  // that process for people, "" if none
  /// That process has it for one statement of SQL, and streams nothing.
  bool in_passing = false;
  Lsn confirmed = 0;       // everything before was confirmed
  Lsn restart = 0;         // the server keeps its log from here on; 0: it has let go
  Lsn written = 0;         // where the server's log ends now
  std::string wal_status;  // reserved, extended, unreserved, lost
  std::optional<std::int64_t> safe_wal_size;  // bytes until it may be lost; nothing: no limit
  std::string invalidation;                   // why the server gave it up, "" if it did not

  /// Why it cannot be one that Tandem made in this database, "" if it can.
  std::string strangeness(const std::string& database) const;
  /// Why nothing can be read through it in this database, "" if it can.
  std::string shortcoming(const std::string& database) const;
  /// The server keeps nothing for it any more: only a new one helps.
  bool is_lost() const { return wal_status == "lost" || !invalidation.empty(); }
};

/// Nothing if there is no slot of the name.
std::optional<Slot> read_slot(Connection& connection, const std::string& name);

/// Makes it, for pgoutput, as a failover slot where the server knows such. Waits until every
/// transaction that is running now has ended.
void create_slot(Connection& connection, const std::string& name);
/// Throws ServerError 55006 while somebody has it. Does nothing if it is not there.
void drop_slot(Connection& connection, const std::string& name);

/// Whether a transaction that ends in (from, to] changed what is published: decodes all that the
/// slot holds. Neither moves it nor has it meanwhile, where the server has room for another. Throws
/// ServerError if it takes long.
bool has_changes(Connection& connection, const std::string& slot,
                 const std::vector<std::string>& publications, Lsn from, Lsn to);

/// Drops the slot and the publications that say Tandem made them. Without such a publication
/// nobody knows who made the slot, and it stays. Returns what was left and why, a sentence each.
/// Throws Error, having dropped nothing, while an agent has the slot.
std::vector<std::string> drop_installation(Connection& connection, const std::string& slot,
                                           const std::string& publication);

}  // namespace tandem::capture::postgres
