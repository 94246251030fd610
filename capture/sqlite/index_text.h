// Cuts SQL text apart that SQLite's catalog gives whole: the text of a CREATE INDEX, since the
// catalog tells the columns of an index, but not its expressions nor its WHERE; and a column's
// default.
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

/// The default of a column as an expression that a trigger may compute once more: it gives what the
/// statement that starts the trigger stores, in any connection, and cannot fail. "" if that cannot
/// be promised: random(), a function of the application's.
std::string repeatable_default(std::string_view expression);

/// Identifiers compare as SQLite compares them: ASCII letters without regard to case.
bool same_name(std::string_view a, std::string_view b);

}  // namespace tandem::capture
