#include "sink/plan_compiler.h"

#include <algorithm>

#include "sink/column_order.h"
#include "state/value.h"

namespace tandem::sink {

PlanCompiler::PlanCompiler(const DocumentSpec& spec, const TargetTable& target,
                           const SchemaLookup& lookup, const std::vector<std::string>& known_tables,
                           Document::Plan& plan, std::vector<Mistake>& mistakes)
    : spec_(spec),
      lookup_(lookup),
      known_tables_(known_tables),
      plan_(plan),
      mistakes_(mistakes),
      mistakes_before_(mistakes.size()) {
  plan_.spec = spec;
  plan_.target = target;
}

bool PlanCompiler::compile() {
  if (!add_root()) return false;
  add_relations(0, spec_.relations, "");
  check_cycles();
  node(0).where = resolve_where(0, spec_.where, "root.where", spec_.root_line);
  for (int column : plan_.root_key) use({0, column});
  for_each_test(node(0).where, [this](ColumnRef ref) { use(ref); });
  plan_.item = compile_map(spec_.item, {.node = 0}, "item");
  check_keys(plan_.item, "item", spec_.item.line);
  if (spec_.pages.has_value()) compile_pages();
  return mistakes_.size() == mistakes_before_;
}

bool PlanCompiler::add_root() {
  const state::TableSchema* table = lookup_(spec_.root);
  if (table == nullptr) {
    mistake(spec_.root_line, "root", "there is no table " + spec_.root,
            nearest_name(spec_.root, known_tables_));
    return false;
  }
  Node root;
  root.table = *table;
  root.used = true;
  plan_.nodes.push_back(std::move(root));
  plan_.levels.emplace_back();
  level(0).used = true;
  for (const std::string& name : spec_.by) {
    int column = column_of(0, name, "root.by", spec_.root_line);
    if (column < 0) continue;
    plan_.by.push_back(column);
    if (column_at({0, column}).comparison == state::Comparison::kNone) {
      mistake(spec_.root_line, "root.by",
              "the source may call two values of " + name +
                  " equal that are spelt differently, and there would be a document for each");
    }
  }
  plan_.root_key = spec_.by.empty() ? table->key : plan_.by;
  for (int column : plan_.root_key) plan_.root_slots.push_back(slot({0, column}).column);
  return true;
}

void PlanCompiler::add_relations(int parent, const std::vector<RelationSpec>& relations,
                                 const std::string& key) {
  std::vector<std::pair<int, const RelationSpec*>> added;
  auto key_of = [&](const RelationSpec& relation) {
    return key + (relation.many ? "many." : "one.") + relation.name;
  };
  for (const RelationSpec& relation : relations) {
    bool taken = std::any_of(plan_.nodes.begin() + 1, plan_.nodes.end(),
                             [&](const Node& other) { return other.name == relation.name; });
    if (taken || relation.name == "root") {
      mistake(relation.line, key_of(relation),
              taken ? "another relation of this document has the name " + relation.name
                    : "a relation cannot be named root, which is the document's own row");
      continue;
    }
    Node added_node;
    added_node.name = relation.name;
    added_node.parent = parent;
    added_node.many = relation.many;
    const state::TableSchema* table = lookup_(relation.table);
    if (table == nullptr) {
      mistake(relation.line, key_of(relation) + ".table", "there is no table " + relation.table,
              nearest_name(relation.table, known_tables_));
      added_node.broken = true;
    } else {
      added_node.table = *table;
    }
    int index = static_cast<int>(plan_.nodes.size());
    added_node.level = node(parent).level;
    if (relation.many) {
      added_node.level = static_cast<int>(plan_.levels.size());
      plan_.levels.push_back({.node = index, .parent = node(parent).level});
    }
    node(parent).children.push_back(index);
    plan_.nodes.push_back(std::move(added_node));
    added.emplace_back(index, &relation);
  }
  // Siblings may refer to each other whatever their order, so all are there before any is resolved.
  for (auto [index, relation] : added) {
    add_relations(index, relation->relations, key_of(*relation) + ".");
  }
  for (auto [index, relation] : added) resolve_relation(index, *relation, key_of(*relation));
}

void PlanCompiler::resolve_relation(int index, const RelationSpec& relation,
                                    const std::string& key) {
  if (node(index).broken) return;
  if (relation.on.empty()) {
    mistake(relation.line, key + ".on", "it needs `on`: the columns that join the two tables");
    node(index).broken = true;
    return;
  }
  for (const auto& [theirs, ours] : relation.on) {
    int line = ours.line != 0 ? ours.line : relation.line;
    int column = column_of(index, theirs, key + ".on", line);
    auto ref = resolve(node(index).parent, ours, key + ".on", line);
    if (column < 0 || !ref.has_value()) {
      node(index).broken = true;
      continue;
    }
    if (auto refusal = join_refusal(column_at({index, column}), column_at(*ref))) {
      mistake(line, key + ".on", *refusal);
    }
    node(index).on.emplace_back(column, *ref);
  }
  if (node(index).broken) return;
  if (!relation.many) check_one(node(index), relation, key);
  node(index).where = resolve_where(index, relation.where, key + ".where", relation.line);
  for (const auto& [path, descending] : relation.order_by) {
    int line = path.line != 0 ? path.line : relation.line;
    auto ref = resolve(index, path, key + ".order_by", line);
    if (!ref.has_value()) continue;
    node(index).order_by.emplace_back(*ref, descending);
    warn(line, key + ".order_by", order_warning(column_at(*ref)));
  }
}

void PlanCompiler::check_one(const Node& one, const RelationSpec& relation,
                             const std::string& key) {
  auto covered = [&](const std::vector<int>& unique) {
    return !unique.empty() && std::all_of(unique.begin(), unique.end(), [&](int column) {
      return std::any_of(one.on.begin(), one.on.end(),
                         [&](const auto& pair) { return pair.first == column; });
    });
  };
  const auto& keys = one.table.unique_keys;
  if (covered(one.table.key) || std::any_of(keys.begin(), keys.end(), covered)) return;
  std::string columns;
  for (const auto& pair : one.on) {
    columns += (columns.empty() ? "" : ", ") +
               one.table.columns[static_cast<std::size_t>(pair.first)].name;
  }
  mistake(relation.line, key + ".on",
          "a `one` may find one row at most, but " + columns + " is no unique key of " +
              one.table.name + "; declare it under `many`, or join on a unique key");
}

WherePlan PlanCompiler::resolve_where(int scope, const Where& where, const std::string& key,
                                      int line) {
  WherePlan plan;
  for (const Where::Test& test : where.tests) {
    const int test_line = test.path.line != 0 ? test.path.line : line;
    auto ref = resolve(scope, test.path, key, test_line);
    if (!ref.has_value()) continue;
    const state::Column& column = column_at(*ref);
    WherePlan::Test resolved{*ref, test.comparison, {}};
    for (const state::Value& constant : test.values) {
      if (auto value = as_compared(column, constant)) {
        resolved.values.push_back(std::move(*value));
      } else {
        mistake(test_line, key,
                "no value of " + column.name + " (" + column.declared_type + ") compares with " +
                    to_display(constant));
      }
    }
    const bool equality =
        test.comparison == Where::Comparison::kIn || test.comparison == Where::Comparison::kNot;
    if (test.comparison != Where::Comparison::kNull) {
      warn(test_line, key, equality ? equality_warning(column) : order_warning(column));
    }
    plan.tests.push_back(std::move(resolved));
  }
  for (const auto& group : where.any) {
    std::vector<WherePlan> alternatives;
    for (const Where& alternative : group) {
      alternatives.push_back(resolve_where(scope, alternative, key + ".any", line));
    }
    plan.any.push_back(std::move(alternatives));
  }
  return plan;
}

/// True if `at` is the node `index` or reached from it.
bool PlanCompiler::is_below(int index, int at) const {
  while (at > index) at = plan_.node(at).parent;
  return at == index;
}

/// Calls `visit` for every column that the node's conditions compare.
void PlanCompiler::for_each_test(const WherePlan& where,
                                 const std::function<void(ColumnRef)>& visit) {
  for (const auto& test : where.tests) visit(test.column);
  for (const auto& group : where.any) {
    for (const WherePlan& alternative : group) for_each_test(alternative, visit);
  }
}

/// Finds relations that depend on themselves, and breaks them.
void PlanCompiler::check_cycles() {
  enum class Visit { kNot, kUnder, kDone };
  std::vector<Visit> visits(plan_.nodes.size(), Visit::kNot);
  // True if the node is one that we come from.
  std::function<bool(int)> comes_back = [&](int index) {
    Visit& visit = visits[static_cast<std::size_t>(index)];
    if (visit != Visit::kNot) return visit == Visit::kUnder;
    visit = Visit::kUnder;
    bool cycle = false;
    for (const auto& pair : node(index).on) cycle = comes_back(pair.second.node) || cycle;
    for_each_test(node(index).where, [&](ColumnRef ref) {
      if (!is_below(index, ref.node)) cycle = comes_back(ref.node) || cycle;
    });
    visit = Visit::kDone;
    if (cycle) {
      node(index).broken = true;
      mistake(spec_.line, "relations", "the relation " + node(index).name + " depends on itself");
    }
    return false;
  };
  for (int index = 0; index < static_cast<int>(plan_.nodes.size()); ++index) comes_back(index);
}

// ── paths ────────────────────────────────────────────────────────────────────────────────────────

int PlanCompiler::child(int scope, const std::string& name) const {
  // Names are unique in a document, so a relation of a row further out is found by its name too.
  for (int at = scope; at >= 0; at = plan_.node(at).parent) {
    for (int index : plan_.node(at).children) {
      if (plan_.node(index).name == name) return index;
    }
  }
  return -1;
}

int PlanCompiler::column_of(int index, const std::string& name, const std::string& key, int line) {
  const Node& owner = node(index);
  if (owner.broken) return -1;
  int column = owner.table.find(name);
  if (column >= 0) return column;
  std::vector<std::string> names;
  for (const state::Column& known : owner.table.columns) names.push_back(known.name);
  int relation = child(index, name);
  mistake(line, key,
          relation >= 0 ? name + " is a relation; name one of its columns: " + name + ".COLUMN"
                        : "the table " + owner.table.name + " has no column " + name,
          relation >= 0 ? "" : nearest_name(name, names));
  return -1;
}

int PlanCompiler::follow(int scope, const Path& path, std::size_t first, std::size_t last,
                         const std::string& key, int line) {
  int at = scope;
  for (std::size_t i = first; i < last; ++i) {
    const std::string& name = path.segments[i];
    if (i == 0 && name == "root") {
      at = 0;
      continue;
    }
    int next = -1;
    if (i == first) {
      next = child(at, name);
    } else {
      for (int index : node(at).children) next = node(index).name == name ? index : next;
    }
    if (node(at).broken || (next >= 0 && node(next).broken)) return -1;
    if (next < 0) {
      std::vector<std::string> names{"root"};
      for (const Node& known : plan_.nodes) names.push_back(known.name);
      mistake(line, key, "there is no relation " + name + " here", nearest_name(name, names));
      return -1;
    }
    // From inside a `many`, the row at hand is one row of it; from outside it is a list.
    if (node(next).many) {
      mistake(line, key, name + " finds many rows; use it in $each, $count, $sum, $min or $max");
      return -1;
    }
    at = next;
  }
  return node(at).broken ? -1 : at;
}

std::optional<ColumnRef> PlanCompiler::resolve(int scope, const Path& path, const std::string& key,
                                               int line) {
  if (path.segments.empty()) {
    mistake(line, key, "a path is missing");
    return std::nullopt;
  }
  if (path.segments.size() == 1 && path.segments[0] == "$page") {
    mistake(line, key, "{$page} stands for a number only in pages.item");
    return std::nullopt;
  }
  int at = follow(scope, path, 0, path.segments.size() - 1, key, line);
  if (at < 0) return std::nullopt;
  int column = column_of(at, path.segments.back(), key, line);
  if (column < 0) return std::nullopt;
  if (at == 0 && !plan_.by.empty() &&
      std::find(plan_.by.begin(), plan_.by.end(), column) == plan_.by.end() &&
      !key.starts_with("root.where")) {
    mistake(line, key,
            "a document by distinct values has only the columns of `by` at its root, not " +
                path.segments.back() + "; reach its rows by a `many` relation");
    return std::nullopt;
  }
  return ColumnRef{at, column};
}

// ── what is used ─────────────────────────────────────────────────────────────────────────────────

void PlanCompiler::use(ColumnRef ref) {
  use_node(ref.node);
  node(ref.node).columns.insert(ref.column);
}

void PlanCompiler::use_node(int index) {
  if (node(index).used || node(index).broken) return;
  node(index).used = true;
  auto need = [&](ColumnRef ref) {
    use(ref);
    if (node(ref.node).level != node(index).level) slot(ref);
  };
  // Copies, because `need` may add to the plan.
  auto on = node(index).on;
  WherePlan where = node(index).where;
  for (const auto& [theirs, ours] : on) {
    node(index).columns.insert(theirs);
    need(ours);
  }
  // A condition may look at this node's own relations, which are joined after it, or further out,
  // which must be joined before.
  for_each_test(where, [&](ColumnRef ref) {
    if (!is_below(index, ref.node)) need(ref);
  });
  if (node(index).many) {
    Level& own = level(node(index).level);
    own.used = true;
    level(own.parent).children.push_back(node(index).level);
  } else {
    level(node(index).level).ones.push_back(index);
  }
  for_each_test(where, [&](ColumnRef ref) {
    if (is_below(index, ref.node)) need(ref);
  });
}

Slot PlanCompiler::slot(ColumnRef ref) {
  use(ref);
  int at = node(ref.node).level;
  std::vector<ColumnRef>& select = level(at).select;
  auto found = std::find(select.begin(), select.end(), ref);
  int column = static_cast<int>(found - select.begin());
  if (found == select.end()) select.push_back(ref);
  return {at, column};
}

const state::Column& PlanCompiler::column_at(ColumnRef ref) const {
  return plan_.node(ref.node).table.columns[static_cast<std::size_t>(ref.column)];
}

void PlanCompiler::warn(int line, const std::string& key, const std::optional<std::string>& text) {
  if (!text.has_value()) return;
  plan_.warnings.push_back(
      {line != 0 ? line : spec_.line, "documents." + spec_.name + "." + key, *text, ""});
}

void PlanCompiler::mistake(int line, const std::string& key, std::string text,
                           std::string nearest) {
  mistakes_.push_back({line != 0 ? line : spec_.line, "documents." + spec_.name + "." + key,
                       std::move(text), std::move(nearest)});
}

}  // namespace tandem::sink
