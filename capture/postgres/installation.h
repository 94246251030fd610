// What Tandem makes at the server and keeps right: publications and the slot.
//
// Free functions over a connection of the caller's. Errors: those of the connection.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "capture/postgres/connection.h"
#include "capture/postgres/pgoutput.h"
#include "capture/postgres/source_table.h"
#include "capture/source.h"

namespace tandem::capture::postgres {

struct InstallationNames {
  std::string slot, publication;
  /// The log was read through this slot: it is ours, whatever became of the publication.
  bool slot_is_known = false;
};

struct Installation {
  std::vector<std::string> publications;
  bool slot_is_new = false;
  std::string slot_was_lost;  // why the slot was made anew, "" if it was not
};

/// Makes what is missing. Idempotent. Throws Error rather than drop a slot that may be of others.
Installation make_installation(Connection& connection, const InstallationNames& names,
                               const std::vector<TableRequest>& tables);

/// Drops a slot that was ours. Waits for the process that served the connection, which may need a
/// moment to see that it is closed.
void drop_when_free(Connection& connection, const std::string& slot);

/// Puts back what somebody took out of the publications. Returns the tables whose changes were not
/// published for a while. Throws SourceReplaced if a publication is gone: a slot reads nothing
/// through one that is newer than itself, so both must be made anew, by make_installation().
/// Nothing, and nothing was done, if a table has gone since: look at them again.
std::optional<std::vector<std::string>> keep_published(Connection& connection,
                                                       const InstallationNames& names,
                                                       const std::vector<SourceTable>& tables);

/// Everything that was committed before the call ends before this, durably. May write.
Lsn newest_lsn(Connection& connection);
/// The end of what is durable. Commits that did not wait for the disk may still be behind it.
Lsn flushed_lsn(Connection& connection);

}  // namespace tandem::capture::postgres
