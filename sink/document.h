// A document checked against table schemas: paths resolved to columns, relations to joins, keys to
// types.
//
// Compiled once against the source's catalog (config check) and again against the replica's tables
// at every change of schema ($columns follows columns added and dropped). Immutable afterwards;
// shared between threads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sink/document_spec.h"
#include "sink/target.h"
#include "state/schema.h"

namespace tandem::sink {

/// Finds a table's schema by the name the config uses, or null.
using SchemaLookup = std::function<const state::TableSchema*(const std::string& table)>;

/// What documents join on: an index for the replica, which Relations makes.
struct JoinIndex {
  std::string table;
  std::vector<std::string> columns;  // for people
  std::vector<std::string> terms;  // SQL: each column with the collation that the join compares by
};

class Document {
 public:
  /// Compiles; every mistake found is appended and null is returned if there was one.
  /// `known_tables` is for nearest names.
  static std::shared_ptr<const Document> compile(const DocumentSpec& spec,
                                                 const TargetTable& target,
                                                 std::size_t target_index,
                                                 const SchemaLookup& lookup,
                                                 const std::vector<std::string>& known_tables,
                                                 std::vector<Mistake>& mistakes);
  ~Document();
  Document(const Document&) = delete;

  const std::string& name() const;
  std::size_t target_index() const;
  const TargetTable& target() const;
  const DocumentSpec& spec() const;
  /// Every source table that the document reads; it rests while one of them is not whole.
  const std::vector<std::string>& tables() const;
  std::vector<JoinIndex> join_indexes() const;
  /// Hash over the spec and over the columns it depends on: a change marks all its documents dirty.
  std::string fingerprint() const;
  /// Types that the document gives to the target's key and index attributes, where known.
  std::vector<std::pair<std::string, AttributeType>> attribute_types() const;

  /// What the document gives otherwise than the source would, without being a mistake.
  const std::vector<Mistake>& warnings() const;

  struct Plan;  // sink/document_plan.h, private to the builder and the relations
  const Plan& plan() const { return *plan_; }

 private:
  Document();
  std::unique_ptr<Plan> plan_;
};

}  // namespace tandem::sink
