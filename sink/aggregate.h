// $count, $sum, $min and $max over the rows of a `many` relation. Nulls count for $count alone.
// One thread; one object serves one document after another.
#pragma once

#include <optional>

#include "sink/decimal_sum.h"
#include "sink/document_plan.h"
#include "state/sqlite.h"

namespace tandem::sink {

class Aggregate {
 public:
  explicit Aggregate(const AggregatePlan& plan) : plan_(&plan) {}
  const AggregatePlan& plan() const { return *plan_; }

  void reset();
  /// Takes the row that `rows` stands on. Throws InvalidItem if a sum meets what is no number.
  void add(const state::Statement& rows);
  void add_rows(std::int64_t count) { rows_ += count; }
  /// Nothing for the least and the greatest of no values. Throws InvalidItem if the target cannot
  /// hold the result.
  std::optional<Attribute> result() const;

 private:
  void add_to_sum(const state::Statement& rows);
  void keep_extreme(state::Value value);

  const AggregatePlan* plan_;
  std::int64_t rows_ = 0;
  DecimalSum sum_;
  std::optional<state::Value> extreme_;
};

/// Below, at or above zero as SQLite orders two values that are not null: numbers, texts by the
/// collation, bytes. Values that the collation calls equal are ordered by their bytes, so that the
/// least and the greatest never depend on the order of the rows.
int compare_values(const state::Value& a, const state::Value& b, const std::string& collation,
                   state::ColumnForm form);

}  // namespace tandem::sink
