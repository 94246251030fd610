#include "sink/plan_sql.h"

#include <algorithm>

#include "sink/affinity.h"
#include "sink/column_order.h"
#include "state/sqlite.h"

namespace tandem::sink {
namespace {

using Plan = Document::Plan;

std::string joined(const std::vector<std::string>& parts, const char* separator) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : separator) + part;
  return text;
}

std::string alias(int node) { return "t" + std::to_string(node); }

std::string table_as(const Plan& plan, int node, const std::string& name) {
  return state::quote_identifier(plan.node(node).table.name) + " AS " + name;
}

const state::Column& column_at(const Plan& plan, ColumnRef ref) {
  return plan.node(ref.node).table.columns[static_cast<std::size_t>(ref.column)];
}

/// Writes the conditions of one level into one query.
class LevelWriter {
 public:
  LevelWriter(const Plan& plan, int level, Query& query)
      : plan_(plan), level_(level), query_(query) {}

  /// The level's base table with all `one` relations joined to it.
  std::string from() {
    const Level& level = plan_.level(level_);
    std::string sql = " FROM " + table_as(plan_, level.node, alias(level.node));
    for (int one : level.ones) {
      std::vector<std::string> conditions{on(one)};
      if (!plan_.node(one).where.empty()) conditions.push_back(where(one));
      sql +=
          " LEFT JOIN " + table_as(plan_, one, alias(one)) + " ON " + joined(conditions, " AND ");
    }
    return sql;
  }

  /// The columns that join `node` to the rows it belongs to.
  std::string on(int node) {
    std::vector<std::string> pairs;
    for (const auto& [their_column, ref] : plan_.node(node).on) {
      ColumnRef theirs{node, their_column};
      pairs.push_back(join(theirs, column_sql(plan_, theirs), ref, column(ref)));
    }
    return joined(pairs, " AND ");
  }

  std::string where(int node) { return where(node, plan_.node(node).where); }

 private:
  /// A column of this level, or a parameter for one of a level further out.
  std::string column(ColumnRef ref) {
    int level = plan_.node(ref.node).level;
    if (level == level_) return column_sql(plan_, ref);
    const auto& select = plan_.level(level).select;
    auto slot = std::find(select.begin(), select.end(), ref);
    return query_.add(
        {.kind = Parameter::Kind::kSlot, .slot = {level, static_cast<int>(slot - select.begin())}});
  }

  std::string join(ColumnRef theirs, const std::string& theirs_sql, ColumnRef ours,
                   const std::string& ours_sql) {
    // A parameter has no affinity that would have to be stripped.
    if (ours_sql.starts_with('?')) return theirs_sql + " = " + ours_sql;
    return join_forward(column_at(plan_, theirs), theirs_sql, column_at(plan_, ours), ours_sql);
  }

  bool below(int node, int at) const {
    while (at > node) at = plan_.node(at).parent;
    return at == node;
  }

  /// A column as a condition of `node` sees it. A `one` is joined before its own relations, so
  /// their columns are looked up by a subquery there.
  std::string tested(int node, ColumnRef ref) {
    bool base = plan_.level(level_).node == node;
    if (base || ref.node == node || !below(node, ref.node)) return column(ref);
    std::vector<int> needed;
    gather(node, ref.node, needed);
    std::vector<std::string> tables, conditions;
    auto inner = [&](int at) { return "s" + std::to_string(at); };
    for (int at : needed) {
      tables.push_back(table_as(plan_, at, inner(at)));
      for (const auto& [their_column, ours] : plan_.node(at).on) {
        ColumnRef theirs{at, their_column};
        bool inside = std::find(needed.begin(), needed.end(), ours.node) != needed.end();
        std::string ours_sql = inside ? named(inner(ours.node), ours) : column(ours);
        conditions.push_back(join(theirs, named(inner(at), theirs), ours, ours_sql));
      }
    }
    // A subquery keeps its column's affinity, but not its collation.
    return "(SELECT " + named(inner(ref.node), ref) + " FROM " + joined(tables, ", ") + " WHERE " +
           joined(conditions, " AND ") + ") COLLATE " +
           state::quote_identifier(column_at(plan_, ref).collation);
  }

  /// `at` and the relations below `node` that it joins on.
  void gather(int node, int at, std::vector<int>& needed) {
    if (std::find(needed.begin(), needed.end(), at) != needed.end()) return;
    needed.push_back(at);
    for (const auto& pair : plan_.node(at).on) {
      int other = pair.second.node;
      if (other != node && below(node, other)) gather(node, other, needed);
    }
  }

  std::string named(const std::string& table, ColumnRef ref) const {
    return table + "." + state::quote_identifier(plan_.column_name(ref));
  }

  std::string where(int node, const WherePlan& where_plan) {
    std::vector<std::string> conditions;
    for (const auto& test : where_plan.tests) conditions.push_back(condition(node, test));
    for (const auto& group : where_plan.any) {
      std::vector<std::string> alternatives;
      for (const WherePlan& alternative : group) alternatives.push_back(where(node, alternative));
      conditions.push_back(alternatives.empty() ? "0" : "(" + joined(alternatives, " OR ") + ")");
    }
    return conditions.empty() ? "1" : "(" + joined(conditions, " AND ") + ")";
  }

  std::string condition(int node, const WherePlan::Test& test) {
    std::string left = tested(node, test.column);
    if (test.comparison != Where::Comparison::kNull) {
      left = compared(column_at(plan_, test.column), left);
    }
    auto value = [&](const state::Value& constant) {
      return query_.add({.kind = Parameter::Kind::kConstant, .constant = constant});
    };
    std::vector<std::string> values;
    bool null = false;
    for (const state::Value& constant : test.values) {
      if (constant.is_null()) {
        null = true;
      } else {
        values.push_back(value(constant));
      }
    }
    std::string list = "(" + joined(values, ", ") + ")";
    auto compare = [&](const char* sign) {
      // A comparison with null is never true.
      return values.empty() ? std::string("0") : left + sign + values.front();
    };
    switch (test.comparison) {
      case Where::Comparison::kIn:
        if (values.empty()) return null ? left + " IS NULL" : "0";
        return null ? "(" + left + " IN " + list + " OR " + left + " IS NULL)"
                    : left + " IN " + list;
      case Where::Comparison::kNull:
        return left + " IS NULL";
      case Where::Comparison::kNot:
        // `NOT IN` is unknown for a null, and so is the test.
        return values.empty() ? left + " IS NOT NULL" : left + " NOT IN " + list;
      case Where::Comparison::kLess:
        return compare(" < ");
      case Where::Comparison::kLessOrEqual:
        return compare(" <= ");
      case Where::Comparison::kGreater:
        return compare(" > ");
      case Where::Comparison::kGreaterOrEqual:
        return compare(" >= ");
    }
    return "0";
  }

  const Plan& plan_;
  const int level_;
  Query& query_;
};

std::vector<std::string> selected(const Plan& plan, int level) {
  std::vector<std::string> columns;
  for (ColumnRef ref : plan.level(level).select) columns.push_back(column_sql(plan, ref));
  return columns;
}

std::string key_parameter(Query& query, int key) {
  return query.add({.kind = Parameter::Kind::kKey, .key = key});
}

/// The value of each term of root_order().
std::vector<std::string> root_order_values(const Plan& plan, Query& query) {
  std::vector<std::string> values;
  for (int i = 0; i < static_cast<int>(plan.root_key.size()); ++i) {
    std::string value = key_parameter(query, i);
    values.push_back(value);
    if (!plan.by.empty()) values.push_back("typeof(" + value + ")");
  }
  return values;
}

std::string by_is_not_null(const Plan& plan) {
  std::vector<std::string> conditions;
  for (int column : plan.by) conditions.push_back(column_sql(plan, {0, column}) + " IS NOT NULL");
  return joined(conditions, " AND ");
}

}  // namespace

std::string Query::add(Parameter parameter) {
  parameters.push_back(std::move(parameter));
  return "?" + std::to_string(parameters.size());
}

std::vector<bool> nulls_of(const state::Row& key) {
  std::vector<bool> nulls;
  for (const state::Value& value : key) nulls.push_back(value.is_null());
  return nulls;
}

std::string column_sql(const Plan& plan, ColumnRef ref) {
  return alias(ref.node) + "." + state::quote_identifier(plan.column_name(ref));
}

std::vector<std::string> root_order(const Plan& plan) {
  std::vector<std::string> terms;
  for (int column : plan.root_key) {
    std::string sql = column_sql(plan, {0, column});
    if (plan.by.empty()) {
      terms.push_back(sql);
    } else {
      terms.push_back(sql + " COLLATE \"BINARY\"");
      terms.push_back("typeof(" + sql + ")");
    }
  }
  return terms;
}

std::string root_is(const Plan& plan, const std::vector<bool>& nulls, Query& query) {
  std::vector<std::string> terms = root_order(plan), values = root_order_values(plan, query);
  std::vector<std::string> conditions;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    bool null = plan.by.empty() && nulls[i];
    conditions.push_back(terms[i] + (null ? " IS " : " = ") + values[i]);
  }
  return joined(conditions, " AND ");
}

std::string root_after(const Plan& plan, const std::vector<bool>& nulls, Query& query) {
  std::vector<std::string> terms = root_order(plan), values = root_order_values(plan, query);
  if (std::find(nulls.begin(), nulls.end(), true) == nulls.end()) {
    return "(" + joined(terms, ", ") + ") > (" + joined(values, ", ") + ")";
  }
  // Null comes first and compares with nothing, so the comparison is spelt out.
  std::string condition = "0";
  for (std::size_t i = terms.size(); i-- > 0;) {
    std::string after = nulls[i] ? terms[i] + " IS NOT NULL" : terms[i] + " > " + values[i];
    condition = "(" + after + " OR (" + terms[i] + " IS " + values[i] + " AND " + condition + "))";
  }
  return condition;
}

Query root_query(const Plan& plan, const std::vector<bool>& nulls,
                 const std::vector<std::string>& more) {
  Query query;
  LevelWriter writer(plan, 0, query);
  std::vector<std::string> columns = selected(plan, 0);
  bool by = !plan.by.empty();
  columns.push_back(by ? "1" : writer.where(0));
  columns.insert(columns.end(), more.begin(), more.end());
  query.sql = "SELECT " + joined(columns, ", ") + writer.from() + " WHERE ";
  query.sql += root_is(plan, nulls, query);
  if (by) query.sql += " AND " + writer.where(0);
  query.sql += " LIMIT 1";
  return query;
}

Query range_query(const Plan& plan, const std::vector<bool>& nulls) {
  Query query;
  LevelWriter writer(plan, 0, query);
  std::vector<std::string> columns = selected(plan, 0);
  bool by = !plan.by.empty();
  columns.push_back(by ? "1" : writer.where(0));
  query.sql = "SELECT " + joined(columns, ", ") + writer.from();
  std::vector<std::string> conditions;
  if (!nulls.empty()) conditions.push_back(root_after(plan, nulls, query));
  std::string order = joined(root_order(plan), ", ");
  if (by) {
    conditions.push_back(by_is_not_null(plan));
    conditions.push_back(writer.where(0));
  }
  if (!conditions.empty()) query.sql += " WHERE " + joined(conditions, " AND ");
  if (by) query.sql += " GROUP BY " + order;
  query.sql += " ORDER BY " + order + " LIMIT " + query.add({.kind = Parameter::Kind::kLimit});
  return query;
}

Query many_query(const Plan& plan, int level, bool ordered, const std::vector<std::string>& more) {
  Query query;
  LevelWriter writer(plan, level, query);
  int node = plan.level(level).node;
  std::vector<std::string> columns = selected(plan, level);
  columns.insert(columns.end(), more.begin(), more.end());
  if (columns.empty()) columns.emplace_back("1");
  query.sql = "SELECT " + joined(columns, ", ") + writer.from();
  query.sql += " WHERE " + writer.on(node);
  if (!plan.node(node).where.empty()) query.sql += " AND " + writer.where(node);
  if (!ordered) return query;
  std::vector<std::string> order;
  for (const auto& [ref, descending] : plan.node(node).order_by) {
    // A column of a row further out is the same for all rows.
    if (plan.node(ref.node).level != level) continue;
    order.push_back(compared(column_at(plan, ref), column_sql(plan, ref)) +
                    (descending ? " DESC" : ""));
  }
  for (int column : plan.node(node).table.key) {
    const ColumnRef ref{node, column};
    order.push_back(compared(column_at(plan, ref), column_sql(plan, ref)));
  }
  query.sql += " ORDER BY " + joined(order, ", ");
  return query;
}

Query count_query(const Plan& plan, int level) {
  Query query;
  LevelWriter writer(plan, level, query);
  int node = plan.level(level).node;
  query.sql = "SELECT count(*)" + writer.from();
  query.sql += " WHERE " + writer.on(node);
  if (!plan.node(node).where.empty()) query.sql += " AND " + writer.where(node);
  return query;
}

}  // namespace tandem::sink
