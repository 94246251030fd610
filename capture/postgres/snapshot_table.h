// How far one captured table is.
//
// A plain value of the thread that reads the stream.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "capture/postgres/chunk_reader.h"
#include "capture/source.h"
#include "state/record.h"

namespace tandem::capture::postgres {

struct SnapshotTable {
  TableRequest request;
  state::TableProgress progress;
  Oid oid = 0;
  std::uint64_t storage = 0;  // that its chunks were read from
  std::uint64_t membership = 0;
  bool absent = false;     // gone from the server, and the log says so
  bool missing = false;    // not found when the catalog was looked at
  bool untold = false;     // the log does not say yet that the table is not whole
  bool described = false;  // its schema was handed over since resume()
  bool must_wait = false;  // for transactions that were running
  std::unique_ptr<ChunkReader> reader;
  std::uint64_t reader_number = 0;
  bool gathered = false;          // of its rows, all but those that were asked for are known
  std::uint64_t begun = 0;        // number of the newest transaction that changed it
  bool remembers = false;         // the present transaction, which its chunks may not see
  std::set<std::string> asked;    // keys to be read by themselves, encoded
  std::set<std::string> arrived;  // keys that rows moved to in the present transaction, encoded

  /// Its chunks go by the log from its start again.
  void begin_anew() {
    progress.next_from.clear();
    gathered = false;
  }
  /// Whether the fold may have another row under the key than the source has.
  bool is_doubtful(const state::Row& key) const {
    return !gathered || asked.contains(state::encode_row(key));
  }
};

}  // namespace tandem::capture::postgres
