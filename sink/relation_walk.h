// One path of a document walked backwards: from the values that join a relation to the roots that
// reach them. The first row of the path is not read, only its values, so the walk works for rows
// that are gone. It may find roots too many (it looks at no `where`), never one too few. One
// thread.
#pragma once

#include <string>
#include <vector>

#include "sink/document_plan.h"
#include "sink/plan_sql.h"

namespace tandem::sink {

class RelationWalk {
 public:
  /// Roots in any order from the start; `ordered`: by key, after a key.
  RelationWalk(state::Database& replica, const Document::Plan& plan, int path, bool ordered,
               const std::vector<bool>& after_nulls);

  /// Roots as encode_row of their keys, distinct, at most `limit`.
  std::vector<std::string> roots(const state::Row& values, const state::Row& after,
                                 std::size_t limit);

  /// The values that join a row of the path's relation to what it belongs to.
  static state::Row values_of(const Node& node, const state::Row& row);

 private:
  static Query write(const Document::Plan& plan, int path, bool ordered,
                     const std::vector<bool>& after_nulls);

  std::vector<Parameter> parameters_;
  state::Statement statement_;
  int key_size_;
};

}  // namespace tandem::sink
