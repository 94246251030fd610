// The replica: the change log folded into an ordinary SQLite database (replica.db) that mirrors the
// source's tables, one table each under its own name, plus Tandem's own tables (all named
// _tandem_...): the offset it stands at, the schemas, which tables are whole, and the marks.
//
// Promise: rows, offset and marks are committed in one transaction, at transaction boundaries of
// the log only, so any reader sees the source as it stood after some transaction. The rows at
// offset N depend on the log up to N and on nothing else (Pure fold). Threads: one Replica (the
// writer) on one thread; any number of ReplicaReader, one thread each.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "state/record.h"
#include "state/sqlite.h"

namespace tandem::state {

/// A table as the replica holds it.
struct ReplicaTable {
  TableSchema schema;
  bool whole = false;  // its rows have been complete since its first snapshot, last gap, last
                       // change of columns
};

/// A mark says: this document may be wrong. Its number grows over all marks ever made and outlives
/// the replica (it continues above the ledger's highest at every start); a document is dirty while
/// its mark's number is above the one that the ledger has as settled.
using MarkNumber = std::int64_t;

/// One document whose item may be wrong.
struct Mark {
  std::string document;
  std::string root;  // encode_row of the root's key
  MarkNumber number = 0;
  Offset offset = 0;  // the replica's offset whose change caused it
};

/// Very many documents at once: all roots of `document` that reach a changed row by the relation
/// `path` with the values `values` (path 0 and no values: every root). Expanded in steps by root
/// key.
struct WideMark {
  std::string document;
  std::int64_t path = 0;  // numbered by the document's relations (sink/relations.h)
  Row values;
  MarkNumber number = 0;
  Offset offset = 0;
};

/// Where a listener puts what it found. Part of the fold's transaction.
class Marks {
 public:
  virtual ~Marks() = default;
  virtual void mark(const std::string& document, const std::string& root) = 0;
  virtual void mark_wide(const std::string& document, std::int64_t path, const Row& values) = 0;
};

/// Told of every row that really changes, inside the fold's transaction. Implemented by sink/,
/// which knows the documents. It may query the replica through the given database.
class FoldListener {
 public:
  virtual ~FoldListener() = default;
  /// The replica's tables are these from now on (at open, and after each schema change).
  virtual void tables_changed(Database& replica,
                              const std::unordered_map<std::string, ReplicaTable>& tables,
                              Marks& marks) = 0;
  /// The table has become whole; documents that rested for it may go on.
  virtual void table_whole(const std::string& table, Marks& marks) = 0;
  /// Something in the table has changed, no row tells what: every document that reads it by a
  /// relation is to be looked at and, `as_root`, every document whose root it is.
  virtual void table_touched(const std::string& /*table*/, bool /*as_root*/, Marks& /*marks*/) {}
  /// Called before the row is written (before != null: the row as it is) and after (after != null).
  /// For an update both calls carry both rows; `applied` tells which call it is.
  virtual void row_changed(const TableSchema& table, const Row* before, const Row* after,
                           bool applied, Marks& marks) = 0;
};

struct ReplicaPosition {
  std::string log_identity;
  std::uint64_t epoch = 0;
  Offset next = 0;  // the first offset not folded yet
  SourcePosition source;
  std::int64_t ts_ms = 0;  // commit time of the newest folded transaction
  Offset gap = 0;          // of the newest Gap record folded; 0: none
};

/// What one call did.
struct FoldResult {
  std::int64_t transactions = 0;  // folded and committed
  std::int64_t rows = 0;          // of the log, in these transactions
  std::int64_t rows_written = 0;  // that really differed
  bool committed = false;
};

struct ReplicaOptions {
  /// When catching up, fold at most so many rows in one transaction. More means better batching of
  /// random updates and more memory.
  std::size_t batch_rows = 100'000;
  /// Rows waiting in memory take at most about so many bytes; a transaction larger than this is
  /// streamed into SQLite.
  std::size_t memory_bytes = 48U << 20U;
  /// Above every number that the ledger has ever settled.
  MarkNumber first_mark = 1;
  /// The log's next offset. A replica that stands beyond it is of a later state of the log than
  /// this one (one of the two was put back from a copy) and is folded anew. 0: not known.
  Offset log_next = 0;
};

class Replica {
 public:
  /// Opens or makes `path`. A replica of another log identity is emptied. listener may be null
  /// (rows only); it must outlive the replica.
  Replica(const std::string& path, const std::string& log_identity, FoldListener* listener,
          ReplicaOptions options = {});
  ~Replica();
  Replica(const Replica&) = delete;

  /// Of the last commit.
  ReplicaPosition position() const;
  const std::unordered_map<std::string, ReplicaTable>& tables() const;

  /// Takes the batch. What is whole of it is committed if `flush` is given or if enough has come
  /// together; a transaction without its End waits for more.
  FoldResult fold(std::shared_ptr<const Batch> batch, bool flush);
  /// Commits what is whole.
  FoldResult flush();

  /// Marks from outside the fold (repair, retry, changed mapping, replay), in a transaction of
  /// their own. Precondition: nothing whole waits (flush() first), and may_mark().
  void mark(const std::function<void(Marks&)>& make);
  /// False while a transaction larger than memory is being folded.
  bool may_mark() const;
  /// Deletes marks that the ledger in this file has as settled, a bounded number a call. Returns
  /// how many. No ledger: none.
  std::int64_t sweep(const std::string& ledger_path);
  /// Makes all committed work durable and returns the first offset that a power loss could ask for
  /// again.
  Offset sync();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// A read-only view for one thread: a read transaction that is renewed on demand.
class ReplicaReader {
 public:
  /// Its connection knows the collations of source_order.h.
  explicit ReplicaReader(const std::string& path);
  /// Ends the current read transaction and begins a new one on the newest commit.
  void renew();
  /// Ends the read transaction, so that checkpoints may proceed while idle.
  void rest();
  Database& database() { return database_; }
  ReplicaPosition position();
  std::unordered_map<std::string, ReplicaTable> tables();
  /// Marks with a number above `after`, in the order of their numbers, at most `limit`.
  std::vector<Mark> marks_after(MarkNumber after, std::size_t limit);
  std::vector<WideMark> wide_marks();
  /// The number of the document's mark, if it has one.
  std::optional<MarkNumber> mark_number(const std::string& document, const std::string& root);
  std::int64_t mark_count();
  /// The lowest number among the marks; nothing if there are none.
  std::optional<MarkNumber> lowest_mark();

 private:
  Database database_;
};

}  // namespace tandem::state
