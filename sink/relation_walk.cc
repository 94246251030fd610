#include "sink/relation_walk.h"

#include <algorithm>

#include "sink/affinity.h"
#include "sink/relations.h"
#include "sink/row_reader.h"

namespace tandem::sink {
namespace {

using Plan = Document::Plan;

const state::Column& column_at(const Plan& plan, ColumnRef ref) {
  return plan.node(ref.node).table.columns[static_cast<std::size_t>(ref.column)];
}

/// The nodes that lie between the root and the path's node, the root first.
std::vector<int> nodes_between(const Plan& plan, int path) {
  std::vector<int> needed{0};
  std::vector<int> open{path};
  while (!open.empty()) {
    int at = open.back();
    open.pop_back();
    for (const auto& pair : plan.node(at).on) {
      int other = pair.second.node;
      if (std::find(needed.begin(), needed.end(), other) != needed.end()) continue;
      needed.push_back(other);
      open.push_back(other);
    }
  }
  return needed;
}

void append(std::string& list, const std::string& part, const char* separator) {
  list += (list.empty() ? "" : separator) + part;
}

}  // namespace

Query RelationWalk::write(const Plan& plan, int path, bool ordered,
                          const std::vector<bool>& after_nulls) {
  Query query;
  std::string tables, conditions, keys, order;
  std::vector<int> nodes = path == 0 ? std::vector<int>{0} : nodes_between(plan, path);
  bool repeats = false;
  for (int index : nodes) {
    const Node& node = plan.node(index);
    append(tables, state::quote_identifier(node.table.name) + " AS t" + std::to_string(index),
           ", ");
    repeats = repeats || node.many;
    if (index == 0) continue;
    for (const auto& [their_column, ours] : node.on) {
      ColumnRef theirs{index, their_column};
      const state::Column& their = column_at(plan, theirs);
      const state::Column& our = column_at(plan, ours);
      std::string their_sql = column_sql(plan, theirs), our_sql = column_sql(plan, ours);
      append(conditions, join_forward(their, their_sql, our, our_sql), " AND ");
      // Where the comparison hides our column from its index, a wider one shows it.
      if (affinity_of(their) != affinity_of(our)) {
        append(conditions, join_backward(their, their_sql, our, our_sql), " AND ");
      }
    }
  }
  int value = 0;
  if (path != 0) {
    for (const auto& [their_column, ours] : plan.node(path).on) {
      std::string parameter = query.add({.kind = Parameter::Kind::kKey, .key = value++});
      append(conditions,
             join_backward(column_at(plan, {path, their_column}), parameter, column_at(plan, ours),
                           column_sql(plan, ours)),
             " AND ");
    }
  }
  for (int column : plan.root_key) {
    append(keys, column_sql(plan, {0, column}), ", ");
    if (!plan.by.empty()) {
      append(conditions, column_sql(plan, {0, column}) + " IS NOT NULL", " AND ");
    }
  }
  if (!after_nulls.empty()) {
    // The key's values come after the path's.
    std::size_t first = query.parameters.size();
    append(conditions, root_after(plan, after_nulls, query), " AND ");
    for (std::size_t i = first; i < query.parameters.size(); ++i) {
      query.parameters[i].key += value;
    }
  }
  for (const std::string& term : root_order(plan)) append(order, term, ", ");
  bool group = repeats || !plan.by.empty();
  query.sql = "SELECT " + keys + " FROM " + tables;
  if (!conditions.empty()) query.sql += " WHERE " + conditions;
  if (group) query.sql += " GROUP BY " + order;
  if (ordered) query.sql += " ORDER BY " + order;
  query.sql += " LIMIT " + query.add({.kind = Parameter::Kind::kLimit});
  return query;
}

RelationWalk::RelationWalk(state::Database& replica, const Plan& plan, int path, bool ordered,
                           const std::vector<bool>& after_nulls)
    : key_size_(static_cast<int>(plan.root_key.size())) {
  Query query = write(plan, path, ordered, after_nulls);
  parameters_ = std::move(query.parameters);
  statement_ = replica.prepare(query.sql);
}

std::vector<std::string> RelationWalk::roots(const state::Row& values, const state::Row& after,
                                             std::size_t limit) {
  StatementScope rows(statement_);
  int index = 1;
  for (const Parameter& parameter : parameters_) {
    auto key = static_cast<std::size_t>(parameter.key);
    if (parameter.kind == Parameter::Kind::kLimit) {
      rows->bind(index, static_cast<std::int64_t>(limit));
    } else {
      rows->bind(index, key < values.size() ? values[key] : after[key - values.size()]);
    }
    ++index;
  }
  std::vector<std::string> roots;
  while (rows->step()) roots.push_back(state::encode_row(rows->row(0, key_size_)));
  return roots;
}

state::Row RelationWalk::values_of(const Node& node, const state::Row& row) {
  state::Row values;
  values.reserve(node.on.size());
  for (const auto& pair : node.on) values.push_back(row[static_cast<std::size_t>(pair.first)]);
  return values;
}

std::vector<std::string> expand_wide_mark(state::Database& replica, const Document& document,
                                          std::int64_t path, const state::Row& values,
                                          const std::string& after, std::size_t limit) {
  const Plan& plan = document.plan();
  bool fits = path > 0 && path < static_cast<std::int64_t>(plan.nodes.size()) &&
              plan.node(static_cast<int>(path)).on.size() == values.size();
  state::Row start = after.empty() ? state::Row{} : state::decode_row(after);
  if (start.size() != plan.root_key.size()) start.clear();
  RelationWalk walk(replica, plan, fits ? static_cast<int>(path) : 0, true, nulls_of(start));
  return walk.roots(fits ? values : state::Row{}, start, limit);
}

}  // namespace tandem::sink
