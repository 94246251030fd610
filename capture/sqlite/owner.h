// Whose the source is, and whether it is still the file that we knew.
//
// The owner row fences: a claim writes a higher epoch, and whoever finds a higher epoch or another
// log in the row has lost the source. The same row, and a state that travels in every checkpoint,
// tell a restored or replaced file from one that merely went on.
//
//   _tandem_owner: id = 1
//     log_identity  the log that is fed
//     epoch         of the newest claim
//     pruned        every row of _tandem_log up to this seq may have been let go
//     since         the first epoch of an unbroken chain of claims by this log on this very file,
//                   each of which the log knows when the next is made; a checkpoint of an older
//                   epoch belongs to another file or another history. A fenced agent that may have
//                   written to the target late breaks its successor's chain: it sets `since` above
//                   the successor's epoch
//
// Threads: none of its own. Errors: SqliteError of the connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "state/sqlite.h"

namespace tandem::capture {

struct OwnerRow {
  std::string log_identity;
  std::uint64_t epoch = 0;
  std::uint64_t pruned = 0;
  std::uint64_t since = 0;
};

/// Nothing if there is no such row or no such table.
std::optional<OwnerRow> read_owner(state::Database& database);
void write_owner(state::Database& database, const OwnerRow& owner);

/// What a claim writes over `found`.
OwnerRow claimed(const std::optional<OwnerRow>& found, const std::string& log_identity,
                 std::uint64_t log_epoch, std::uint64_t now_ms);

/// What a checkpoint remembers of the file (Checkpoint::source_state).
struct SourceState {
  struct Table {
    std::int64_t number = 0;    // of the triggers that logged it
    std::uint64_t indexes = 0;  // a hash over its unique keys, which the fingerprint leaves out
  };
  std::uint64_t inode = 0;
  std::uint64_t epoch = 0;
  std::uint64_t pruned = 0;
  std::uint64_t row = 0;      // a hash over the row of _tandem_log at the checkpoint's position
  std::vector<Table> tables;  // in the order of Checkpoint::tables

  std::string encode() const;
  static std::optional<SourceState> decode(const std::string& text);
};

/// Hash over the row of _tandem_log at this seq; 0 if there is none. `query` is kLogRowQuery,
/// prepared.
inline constexpr const char* kLogRowQuery = "SELECT * FROM _tandem_log WHERE seq = ?1";
std::uint64_t hash_log_row(state::Statement& query, std::uint64_t seq);

/// FNV-1a over the bytes, continued from `seed`. Stable over versions, since it rides in the log.
std::uint64_t stable_hash(const std::string& bytes);

/// The file's inode, 0 if there is no file at the path.
std::uint64_t inode_of(const std::string& path);

}  // namespace tandem::capture
