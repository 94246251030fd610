// What all messages of one table repeat, and its keys and rows as JSON objects.
//
// One thread. Errors: std::out_of_range for rows and keys of another shape.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "state/message.h"
#include "state/schema.h"
#include "state/value.h"

namespace tandem::state {

/// What the messages of one transaction repeat.
struct TransactionParts {
  std::uint64_t number = 0;  // another for each transaction
  std::string times;         // of its commit, as members of `source`
  std::string place;         // where it lies in the source, as further members
};

class TableMessages {
 public:
  TableMessages(const MessageOrigin& origin, TableSchema schema);

  /// Its name among the counts of a transaction, as a JSON string.
  const std::string& collection() const { return collection_; }
  /// `"source":{…` of the transaction, but for what tells its rows apart.
  const std::string& source(const TransactionParts& transaction);

  /// {column:v,…} of the key's columns: of a key, and out of a whole row.
  void append_key(const Row& key, std::string& out) const;
  void append_key_of(const Row& row, std::string& out) const;

  /// How rows are written: `"column":"form",…` of values whose JSON alone does not tell them is
  /// appended to `forms`; longer values than `longest` stand as one that was not sent.
  struct RowParts {
    std::string& out;
    std::string& forms;
    std::size_t longest = std::numeric_limits<std::size_t>::max();
  };
  /// {column:v,…} of all columns.
  void append_row(const Row& row, const RowParts& parts) const;
  /// The same of a row of which the key alone is known: all else is null, as Debezium has it.
  void append_row_of_key(const Row& key, const RowParts& parts) const;

 private:
  void append_value(std::size_t column, const Value& value, const RowParts& parts) const;

  TableSchema schema_;
  std::vector<std::string> names_;  // `"name":` of each column
  std::string before_, behind_;     // of `source`: before the commit's times, and behind them
  std::string collection_;
  std::string source_;
  std::uint64_t source_of_ = 0;  // TransactionParts::number
};

}  // namespace tandem::state
