// What the relations of the stream mean: which captured table each is, its schema, and its rows.
//
// A RELATION message tells names, types and identity of the columns; what it leaves out
// (collations, unique keys, the order of the key) comes from the catalog, which may already be
// ahead: where the two differ the message decides. One thread. Errors: those of the connection;
// Error for a relation whose rows cannot be identified any more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "capture/postgres/connection.h"
#include "capture/postgres/pgoutput.h"
#include "capture/postgres/source_table.h"
#include "capture/postgres/type_catalog.h"
#include "state/record.h"

namespace tandem::capture::postgres {

/// A relation of the stream that is a captured table.
struct StreamTable {
  std::string name;  // as Tandem knows it
  Oid oid = 0;
  state::TableSchema schema;
  std::uint64_t fingerprint = 0;  // of the schema
  /// Rows may share a key until their transaction ends; the stream names whole rows before then.
  bool shares_keys = false;
  /// Updates and deletes of it are passed over, as a publication of inserts alone does.
  bool insert_only = false;
  /// For each column that the stream sends whether it is left out: where a publication has
  /// generated columns (publish_generated_columns), which no chunk has. Empty: none.
  std::vector<bool> left_out;

  /// The values of a whole row; what was left unchanged is taken from `before` if that is whole.
  state::Row row(Tuple tuple, const state::Row* before = nullptr) const;
  /// The key's values out of the identity that the stream gives of a row before.
  state::Row key(Tuple tuple) const;
};

class StreamTables {
 public:
  explicit StreamTables(const std::vector<TableRequest>& requests) : requests_(requests) {}

  /// A RELATION message: from here on the relation is this.
  void learn(const RelationMessage& sent, Connection& catalog);
  /// Reads what the catalog says of the relation again. Does nothing if it was never described.
  void learn_again(std::uint32_t relation, Connection& catalog);
  /// Null: not a captured table. Throws Error for a relation that was never described.
  const StreamTable* find(std::uint32_t relation) const;

 private:
  struct Relation {
    RelationMessage message;
    std::optional<StreamTable> table;
  };
  const TableRequest* request_of(const std::string& name) const;

  const std::vector<TableRequest>& requests_;
  std::unordered_map<std::uint32_t, Relation> relations_;
};

}  // namespace tandem::capture::postgres
