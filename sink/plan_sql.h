// The SQL by which a plan's levels are read from the replica.
//
// Node n has the alias tn. A column of an outer level is a parameter, bound from that level's
// present row; constants of `where` are parameters too, so that any value can stand there.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sink/document_plan.h"

namespace tandem::sink {

struct Parameter {
  enum class Kind { kSlot, kConstant, kKey, kLimit } kind = Kind::kConstant;
  Slot slot;              // of kSlot
  state::Value constant;  // of kConstant
  int key = 0;            // of kKey: which value of the root's key
};

/// A statement's text; parameters[i] is ?i+1.
struct Query {
  std::string sql;
  std::vector<Parameter> parameters;
  /// "?7" for a new parameter.
  std::string add(Parameter parameter);
};

/// Which values of a key are null: `=` and `>` say nothing about those.
std::vector<bool> nulls_of(const state::Row& key);

/// tn."column"
std::string column_sql(const Document::Plan& plan, ColumnRef ref);
/// What a root is identified and ordered by: its key columns; of documents by distinct values each
/// value's bytes and storage class, because 'a' and 'A' may be equal to the column and 1 and 1.0
/// to SQLite.
std::vector<std::string> root_order(const Document::Plan& plan);
/// "The root is the one with this key", "the root comes after this key"; parameters of kKey.
std::string root_is(const Document::Plan& plan, const std::vector<bool>& nulls, Query& query);
std::string root_after(const Document::Plan& plan, const std::vector<bool>& nulls, Query& query);

/// The select list of each begins with Level::select. Of the root's, the next column says whether
/// the root matches its `where`; then comes `more`.
Query root_query(const Document::Plan& plan, const std::vector<bool>& nulls,
                 const std::vector<std::string>& more);
/// Roots after a key (an empty `nulls`: from the start) in order, up to kLimit.
Query range_query(const Document::Plan& plan, const std::vector<bool>& nulls);
/// The rows of a `many` level; `ordered` if a list is made of them.
Query many_query(const Document::Plan& plan, int level, bool ordered,
                 const std::vector<std::string>& more);
/// How many rows it has.
Query count_query(const Document::Plan& plan, int level);

}  // namespace tandem::sink
