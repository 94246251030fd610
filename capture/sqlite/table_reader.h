// Reads one captured table inside the caller's read transaction: the present state of the rows that
// the trigger log names, and chunks of the whole table in the order of its key.
//
// Values never leave SQLite on the way from a logged key to its row, so a key is compared exactly
// as the table compares it. Threads: one. Errors: Error when a row's key is null.
#pragma once

#include <cstdint>
#include <string>

#include "capture/source.h"
#include "capture/sqlite/installation.h"
#include "state/sqlite.h"

namespace tandem::capture {

/// Rows of a table in key order, from behind a key.
class PageReader {
 public:
  PageReader(state::Database& database, const state::TableSchema& schema);
  struct Page {
    std::vector<state::Row> rows;
    state::Row to;  // the last row's key; empty: the table ends here
  };
  /// Stops at so many rows or bytes, whichever comes first, but reads one row at least.
  Page read(const state::Row& from, std::size_t rows, std::size_t bytes);

 private:
  state::TableSchema schema_;
  state::Statement first_, next_;
};

class TableReader {
 public:
  TableReader(state::Database& database, const CapturedTable& table);

  const state::TableSchema& schema() const { return shape_.schema; }
  /// Hands over each row that the log names in (after, through], once, as it is now or as gone.
  void changes(std::uint64_t after, std::uint64_t through, Transactions& out);
  /// Hands over the next chunk and moves the progress behind it.
  void chunk(state::TableProgress& progress, Transactions& out);

 private:
  void refuse_null_key();

  state::Database& database_;
  TableShape shape_;
  std::int64_t number_;
  state::Statement changes_;
  PageReader pages_;
};

/// The one row with this key: `SELECT columns FROM table WHERE key = ?`.
std::string row_query(const state::TableSchema& schema);

/// Roughly what the row takes in memory and in the log.
std::size_t size_of(const state::Row& row);

}  // namespace tandem::capture
