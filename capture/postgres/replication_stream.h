// The stream of a logical slot, read by a thread of its own.
//
// The thread takes what the server sends, answers it in time however slow the reader of this class
// is, and tells it how far the log holds everything. A reader that wakes for each message costs the
// server more than decoding does, so the thread takes what is there and then naps for a moment.
//
// Promise: frames come in the order the server sent them. Threads: next() on one, confirm() on any.
// Errors: what ended the thread is thrown by next(): ServerError, ConnectionLost.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "capture/postgres/connection.h"
#include "capture/postgres/pgoutput.h"

namespace tandem::capture::postgres {

/// Frames that came together.
struct Frames {
  std::string bytes;
  std::vector<std::uint32_t> ends;  // of each frame in `bytes`
  std::size_t size() const { return ends.size(); }
  std::string_view frame(std::size_t index) const {
    std::size_t begin = index == 0 ? 0 : ends[index - 1];
    return std::string_view(bytes).substr(begin, ends[index] - begin);
  }
};

class ReplicationStream {
 public:
  /// Takes the slot, from where it was confirmed on. Throws ServerError (55006: another has it).
  ReplicationStream(const ServerAddress& address, const std::string& application,
                    const std::string& slot, const std::vector<std::string>& publications,
                    std::stop_token stop);
  ~ReplicationStream();

  /// The next frames; null when none came in time or a stop was asked for. `read` are earlier ones,
  /// whose memory is used again; may be null.
  std::unique_ptr<Frames> next(std::chrono::milliseconds wait, const std::stop_token& stop,
                               std::unique_ptr<Frames> read);
  /// The log holds everything before this durably: the server may let go of it.
  void confirm(Lsn durable);
  /// The server's process that serves us.
  int backend_pid() const;
  /// The server, as IDENTIFY_SYSTEM told before the stream began.
  struct Server {
    std::string system, database;
    std::uint64_t timeline = 0;
    Lsn newest = 0;
    std::map<std::uint64_t, Lsn> ended;  // earlier timelines, and where each was left
  };
  const Server& server() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::capture::postgres
