// Walks the declared relations backwards: from a changed row to the documents that it may make
// wrong. Implements the fold's listener, inside the fold's transaction and thread.
//
// A changed row is walked before it is written (in the state before) and after (in the state
// after), so a child that moves dirties both parents; and only when a column that the document uses
// has changed. More than `wide_at` documents become one wide mark, expanded by the reconciler in
// steps.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sink/document.h"
#include "state/replica.h"

namespace tandem::sink {

/// The declared documents, compiled against the replica's tables. Thread-safe.
///
/// A snapshot of the replica has tables of its own, and the fold's open transaction is ahead of
/// what any reader sees. So Relations compiles a set of its own for the fold (it takes only specs
/// and targets from the one it is given), and a reader that builds calls recompile() with its own
/// snapshot's tables whenever it renews: ReplicaReader::tables(). The call is cheap while nothing
/// has changed.
class DocumentSet {
 public:
  DocumentSet(std::vector<DocumentSpec> specs, std::vector<TargetTable> targets);
  const std::vector<DocumentSpec>& specs() const { return specs_; }
  const std::vector<TargetTable>& targets() const { return targets_; }
  /// One entry a spec; `document` is null while it cannot be compiled (a table is missing or has
  /// lost a column), `resting` says why the document must not be built now, "" if it may.
  struct Entry {
    std::shared_ptr<const Document> document;
    std::string resting;
  };
  std::vector<Entry> entries() const;
  /// Grows whenever an entry changes.
  std::uint64_t generation() const;
  /// Compiles against these tables and says what rests. True if an entry changed.
  bool recompile(const std::unordered_map<std::string, state::ReplicaTable>& tables);

 private:
  const std::vector<DocumentSpec> specs_;
  const std::vector<TargetTable> targets_;
  /// Whether the tables differ from the last ones in more than being whole.
  bool schemas_changed(const std::unordered_map<std::string, state::ReplicaTable>& tables) const;

  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, state::ReplicaTable> tables_;  // of the last call
  std::uint64_t generation_ = 0;
};

/// The paths of a document are numbered by its relations in the order of their declaration, each
/// before those within it; path 0 is the root itself.
///
/// A document that rests gets no marks. That loses nothing: when it no longer rests, the wide mark
/// of path 0 covers every root there is, and its expansion walks the ledger's roots too, so those
/// that have gone meanwhile are found as well.
class Relations : public state::FoldListener {
 public:
  explicit Relations(DocumentSet& documents, std::size_t wide_at = 1000);
  ~Relations() override;
  void tables_changed(state::Database& replica,
                      const std::unordered_map<std::string, state::ReplicaTable>& tables,
                      state::Marks& marks) override;
  void table_whole(const std::string& table, state::Marks& marks) override;
  void table_touched(const std::string& table, bool as_root, state::Marks& marks) override;
  void row_changed(const state::TableSchema& table, const state::Row* before,
                   const state::Row* after, bool applied, state::Marks& marks) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Expands a wide mark: roots of the document that reach `values` by `path`, after `after`, in key
/// order, at most `limit`. Path 0: all roots, those that do not match `where` included. A path or
/// values that do not fit the document (its mapping was another) count as path 0. Over any
/// connection to the replica.
std::vector<std::string> expand_wide_mark(state::Database& replica, const Document& document,
                                          std::int64_t path, const state::Row& values,
                                          const std::string& after, std::size_t limit);

}  // namespace tandem::sink
