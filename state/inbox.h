// The inbox (inbox.db): requests of the command line to the agent, which may be running or not.
//
// Promise: what put() returned for is durable and is handed out, in the order of the putting, until
// remove() says it is done; so a request is done at least once, and doing one twice must be
// harmless. Threads and processes: each object is used by one thread; any number of processes may
// put at once, one agent takes. Errors: Error.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "state/record.h"
#include "state/sqlite.h"

namespace tandem::state {

enum class RequestKind : std::uint8_t {
  kMark,      // mark a document's roots dirty: `root`, or all of `document`, or all
  kRetry,     // build dead letters anew: of `root`, of `document`, or all
  kDrop,      // forget dead letters: of `root`, of `document`, or all
  kSnapshot,  // read the table `text` again
  kReplay,    // mark what the log's changes from `offset` on touched
  kRepair,    // trust nothing of the item `key` in the target table `text`, and look at it anew
};

struct Request {
  std::int64_t id = 0;  // given by put()
  RequestKind kind = RequestKind::kMark;
  std::string document;  // "": all
  std::string root;      // encode_row of the root's key; "": all
  std::string text;
  Offset offset = 0;
  std::int64_t created_ms = 0;  // Unix milliseconds, given by put()
  std::string key;              // canonical bytes of an item's key
};

class Inbox {
 public:
  /// Opens or makes the file (mode 0600).
  explicit Inbox(const std::string& path);
  /// Returns the request's id.
  std::int64_t put(const Request& request);
  /// True if something may have been put since the last call. Costs next to nothing.
  bool changed();
  /// Everything that waits, in the order it was put; it stays until it is removed.
  std::vector<Request> waiting();
  /// The request is done, durably.
  void remove(std::int64_t id);

 private:
  Database database_;
  Statement version_;
  std::int64_t seen_version_ = -1;
  bool put_here_ = false;  // data_version tells of other connections only
};

}  // namespace tandem::state
