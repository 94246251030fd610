#include "sink/affinity.h"

#include <algorithm>
#include <initializer_list>

#include "state/sqlite.h"

namespace tandem::sink {
namespace {

std::string collated(const std::string& sql, const state::Column& column) {
  return sql + " COLLATE " + state::quote_identifier(column.collation);
}

/// The type that both sides of a backward comparison must be cast to, "" for none.
const char* backward_cast(const state::Column& theirs, const state::Column& ours) {
  Affinity their = affinity_of(theirs), our = affinity_of(ours);
  if (their == our) return "";
  if (their == Affinity::kNumeric) return "NUMERIC";
  if (their == Affinity::kText && our == Affinity::kBlob) return "TEXT";
  // OURS applies its affinity to what it is compared with, which loses no match here.
  return "";
}

}  // namespace

Affinity affinity_of(const state::Column& column) {
  if (column.form == state::ColumnForm::kInteger) return Affinity::kNumeric;
  // The replica declares the others without a type, because their values are exact as they are.
  if (column.form != state::ColumnForm::kAny) return Affinity::kBlob;
  std::string type = column.declared_type;
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  auto has = [&](std::initializer_list<const char*> words) {
    return std::any_of(words.begin(), words.end(),
                       [&](const char* word) { return type.find(word) != std::string::npos; });
  };
  if (has({"INT"})) return Affinity::kNumeric;
  if (has({"CHAR", "CLOB", "TEXT"})) return Affinity::kText;
  if (type.empty() || type == "ANY" || has({"BLOB"})) return Affinity::kBlob;
  return Affinity::kNumeric;
}

std::string join_forward(const state::Column& theirs, const std::string& theirs_sql,
                         const state::Column& ours, const std::string& ours_sql) {
  bool same = affinity_of(theirs) == affinity_of(ours);
  return theirs_sql + " = " + (same ? "" : "+") + ours_sql;
}

std::string join_backward(const state::Column& theirs, const std::string& theirs_sql,
                          const state::Column& ours, const std::string& ours_sql) {
  std::string type = backward_cast(theirs, ours);
  std::string right = theirs_sql;
  if (!type.empty()) right = "CAST(" + theirs_sql + " AS " + type + ")";
  return backward_index_term(theirs, ours, ours_sql) + " = " + right;
}

std::string backward_index_term(const state::Column& theirs, const state::Column& ours,
                                const std::string& ours_sql) {
  std::string type = backward_cast(theirs, ours);
  if (!type.empty()) return collated("CAST(" + ours_sql + " AS " + type + ")", theirs);
  return collated(ours_sql, theirs);
}

}  // namespace tandem::sink
