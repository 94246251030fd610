// The second half of the compiler: maps, templates and operators become values over slots.
#include <algorithm>

#include "sink/column_order.h"
#include "sink/filter.h"
#include "sink/plan_compiler.h"

namespace tandem::sink {
namespace {

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

int line_or(int line, int otherwise) { return line != 0 ? line : otherwise; }

}  // namespace

std::vector<int> PlanCompiler::compile_columns(const MapSpec& map, int at, const std::string& key) {
  std::vector<int> columns;
  if (map.columns == MapSpec::Columns::kNone) return columns;
  std::vector<int> named;
  for (const std::string& name : map.column_names) {
    int column = column_of(at, name, key + ".$columns", map.line);
    if (column >= 0) named.push_back(column);
  }
  if (map.columns == MapSpec::Columns::kOnly) return named;
  bool distinct = at == 0 && !spec_.by.empty();
  int count = static_cast<int>(node(at).table.columns.size());
  for (int column = 0; column < count; ++column) {
    bool left_out = std::find(named.begin(), named.end(), column) != named.end();
    bool there = !distinct || std::find(plan_.by.begin(), plan_.by.end(), column) != plan_.by.end();
    if (!left_out && there) columns.push_back(column);
  }
  return columns;
}

MapPlan PlanCompiler::compile_map(const MapSpec& map, const Scope& scope, const std::string& key) {
  MapPlan plan;
  for (int column : compile_columns(map, scope.node, key)) {
    const state::Column& shown = node(scope.node).table.columns[static_cast<std::size_t>(column)];
    bool named = std::any_of(map.entries.begin(), map.entries.end(),
                             [&](const auto& entry) { return entry.first == shown.name; });
    if (named) continue;
    plan.entries.emplace_back(shown.name, ValuePlan{ColumnPlan{slot({scope.node, column}),
                                                               shown.form, shown.declared_type}});
  }
  for (const auto& [name, value] : map.entries) {
    auto compiled = compile_value(value, scope, key + "." + name);
    if (compiled.has_value()) plan.entries.emplace_back(name, std::move(*compiled));
  }
  std::sort(plan.entries.begin(), plan.entries.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return plan;
}

std::optional<ValuePlan> PlanCompiler::compile_value(const ValueSpec& value, const Scope& scope,
                                                     const std::string& key) {
  int line = value.line;
  return std::visit(
      Overloaded{
          [&](const ConstantSpec& spec) -> std::optional<ValuePlan> {
            return ValuePlan{ConstantPlan{spec.value}};
          },
          [&](const Template& spec) { return compile_template(spec, scope, key, line); },
          [&](const MapSpec& spec) -> std::optional<ValuePlan> {
            return ValuePlan{compile_map(spec, scope, key)};
          },
          [&](const ListSpec& spec) -> std::optional<ValuePlan> {
            ListPlan list;
            for (std::size_t i = 0; i < spec.elements.size(); ++i) {
              auto element = compile_value(spec.elements[i], scope, key + "." + std::to_string(i));
              if (element.has_value()) list.elements.push_back(std::move(*element));
            }
            return ValuePlan{std::move(list)};
          },
          [&](const EachSpec& spec) { return compile_each(spec, scope, key, line); },
          [&](const AggregateSpec& spec) { return compile_aggregate(spec, scope, key, line); },
          [&](const WithSpec& spec) { return compile_with(spec, scope, key, line); },
          [&](const TypedSpec& spec) { return compile_typed(spec, scope, key, line); },
      },
      value.node);
}

std::optional<ValuePlan> PlanCompiler::compile_template(const Template& text, const Scope& scope,
                                                        const std::string& key, int line) {
  TextPlan plan;
  bool right = true;
  for (const Template::Part& part : text.parts) {
    TextPlan::Part compiled{.literal = part.literal, .filters = part.filters};
    for (const Filter& filter : part.filters) {
      if (auto wrong = check_filter(filter)) {
        mistake(line_or(text.line, line), key, *wrong, nearest_name(filter.name, filter_names()));
        right = false;
      }
    }
    if (part.path.has_value()) {
      int path_line = line_or(part.path->line, line_or(text.line, line));
      compiled.page = scope.page && part.path->segments == std::vector<std::string>{"$page"};
      if (compiled.page) {
        if (text.bare()) return ValuePlan{PageNumberPlan{}};
      } else {
        auto ref = resolve(scope.node, *part.path, key, path_line);
        if (!ref.has_value()) {
          right = false;
          continue;
        }
        compiled.slot = slot(*ref);
        const state::Column& column = column_at(*ref);
        compiled.form = column.form;
        if (text.bare()) {
          return ValuePlan{ColumnPlan{*compiled.slot, column.form, column.declared_type}};
        }
      }
    }
    plan.parts.push_back(std::move(compiled));
  }
  if (!right) return std::nullopt;
  return ValuePlan{std::move(plan)};
}

int PlanCompiler::many_level(const Path& path, std::size_t count, int scope, const std::string& key,
                             int line) {
  int before = follow(scope, path, 0, count - 1, key, line);
  if (before < 0) return -1;
  const std::string& name = path.segments[count - 1];
  int found = child(before, name);
  if (found >= 0 && node(found).broken) return -1;
  if (found < 0 || !node(found).many) {
    std::vector<std::string> names;
    for (const Node& known : plan_.nodes) {
      if (known.many) names.push_back(known.name);
    }
    mistake(line, key,
            found < 0 ? "there is no relation " + name + " here"
                      : name + " finds one row at most; this operator needs a `many` relation",
            found < 0 ? nearest_name(name, names) : "");
    return -1;
  }
  int at = node(found).level;
  if (level(at).parent != node(scope).level) {
    mistake(line, key, "the relation " + name + " belongs to another row than the one at hand");
    return -1;
  }
  use_node(found);
  return at;
}

std::optional<ValuePlan> PlanCompiler::compile_each(const EachSpec& each, const Scope& scope,
                                                    const std::string& key, int line) {
  line = line_or(each.relation.line, line);
  int at = many_level(each.relation, each.relation.segments.size(), scope.node, key, line);
  if (at < 0 || each.item == nullptr) return std::nullopt;
  int index = level(at).node;
  // The list's order is part of the document, the key that ends it included.
  auto order_by = node(index).order_by;
  for (const auto& pair : order_by) use(pair.first);
  for (int column : node(index).table.key) use({index, column});
  Scope inner{.node = index, .page = scope.page, .pages_item = scope.pages_item};
  auto item = compile_value(*each.item, inner, key);
  if (!item.has_value()) return std::nullopt;
  int parent = level(at).parent;
  int result = level(parent).results++;
  bool paged =
      scope.pages_item && parent == 0 && plan_.pages.has_value() && plan_.pages->level == at;
  level(at).each.push_back({std::move(*item), result, paged});
  return ValuePlan{ResultPlan{parent, result}};
}

std::optional<ValuePlan> PlanCompiler::compile_aggregate(const AggregateSpec& aggregate,
                                                         const Scope& scope, const std::string& key,
                                                         int line) {
  const Path& path = aggregate.path;
  line = line_or(path.line, line);
  std::size_t count = path.segments.size();
  AggregatePlan plan;
  plan.kind = aggregate.kind;
  if (aggregate.kind != AggregateSpec::Kind::kCount) {
    // The `many` relation comes first, its own path after it.
    for (std::size_t i = 0; i < path.segments.size(); ++i) {
      bool many = std::any_of(plan_.nodes.begin() + 1, plan_.nodes.end(), [&](const Node& known) {
        return known.many && known.name == path.segments[i];
      });
      if (many) {
        count = i + 1;
        break;
      }
    }
    if (count == path.segments.size()) {
      int whole = many_level(path, count, scope.node, key, line);
      if (whole >= 0) {
        mistake(line, key, "name a column too: " + path.segments.back() + ".COLUMN");
      }
      return std::nullopt;
    }
  }
  int at = many_level(path, count, scope.node, key, line);
  if (at < 0) return std::nullopt;
  if (aggregate.kind != AggregateSpec::Kind::kCount) {
    Path inner{{path.segments.begin() + static_cast<std::ptrdiff_t>(count), path.segments.end()},
               path.line};
    auto ref = resolve(level(at).node, inner, key, line);
    if (!ref.has_value()) return std::nullopt;
    const state::Column& column = column_at(*ref);
    plan.slot = slot(*ref);
    plan.collation = column.collation;
    plan.form = column.form;
    if (aggregate.kind != AggregateSpec::Kind::kSum) warn(line, key, order_warning(column));
  }
  int parent = level(at).parent;
  plan.result = level(parent).results++;
  level(at).aggregates.push_back(std::move(plan));
  return ValuePlan{ResultPlan{parent, level(parent).results - 1}};
}

std::optional<ValuePlan> PlanCompiler::compile_with(const WithSpec& with, const Scope& scope,
                                                    const std::string& key, int line) {
  line = line_or(with.relation.line, line);
  int at = follow(scope.node, with.relation, 0, with.relation.segments.size(), key, line);
  if (at < 0 || with.item == nullptr) return std::nullopt;
  if (node(at).parent < 0 || node(at).many) {
    mistake(line, key, "$with needs a `one` relation");
    return std::nullopt;
  }
  // Null matches nothing, so a row that was found has its join column.
  WithPlan plan{.found = slot({at, node(at).on.front().first})};
  Scope inner = scope;
  inner.node = at;
  plan.item = compile_map(*with.item, inner, key);
  return ValuePlan{std::move(plan)};
}

std::optional<ValuePlan> PlanCompiler::compile_typed(const TypedSpec& typed, const Scope& scope,
                                                     const std::string& key, int line) {
  auto value = compile_template(typed.value, scope, key, line);
  if (!value.has_value()) return std::nullopt;
  TypedPlan plan;
  plan.value.push_back(std::move(*value));
  plan.map = typed.map;
  plan.default_value = typed.default_value;
  plan.as = typed.as;
  plan.keep_null = typed.keep_null;
  return ValuePlan{std::move(plan)};
}

void PlanCompiler::compile_pages() {
  const PagesSpec& pages = *spec_.pages;
  if (pages.size < 1) mistake(pages.line, "pages.size", "a page holds at least one row");
  if (pages.over < 0) mistake(pages.line, "pages.over", "the length cannot be negative");
  int line = line_or(pages.of.line, pages.line);
  int at = pages.of.segments.empty()
               ? -1
               : many_level(pages.of, pages.of.segments.size(), 0, "pages.of", line);
  if (at < 0 || pages.size < 1) return;
  plan_.pages = PagesPlan{.level = at, .size = pages.size, .over = pages.over, .item = {}};
  Scope scope{.node = 0, .page = true, .pages_item = true};
  MapPlan item = compile_map(pages.item, scope, "pages.item");
  check_keys(item, "pages.item", pages.line);
  plan_.pages->item = std::move(item);
}

}  // namespace tandem::sink
