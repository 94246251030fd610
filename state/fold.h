// The fold proper: assembles whole transactions out of the log's records and applies them to the
// replica's tables.
//
// A transaction waits as records until its End; then its changes join those of the transactions
// before it (net_changes.h) and are written together, in key order: before a record that changes a
// whole table (schema, chunk, truncate, gap), and before a commit. A transaction that outgrows
// memory is streamed into an SQLite transaction of its own, which is rolled back if the rest of it
// never comes. One thread. Errors: Error; the replica is then to be opened anew, which goes on from
// the last commit.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "state/mark_store.h"
#include "state/mark_sweep.h"
#include "state/net_changes.h"
#include "state/replica.h"
#include "state/table_rows.h"
#include "state/unseen_keys.h"

namespace tandem::state {

class Fold {
 public:
  Fold(Database& database, const std::string& log_identity, FoldListener* listener,
       ReplicaOptions options);

  FoldResult take(const std::shared_ptr<const Batch>& batch, bool flush);
  FoldResult flush();
  void mark(const std::function<void(Marks&)>& make);
  bool may_mark() const { return !streaming_; }
  std::int64_t sweep(const std::string& ledger_path);

  const ReplicaPosition& position() const { return committed_; }
  const std::unordered_map<std::string, ReplicaTable>& tables() const { return tables_; }

 private:
  // One record of the open transaction, alive as long as its batch.
  struct Step {
    std::shared_ptr<const Batch> batch;
    const Record* record;
    Offset offset;
  };
  // The rows of a table and the changes to them that are not written yet.
  struct Open {
    explicit Open(Database& database, const TableSchema& schema)
        : rows(database, schema), changes(schema) {}
    TableRows rows;
    NetChanges changes;
  };

  bool out_of_reach(const Record& record);
  void take_record(const std::shared_ptr<const Batch>& batch, std::size_t index);
  void begin(const Begin& begin, Offset offset);
  void end(const End& end);
  void abandon();
  void stream();
  bool enough() const;

  // fold_apply.cc
  void apply(const Step& step);
  void apply_change(const Step& step, const Change& change);
  void apply_net(TableRows& rows, const NetChange& net);
  void apply_chunk(const Step& step, const Chunk& chunk);
  void apply_unordered(TableRows& rows, const Chunk& chunk, bool last);
  void apply_truncate(const std::string& table);
  void apply_schema(const SchemaRecord& record);
  void apply_gap();
  void write_changes();
  Open* open_table(const std::string& table);
  TableRows::Changed tell_row(const TableSchema& schema);
  void tell_tables();
  void save_table(const std::string& name);

  void commit();
  void open_transaction();
  void commit_transaction();
  void read_covered();
  void save_position();

  Database& database_;
  FoldListener* listener_;
  const ReplicaOptions options_;
  MarkStore marks_;
  MarkSweep sweep_;
  Statement save_position_, save_table_, forget_table_;
  std::unordered_map<std::string, ReplicaTable> tables_;
  // How far the chunks have come since a table's start without a hole, while it is not whole; and,
  // if its keys are unordered, while it is read again.
  std::unordered_map<std::string, Row> covered_;
  UnseenKeys unseen_;
  std::map<std::string, Open> opened_;

  ReplicaPosition committed_;  // as the file has it
  ReplicaPosition reached_;    // with what is whole and not committed yet
  bool placed_ = false;        // reached_.source is that of a transaction since the newest gap
  bool writing_ = false;       // an SQLite transaction is open
  FoldResult result_;          // of the commits since the last call returned
  std::int64_t pending_transactions_ = 0, pending_rows_ = 0, pending_written_ = 0;

  // The open transaction, between a Begin and its End.
  bool open_ = false;
  bool skipping_ = false;   // it was folded before
  bool streaming_ = false;  // part of it is in the SQLite transaction
  Begin begin_;
  Offset begin_offset_ = 0;
  std::vector<Step> steps_;  // as far as they are not applied
  std::int64_t step_rows_ = 0;
  std::size_t step_bytes_ = 0;
};

}  // namespace tandem::state
