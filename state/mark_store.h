// The replica's marks: gathered in memory during a fold's transaction, written before its commit.
//
// One thread, that of the Replica. Nothing is written outside the caller's transaction.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "state/replica.h"

namespace tandem::state {

class MarkStore : public Marks {
 public:
  MarkStore(Database& database, MarkNumber next);

  void mark(const std::string& document, const std::string& root) override;
  void mark_wide(const std::string& document, std::int64_t path, const Row& values) override;

  /// Marks made from here on were caused at this offset or behind it.
  void set_offset(Offset offset) { offset_ = offset; }
  /// Writes what was gathered.
  void write();
  /// Drops what was gathered, and forgets names that a rollback took back.
  void discard();
  MarkNumber next() const { return next_; }

 private:
  std::int64_t document_id(const std::string& name);
  void load_documents();

  Database& database_;
  Statement put_, put_wide_, new_document_;
  MarkNumber next_;
  Offset offset_ = 0;
  std::unordered_map<std::string, std::unordered_set<std::string>> gathered_;  // by document: roots
  std::unordered_map<std::string, std::int64_t> documents_;
};

}  // namespace tandem::state
