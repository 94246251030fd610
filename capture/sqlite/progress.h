// What capture knows of each configured table: which schema it logged last, under which number its
// triggers run, and how far its snapshot is. Turned into a checkpoint and back.
//
// Threads: the source's. Errors: Error of the statements that are prepared.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/sqlite/installation.h"
#include "capture/sqlite/owner.h"
#include "capture/sqlite/table_reader.h"
#include "state/record.h"

namespace tandem::capture {

class Progress {
 public:
  /// Takes over what a checkpoint says; none: nothing was ever logged.
  void restore(const std::optional<state::Checkpoint>& checkpoint,
               const std::optional<SourceState>& state);
  /// Compares with what the file has now, and notes which schemas must be logged and which tables
  /// must be read again.
  void adopt(state::Database& database, const Installation& found);
  /// Logs the schemas that adopt() and read_again() noted, and those that were not yet handed over.
  void log_schemas(Transactions& out);
  bool has_schemas_to_log() const { return !pending_.empty(); }

  /// The readers of the tables that can be read, by number.
  TableReader* reader(std::int64_t number);
  /// The table of this number must be read again, and is not whole until then.
  void read_again(std::int64_t number);
  /// Hands over one chunk of the next table that is to be read, if there is one.
  void chunk(Transactions& out);
  bool snapshotting() const;
  void request_snapshot(const std::string& table);

  /// Fills in the tables of both.
  void save(state::Checkpoint& checkpoint, SourceState& state) const;

 private:
  struct Table {
    state::TableProgress progress;
    SourceState::Table tag;
    std::unique_ptr<TableReader> reader;
    bool described = false;  // its schema was handed over since restore()
  };
  struct PendingSchema {
    state::TableSchema schema;
    bool reread = true;
  };

  Table& table(const std::string& name);

  std::vector<Table> tables_;
  std::vector<PendingSchema> pending_;
};

}  // namespace tandem::capture
