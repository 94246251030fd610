// log.db seen as blocks: one connection to the SQLite file that holds the embedded log.
//
//   blocks(first INTEGER PRIMARY KEY, last, epoch, created_ms, bytes)   bytes: log_format.h
//   claims(epoch INTEGER PRIMARY KEY, at)      at: the offset of that epoch's Epoch record
//   meta(name PRIMARY KEY, value)              identity
//
// Blocks are dense: each begins one above the last offset of the one before. They are removed from
// the old end only, and the newest is never removed, so offsets are not given twice.
//
// Threads: one at a time. Errors: Error, SqliteError (a full disk is code 13).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "state/log_format.h"
#include "state/sqlite.h"

namespace tandem::state {

class LogFile {
 public:
  /// kReadWriteCreate makes the log, with a fresh identity, if there is none; the other modes throw
  /// Error then.
  LogFile(const std::string& path, OpenMode mode);

  const std::string& identity() const { return identity_; }
  const std::string& path() const { return database_.path(); }
  Database& database() { return database_; }  // for transactions

  /// Oldest offset kept and the offset after the newest; both 1 in an empty log.
  Offset first();
  Offset next();
  /// Of the first block that was written at this time or later; next() if none was.
  Offset at(std::int64_t unix_ms);
  std::uint64_t newest_epoch();  // 0: none
  /// True if a higher epoch had been claimed before this offset: an older writer's leftovers.
  bool superseded(std::uint64_t epoch, Offset offset);

  /// The records from `offset` to the end of its block; null if it has not been written yet.
  /// Throws Error if it has been let go by retention.
  std::shared_ptr<Batch> read_from(Offset offset);
  /// The newest whole block that begins before `offset`; null if there is none.
  std::shared_ptr<Batch> read_block_before(Offset offset);
  /// Changes when another connection has committed.
  std::int64_t data_version();

  /// The calls below write; each belongs inside a transaction of the caller's.
  void write_block(Offset first, Offset last, std::uint64_t epoch, std::int64_t created_ms,
                   std::string_view bytes);
  void write_claim(std::uint64_t epoch, Offset at);
  struct OldestBlock {
    Offset first = 0, last = 0;
    std::int64_t created_ms = 0;
  };
  std::optional<OldestBlock> oldest();
  void remove_block(Offset first);

  /// Bytes of the file that hold something, and bytes that are free for reuse inside it.
  std::uint64_t used_bytes();
  std::uint64_t free_bytes();
  /// Gives up to `bytes` of the free ones back to the file system.
  void give_back(std::uint64_t bytes);

 private:
  void create();
  void open_existing();
  std::shared_ptr<Batch> decode(Statement& row);

  Database database_;
  std::string identity_;
  std::uint64_t page_size_ = 0;
  BlockDecoder decoder_;
  Statement first_, next_, at_, epoch_, superseded_, read_, read_before_, version_, insert_, claim_,
      oldest_, remove_, pages_, free_;
};

}  // namespace tandem::state
