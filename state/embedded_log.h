// The embedded change log: log.db, an SQLite file of compressed blocks (log_file.h).
//
// Promise: ChangeLog's. append() is a group commit: one SQLite transaction, synced to disk. Readers
// that keep up get the very batch from memory, without a copy; one that lags reads blocks from the
// file on a connection of its own and finds back to memory by itself. Offsets start at 1 and are
// dense. A batch that breaks the grammar of record.h is refused.
// Threads: ChangeLog's. Errors: after a failed append (a full disk) nothing of the batch is in the
// log, and the next append works as soon as there is room.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "state/change_log.h"
#include "state/log_file.h"
#include "state/log_grammar.h"

namespace tandem::state {

class RecentBatches;

struct EmbeddedLogOptions {
  /// Blocks that nobody needs are let go when they are older than this ...
  std::chrono::seconds retention_age{std::chrono::hours{7 * 24}};
  /// ... or, the oldest first, while the log is larger than this.
  std::uint64_t retention_bytes = 10'000'000'000;
  /// Durable batches kept for readers, in bytes of memory. More helps a reader that falls behind in
  /// bursts; less saves memory.
  std::size_t memory_bytes = std::size_t{16} << 20U;
  /// Free space inside the file that is kept for reuse; what is beyond it (and beyond a quarter of
  /// the log) goes back to the file system.
  std::uint64_t spare_bytes = std::uint64_t{64} << 20U;
};

class EmbeddedLog : public ChangeLog {
 public:
  /// Opens the log to write, and makes it if there is none.
  explicit EmbeddedLog(const std::string& path, EmbeddedLogOptions options = {});
  /// Opens an existing log to read only, also beside a process that writes it. Its readers follow
  /// the writer by polling; claim, append and prune throw Error.
  static std::unique_ptr<EmbeddedLog> open_read_only(const std::string& path);
  ~EmbeddedLog() override;

  const std::string& identity() const override { return identity_; }
  LogTail read_tail() override;
  void claim(std::uint64_t epoch) override;
  void append(std::shared_ptr<Batch> batch) override;
  std::unique_ptr<LogReader> reader(Offset from) override;
  Offset first() override;
  Offset next() override;
  Offset at(std::int64_t unix_ms) override;
  /// Works in small transactions and gives way to append(); what is left is done by the next call.
  /// The newest checkpoint (or gap) is kept, whatever `needed_from` says.
  void prune(Offset needed_from) override;
  LogExtent extent() override;

 private:
  EmbeddedLog(const std::string& path, OpenMode mode, EmbeddedLogOptions options);
  void require_writable() const;
  void require_newest_epoch();
  std::size_t write(const Batch& batch, Offset first);
  void publish(std::shared_ptr<Batch> batch, Offset first, std::size_t memory_bytes);
  bool remove_some(Offset before);
  bool give_back_some();

  const EmbeddedLogOptions options_;
  const bool writable_;
  std::atomic<int> appends_waiting_ = 0;

  std::mutex mutex_;  // guards the members below
  LogFile file_;
  BlockEncoder encoder_;
  std::uint64_t epoch_ = 0;  // claimed by this writer; 0: none
  LogGrammar grammar_;
  Offset tail_offset_ = 0;  // of the newest checkpoint or gap; 0: not looked up yet

  const std::string identity_;                   // the same for the life of the file
  const std::shared_ptr<RecentBatches> recent_;  // has a lock of its own; null when read-only
};

}  // namespace tandem::state
