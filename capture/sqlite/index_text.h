// Cuts the text of a CREATE INDEX apart. SQLite's catalog tells the columns of an index, but not
// its expressions nor its WHERE: those stand in the index's own text alone.
//
// Plain functions over text that SQLite itself has accepted before; no errors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tandem::capture {

struct IndexText {
  std::vector<std::string> terms;  // as written, without ASC and DESC
  std::string where;               // of a partial index, "" for a full one
};
IndexText cut_index_text(std::string_view create_index);

/// True if the expression has an identifier of this name (it may be more than needed: a function of
/// the same name counts too).
bool mentions_name(std::string_view expression, std::string_view name);

/// True if the expression is one literal: a number with or without a sign, 'text' or a blob.
bool is_literal(std::string_view expression);

/// Identifiers compare as SQLite compares them: ASCII letters without regard to case.
bool same_name(std::string_view a, std::string_view b);

}  // namespace tandem::capture
