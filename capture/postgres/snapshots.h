// How far each captured table is: the schema last logged, and the snapshot that is under way.
//
// Starts the readers of chunks, tells them what the stream did, and has a chunk published when its
// message comes by. docs/postgres-capture.md, "Chunks". One thread: the one that reads the stream.
// Errors: those of the readers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "capture/postgres/chunk_reader.h"
#include "capture/postgres/recent_changes.h"
#include "capture/postgres/snapshot_table.h"
#include "capture/postgres/source_state.h"
#include "capture/postgres/stream_tables.h"
#include "capture/source.h"

namespace tandem::capture::postgres {

struct SnapshotOptions {
  ServerAddress address;
  std::string application;
  std::string slot, session;
  int tables_at_once = 2;
  std::size_t remembered_bytes = RecentChanges::kMostBytes;
  std::function<std::unique_ptr<ChunkReader>(ChunkReader::Options, state::Row from)> read =
      start_chunk_reader;
};

class Snapshots {
 public:
  Snapshots(const std::vector<TableRequest>& requests, SnapshotOptions options);

  /// Takes over what a checkpoint says; none: nothing was ever logged.
  void restore(const std::optional<state::Checkpoint>& checkpoint,
               const std::optional<SourceState>& state);
  void save(state::Checkpoint& checkpoint, SourceState& state) const;
  /// Grows whenever save() may say something else than before.
  std::uint64_t version() const { return version_; }

  bool snapshotting() const;
  void request(const std::string& table);
  /// The table has rows that nobody told of: it is read from its start, and is not whole until
  /// then. `unpublished`: changes of transactions that run now may be missing from the stream.
  void distrust(const std::string& table, bool unpublished);
  /// Whether the table is to be read.
  bool is_due(const std::string& table) const;
  /// Whether a schema of the table has been logged.
  bool is_logged(const std::string& table) const;
  /// Whether what the log has of the table is of another table, of other columns, or was read from
  /// other files, whose rows nobody told. False for a table that is to be read from its start,
  /// since its chunks bring what they were read from.
  bool is_outdated(const SourceTable& table) const;
  void set_missing(const std::string& table, bool missing);
  /// Takes note of how the table is published. True if it is not as it was when it was captured.
  bool is_republished(const std::string& table, std::uint64_t membership);
  /// Starts readers where tables wait for one, and throws what ended one.
  void keep_reading();
  /// Whether a table has been read to its end since the last call.
  bool has_finished() { return std::exchange(finished_, false); }
  /// A table whose first chunk waits, and the transaction that it waits for.
  struct Wait {
    std::string table;
    std::uint64_t transaction = 0;
    friend bool operator==(const Wait&, const Wait&) = default;
  };
  std::optional<Wait> waits_for();

  /// A view of the server as of before the call: those of readers to come will be later.
  void pass_by(const Visibility& view);

  // What the stream brings, in its order.
  void begin(std::uint32_t xid);
  /// Logs the schema before the table's first change under it, and reads the table again if it is
  /// another one than before.
  void meet(const StreamTable& table, Transactions& out);
  /// `shared`: rows had come to the key before in this transaction, beside one that may have stood
  /// there.
  void change(const StreamTable& table, const state::Row& key_before, const state::Row& after,
              bool shared);
  void deletion(const StreamTable& table, const state::Row& key_before, bool shared);
  /// Changes of the table in this transaction may have been taken for those of other rows.
  void confused(const std::string& table);
  void truncation(const StreamTable& table);
  /// The table is gone from the server.
  void gone(const std::string& table, Transactions& out);
  /// The message of a chunk came by.
  void publish(std::uint64_t reader, std::uint64_t chunk, Transactions& out);

 private:
  using Table = SnapshotTable;

  Table* find(const std::string& name);
  const Table* find(const std::string& name) const;
  Table* meet(const std::string& name);
  Table* of_reader(std::uint64_t number);
  void read_again(const std::string& name, bool unpublished);
  void left(Table& table, const state::Row& key, bool shared);
  void ask(Table& table, const state::Row& key);
  void finish(Table& table);
  void stop_reading(Table& table);
  bool is_seen(const Table& table, std::uint32_t xid) const;
  void forget_seen();
  void forget_all();

  const SnapshotOptions options_;
  std::vector<Table> tables_;
  std::unordered_map<std::string, std::size_t> index_;  // into tables_, by name
  RecentChanges recent_;
  std::size_t to_forget_ = 0;  // transactions that began since what is seen was forgotten
  std::uint32_t xid_ = 0;      // of the present transaction
  std::uint64_t begun_ = 0;    // transactions
  std::uint64_t version_ = 0;
  std::optional<Visibility> passed_;  // no reader to come will have an older view
  bool remembering_ = false;          // recent_ has what readers may not see since it was set
  bool ready_ = false;                // what ran when remembering began has ended
  bool finished_ = false;
  std::uint64_t readers_ = 0;
};

}  // namespace tandem::capture::postgres
