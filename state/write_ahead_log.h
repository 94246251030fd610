// Making an SQLite database in WAL mode durable without a commit of its own.
//
// With synchronous=NORMAL a commit writes the write-ahead log but does not wait for the disk; a
// checkpoint does, before it overwrites the log. So all commits are durable once the log's file is
// synced. Any thread. Only the -wal file is opened: closing a descriptor of the database itself
// would drop SQLite's locks on it.
#pragma once

#include <string>
#include <string_view>

namespace tandem::state {

class WriteAheadLog {
 public:
  /// database: the path of a database that stays open in WAL mode as long as this.
  explicit WriteAheadLog(std::string_view database) : path_(database) {}

  /// Everything committed before the call survives a power loss. Throws Error.
  void sync();

 private:
  const std::string path_;
  bool named_durably_ = false;  // the directory has the file's name on disk
};

}  // namespace tandem::state
