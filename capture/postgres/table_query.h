// Reads rows of one table, for chunks and for verify: by key range and by keys.
//
// All within a transaction of the caller's. One thread, as its connection. Errors: those of the
// connection; Error if the table cannot be captured.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "capture/postgres/catalog.h"
#include "capture/postgres/connection.h"
#include "capture/source.h"
#include "state/record.h"

namespace tandem::capture::postgres {

class TableQuery {
 public:
  TableQuery(Connection& connection, const SourceTable& table);

  /// Keeps others from emptying or altering the table until the transaction ends.
  void lock();
  /// Reads by these columns instead of the catalog's.
  void use(const state::TableSchema& schema) {
    schema_ = schema;
    operator_schemas_.clear();
  }

  struct Taken {
    std::size_t bytes = 0;  // of memory, about
    /// Rows were left out. The transaction is of no more use; that its end is a COMMIT does not
    /// matter.
    bool cut = false;
  };
  static constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

  /// Appends the rows behind the key `from` (empty: from the start) in key order, `limit` at most,
  /// and no more once they take `most_bytes`.
  Taken read_range(const state::Row& from, std::size_t limit, std::vector<state::Row>& rows,
                   std::size_t most_bytes = kUnlimited);
  /// Appends the rows that have one of the keys, in any order, and no more once they take
  /// `most_bytes`.
  Taken read_keys(const std::vector<state::Row>& keys, std::vector<state::Row>& rows,
                  std::size_t most_bytes = kUnlimited);

 private:
  std::string columns() const;
  std::string key_columns() const;
  std::vector<std::string> key_literals(const state::Row& key) const;
  const std::vector<std::string>& operator_schemas();
  bool has_plain_operators();
  std::string compared(std::size_t part, const char* operation, const std::string& literal);
  std::string behind(const state::Row& key);
  std::string one_of(const std::vector<state::Row>& keys);
  Taken copy(const std::string& select, std::size_t most_bytes, std::vector<state::Row>& rows);

  Connection& connection_;
  const std::string name_, from_clause_;  // quoted
  state::TableSchema schema_;
  std::vector<std::string> operator_schemas_;  // see operator_schemas()
};

}  // namespace tandem::capture::postgres
