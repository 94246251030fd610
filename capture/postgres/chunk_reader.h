// Reads a table for its snapshot, chunk after chunk, a few chunks ahead of the stream.
//
// Each chunk is read in a short transaction of its own, together with the transaction's view of the
// server and the table's columns; then a message goes into the write-ahead log. Everything that the
// view sees comes before the message in the stream, so the chunk is published when the message
// comes by. docs/postgres-capture.md says why that is exact.
//
// Threads: one of its own for the connection; all functions are called by the stream's reader, and
// none waits for the server. Errors: what ended the thread is thrown by take() and check().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/postgres/catalog.h"
#include "capture/postgres/server_address.h"
#include "capture/postgres/visibility.h"
#include "state/record.h"

namespace tandem::capture::postgres {

struct ReadChunk {
  state::TableSchema schema;  // as the catalog had it in the chunk's transaction
  Oid oid = 0;
  std::uint64_t storage = 0;  // SourceTable::storage
  Visibility view;
  /// The rows of (from, to], in key order; an empty `to`: the table's end.
  state::Row from, to;
  std::vector<state::Row> rows;
  /// Not empty: a chunk of the rows with these keys instead of a range.
  std::vector<state::Row> asked;
};

class ChunkReader {
 public:
  struct Options {
    ServerAddress address;
    std::string application;
    TableRequest table;
    std::string slot, session;  // of the messages
    std::uint64_t number = 0;   // of this reader
    /// Transactions may have been streamed that nobody remembers: wait until all that run now have
    /// ended.
    bool wait_for_running = true;
  };
  virtual ~ChunkReader() = default;

  /// The chunk whose message this is; nothing if it has been given up by restart().
  virtual std::optional<ReadChunk> take(std::uint64_t chunk) = 0;
  /// Gives up the ranges that were read ahead and goes on behind `from`.
  virtual void restart(state::Row from) = 0;
  /// The same from the table's start, and gives up the keys that were asked for.
  virtual void start_over() = 0;
  /// Reads the rows with these keys as well.
  virtual void ask(std::vector<state::Row> keys) = 0;
  /// Throws what ended the thread, if something did.
  virtual void check() = 0;
  /// The oldest of the transactions that it waits for; nothing if it does not wait.
  virtual std::optional<std::uint64_t> waits_for() = 0;
  /// Whether all chunks that take() may still give see the transaction, those that are to be read
  /// as well.
  virtual bool sees(std::uint32_t xid) = 0;
};

/// Reads behind `from`; empty: from the table's start.
std::unique_ptr<ChunkReader> start_chunk_reader(ChunkReader::Options options, state::Row from);

/// The text of a message of ours: `<slot> <session> <kind> <numbers>`.
inline constexpr char kMessagePrefix[] = "tandem";

}  // namespace tandem::capture::postgres
