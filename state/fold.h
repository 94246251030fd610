// The fold proper: assembles whole transactions out of the log's records and applies them to the
// replica's tables.
//
// Transactions are buffered until their End and then applied together: between two records that
// change a whole table (schema, chunk, truncate), changes are reduced to the last one of each key
// and written in key order. A transaction that outgrows memory is streamed into an open SQLite
// transaction and rolled back if it is cut off. One thread. Errors: Error; the replica is then to
// be opened anew, which goes on from the last commit.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "state/mark_store.h"
#include "state/replica.h"
#include "state/table_rows.h"

namespace tandem::state {

class Fold {
 public:
  Fold(Database& database, const std::string& log_identity, FoldListener* listener,
       ReplicaOptions options);

  FoldResult take(std::shared_ptr<const Batch> batch, bool flush);
  FoldResult flush();
  void mark(const std::function<void(Marks&)>& make);
  std::int64_t sweep(const std::string& ledger_path) { return marks_.sweep(ledger_path); }

  const ReplicaPosition& position() const { return committed_; }
  const std::unordered_map<std::string, ReplicaTable>& tables() const { return tables_; }

 private:
  // One record to apply, alive as long as its batch.
  struct Step {
    std::shared_ptr<const Batch> batch;
    const Record* record;
    Offset offset;
  };
  // What a run of changes comes to for one key.
  struct Net {
    Row key;                     // as last spelled
    const Row* after = nullptr;  // null: gone
    std::unique_ptr<Row> own;    // what `after` points to where the log's row was not whole
    Offset offset = 0;
  };
  struct Run {
    std::unordered_map<std::string, Net> keys;  // by key_identity
  };

  void take_record(const std::shared_ptr<const Batch>& batch, std::size_t index);
  void begin(Step step);
  void end(const End& end, Offset offset);
  void abandon();
  void stream();

  FoldResult commit_pending();
  void open_transaction();
  void commit_transaction();
  void apply(const std::vector<Step>& steps);
  void apply_change(const Step& step);
  void apply_run();
  void apply_net(TableRows& rows, Net& net);
  void apply_chunk(const Step& step);
  void apply_truncate(const std::string& table);
  void apply_schema(const SchemaRecord& record);
  void apply_gap();
  std::optional<Row> current(TableRows& rows, Run& run, const std::string& identity,
                             const Row& key);

  TableRows* rows_of(const std::string& table);
  void rebuild_table(const TableSchema& from, const TableSchema& to);
  void read_covered();
  void save_table(const std::string& name);
  void tell_tables();
  void save_position();

  Database& database_;
  FoldListener* listener_;
  const ReplicaOptions options_;
  MarkStore marks_;
  Statement save_position_, save_table_, forget_table_;
  std::unordered_map<std::string, ReplicaTable> tables_;
  // How far the chunks have come since a table's start without a hole, while it is not whole.
  std::unordered_map<std::string, Row> covered_;
  std::unordered_map<std::string, std::unique_ptr<TableRows>> rows_;
  // By table; applied before anything that concerns a whole table.
  std::map<std::string, Run> runs_;
  // By table and key_identity: rows that another row has moved onto, until their own change comes
  // in the same transaction.
  std::unordered_map<std::string, std::unordered_map<std::string, Row>> displaced_;

  ReplicaPosition committed_;  // as the file has it
  ReplicaPosition reached_;    // with what is pending
  bool placed_ = false;        // reached_.source is that of a transaction since the newest gap
  std::vector<Step> pending_;  // of whole transactions
  std::size_t pending_rows_ = 0, pending_bytes_ = 0;
  std::int64_t pending_transactions_ = 0;

  bool open_ = false;       // between a Begin and its End
  bool skipping_ = false;   // that transaction was folded before
  bool streaming_ = false;  // part of it is in an open SQLite transaction
  Begin begin_;
  Offset begin_offset_ = 0;
  std::vector<Step> steps_;  // of the open transaction, as far as they are not applied
  std::size_t steps_rows_ = 0, steps_bytes_ = 0;
  std::int64_t streamed_rows_ = 0, written_ = 0;
};

}  // namespace tandem::state
