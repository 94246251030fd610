#include "sink/row_reader.h"

namespace tandem::sink {

BoundQuery::BoundQuery(state::Database& replica, Query query)
    : statement_(replica.prepare(query.sql)) {
  int index = 1;
  for (Parameter& parameter : query.parameters) {
    if (parameter.kind == Parameter::Kind::kConstant) {
      statement_.bind(index, parameter.constant);
    } else {
      changing_.emplace_back(index, std::move(parameter));
    }
    ++index;
  }
}

state::Statement& BoundQuery::start(const std::vector<Frame>& frames, const state::Row& key,
                                    std::size_t limit) {
  statement_.reset();
  for (const auto& [index, parameter] : changing_) {
    switch (parameter.kind) {
      case Parameter::Kind::kSlot:
        statement_.bind_column(index, *frames[static_cast<std::size_t>(parameter.slot.level)].rows,
                               parameter.slot.column);
        break;
      case Parameter::Kind::kKey:
        statement_.bind(index, key[static_cast<std::size_t>(parameter.key)]);
        break;
      case Parameter::Kind::kLimit:
        statement_.bind(index, static_cast<std::int64_t>(limit));
        break;
      case Parameter::Kind::kConstant:
        break;
    }
  }
  return statement_;
}

RowReader::RowReader(state::Database& replica, const Document::Plan& plan)
    : replica_(replica),
      plan_(plan),
      frames_(plan.levels.size()),
      manys_(plan.levels.size()),
      counts_(plan.levels.size()) {
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    frames_[i].results.resize(static_cast<std::size_t>(plan.levels[i].results));
  }
}

BoundQuery& RowReader::prepared(std::unique_ptr<BoundQuery>& held,
                                const std::function<Query()>& write) {
  if (held == nullptr) held = std::make_unique<BoundQuery>(replica_, write());
  return *held;
}

state::Statement& RowReader::root(const state::Row& key) {
  std::vector<bool> nulls = nulls_of(key);
  BoundQuery& query = prepared(roots_[nulls], [&] { return root_query(plan_, nulls, {}); });
  frames_[0].rows = &query.statement();
  return query.start(frames_, key, 0);
}

state::Statement& RowReader::range(const state::Row& after, std::size_t limit) {
  std::vector<bool> nulls = nulls_of(after);
  BoundQuery& query = prepared(ranges_[nulls], [&] { return range_query(plan_, nulls); });
  frames_[0].rows = &query.statement();
  return query.start(frames_, after, limit);
}

state::Statement& RowReader::many(int level) {
  auto index = static_cast<std::size_t>(level);
  BoundQuery& query = prepared(manys_[index], [&] {
    return many_query(plan_, level, !plan_.levels[index].each.empty(), {});
  });
  frames_[index].rows = &query.statement();
  return query.start(frames_, {}, 0);
}

std::int64_t RowReader::count(int level) {
  auto index = static_cast<std::size_t>(level);
  BoundQuery& query = prepared(counts_[index], [&] { return count_query(plan_, level); });
  StatementScope rows(query.start(frames_, {}, 0));
  return rows->step() ? rows->integer(0) : 0;
}

}  // namespace tandem::sink
