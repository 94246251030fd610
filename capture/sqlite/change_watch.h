// Notices that another connection has committed, by asking for PRAGMA data_version: often while the
// application is busy, seldom while it rests. Also notices another file under the same path.
//
// Threads: the source's. Errors: SourceReplaced, and Error when the file is gone.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>

#include "state/sqlite.h"

namespace tandem::capture {

class ChangeWatch {
 public:
  ChangeWatch(state::Database& database, const std::string& path);
  /// True if something was committed since the last call that said so.
  bool changed();
  /// The application was seen at work.
  void note_activity();
  /// Sleeps until it is time to look again; at most `limit`, and not beyond a stop.
  void rest(std::chrono::milliseconds limit, const std::stop_token& stop);
  std::uint64_t inode() const { return inode_; }

 private:
  void check_file();

  std::string path_;
  state::Statement version_;
  std::int64_t seen_ = -1;
  std::uint64_t inode_;
  std::chrono::steady_clock::time_point active_, checked_;
};

}  // namespace tandem::capture
