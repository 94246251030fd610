// The source half of verify: reads the source itself, chunk by chunk, and compares its rows with
// the replica's, which is what the documents are built from. Where the source orders keys otherwise
// than the replica, rows that only the replica has are found by asking the source for its keys.
//
// Promise: a row counts as different only if the source has the same row before and after the
// replica has passed the position at which it was read. Rows are read by the columns that the
// replica knows; a table whose columns are others at the source is not compared, but named. Writes
// nothing. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "capture/source.h"
#include "state/replica.h"

namespace tandem::agent {

struct RowDifference {
  std::string table;
  state::Row key;
  std::optional<state::Row> source, replica;  // nothing: not there
  std::vector<std::string> columns;           // that differ
};

struct RowReport {
  std::int64_t rows = 0;
  std::int64_t pending = 0;            // rows left out because something newer is on its way
  std::uint64_t position = 0;          // newest source position read
  std::vector<std::string> not_whole;  // tables whose snapshot is not done
  /// Tables whose columns or key at the source capture has not seen yet.
  std::vector<std::string> changed;
  std::vector<RowDifference> differences;
};

struct RowVerifierOptions {
  std::string replica_path;
  std::function<capture::Catalog()> catalog;  // of the source, as it is when called
  std::chrono::milliseconds patience{10'000};
  std::function<void(const std::string& table, std::int64_t rows)> progress;
};

RowReport verify_rows(capture::SourceReader& source, const std::vector<std::string>& tables,
                      const RowVerifierOptions& options, std::stop_token stop);

}  // namespace tandem::agent
