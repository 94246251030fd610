// The state directory: one pipeline's files on this machine, owned by one agent at a time.
//
// Promise: the directory is made 0700 and its files 0600; one that others may write to, or that
// belongs to someone else, is refused. An owner holds an flock on `lock` until it ends, however it
// ends; the lock is never stolen. Looking takes no lock.
// Threads: any (after construction only paths are read). Errors: Error.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace tandem::state {

class StateDirectory {
 public:
  /// Makes the directory if there is none, and takes the lock. Throws Error, which names the
  /// process, if another one holds it.
  static StateDirectory own(const std::string& path);
  /// Of one half of a pipeline that runs apart: a directory within, with files of its own.
  static StateDirectory own_capture(const std::string& path);
  static StateDirectory look_at_capture(const std::string& path);
  /// For commands beside a running agent, or before the first: makes nothing, holds nothing.
  static StateDirectory look(const std::string& path);
  ~StateDirectory();
  StateDirectory(StateDirectory&& other) noexcept;
  StateDirectory& operator=(StateDirectory&&) = delete;
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;

  const std::string& path() const { return path_; }
  bool exists() const;
  bool owned() const { return lock_ >= 0; }
  std::string log() const { return path_ + "/log.db"; }
  std::string replica() const { return path_ + "/replica.db"; }
  /// Where a replay makes the replica anew.
  std::string replica_beside() const { return replica() + ".replay"; }
  std::string ledger() const { return path_ + "/ledger.db"; }
  std::string inbox() const { return path_ + "/inbox.db"; }
  std::string status() const { return path_ + "/status.json"; }

  /// The process that owns the directory at this moment, if any does. 0: one that has not written
  /// its number yet.
  std::optional<pid_t> owner() const;
  /// Replaces status.json in one step; a reader sees the old text or the new one, whole.
  void write_status(std::string_view text) const;
  /// The text of status.json, or nothing.
  std::optional<std::string> read_status() const;
  /// Removes everything but the lock. Precondition: owned().
  void forget() const;

 private:
  StateDirectory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  std::string path_;
  int lock_ = -1;  // descriptor that holds the lock; -1: looking only
};

}  // namespace tandem::state
