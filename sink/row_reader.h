// The statements of one plan over one replica: prepared when first needed, bound from the rows
// further out. Private to the builder. One thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sink/evaluate.h"
#include "sink/plan_sql.h"

namespace tandem::sink {

/// A prepared query whose constants are bound.
class BoundQuery {
 public:
  BoundQuery(state::Database& replica, Query query);
  /// Resets and binds everything that changes from run to run.
  state::Statement& start(const std::vector<Frame>& frames, const state::Row& key,
                          std::size_t limit);
  state::Statement& statement() { return statement_; }

 private:
  state::Statement statement_;
  std::vector<std::pair<int, Parameter>> changing_;
};

/// Resets a statement at the end of a scope, so that it keeps no read transaction open.
class StatementScope {
 public:
  explicit StatementScope(state::Statement& statement) : statement_(statement) {}
  ~StatementScope() { statement_.reset(); }
  StatementScope(const StatementScope&) = delete;
  StatementScope& operator=(const StatementScope&) = delete;
  state::Statement& operator*() { return statement_; }
  state::Statement* operator->() { return &statement_; }

 private:
  state::Statement& statement_;
};

class RowReader {
 public:
  RowReader(state::Database& replica, const Document::Plan& plan);

  std::vector<Frame>& frames() { return frames_; }
  const std::vector<Frame>& frames() const { return frames_; }
  /// The root with this key; the scope's statement has yet to step.
  state::Statement& root(const state::Row& key);
  /// Roots after the key (none: from the start).
  state::Statement& range(const state::Row& after, std::size_t limit);
  /// The rows of a `many` level for the present rows of the levels further out.
  state::Statement& many(int level);
  /// How many there are.
  std::int64_t count(int level);

 private:
  BoundQuery& prepared(std::unique_ptr<BoundQuery>& held, const std::function<Query()>& write);

  state::Database& replica_;
  const Document::Plan& plan_;
  std::vector<Frame> frames_;
  std::map<std::vector<bool>, std::unique_ptr<BoundQuery>> roots_, ranges_;
  std::vector<std::unique_ptr<BoundQuery>> manys_, counts_;
};

}  // namespace tandem::sink
