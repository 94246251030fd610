// W: which rows take part.
//   W := {PATH: v | [v, …] | null | {not|lt|le|gt|ge: v}, any: [W, …]}
// All must hold; unknown is false. A column that is itself named `any` is written `[any]`.
#include <map>

#include "agent/config_parts.h"
#include "agent/config_reader.h"

namespace tandem::agent {
namespace {

using Comparison = sink::Where::Comparison;

/// What other languages call a comparison.
std::string nearest_comparison(const std::string& name) {
  static const std::map<std::string, std::string> kElsewhere = {
      {"gte", "ge"}, {"lte", "le"}, {"ne", "not"}, {">", "gt"},
      {">=", "ge"},  {"<", "lt"},   {"<=", "le"},  {"!=", "not"}};
  auto found = kElsewhere.find(name);
  if (found != kElsewhere.end()) return found->second;
  return sink::nearest_name(name, {"not", "lt", "le", "gt", "ge"});
}

std::optional<Comparison> comparison_of(const std::string& name) {
  constexpr Comparison kComparisons[] = {Comparison::kNot, Comparison::kLess,
                                         Comparison::kLessOrEqual, Comparison::kGreater,
                                         Comparison::kGreaterOrEqual};
  for (std::size_t i = 0; i < std::size(kComparisons); ++i) {
    if (kComparisonShape.keys[i] == name) return kComparisons[i];
  }
  return std::nullopt;
}

void read_comparisons(const ConfigNode& node, const sink::Path& path, sink::Where& where,
                      MistakeList& mistakes) {
  if (node.entries.empty()) mistakes.add(node, "must compare by not, lt, le, gt or ge");
  for (const auto& [name, operand] : node.entries) {
    auto comparison = comparison_of(name.text);
    if (!comparison) {
      mistakes.add(name, "unknown key; here stand not, lt, le, gt or ge",
                   nearest_comparison(name.text));
      continue;
    }
    auto value = read_value(operand, mistakes);
    if (!value) continue;
    if (value->is_null() && *comparison != Comparison::kNot) {
      mistakes.add(operand, "nothing compares with null; only {not: null} is a test");
      continue;
    }
    where.tests.push_back({path, *comparison, {std::move(*value)}});
  }
}

void read_values(const ConfigNode& node, sink::Path path, sink::Where& where,
                 MistakeList& mistakes) {
  sink::Where::Test test{std::move(path), Comparison::kIn, {}};
  if (node.elements.empty()) mistakes.add(node, "an empty list would match no row");
  for (const ConfigNode& element : node.elements) {
    auto value = read_value(element, mistakes);
    if (!value) continue;
    if (value->is_null()) {
      mistakes.add(
          element,
          "null equals nothing in a list; write {any: [{COLUMN: null}, {COLUMN: [a, b]}]}");
      continue;
    }
    test.values.push_back(std::move(*value));
  }
  where.tests.push_back(std::move(test));
}

void read_any(const ConfigNode& node, sink::Where& where, MistakeList& mistakes) {
  if (!expect_list(node, "conditions of which one must hold", mistakes)) return;
  if (node.elements.empty()) mistakes.add(node, "an empty list would match no row");
  std::vector<sink::Where> group;
  for (const ConfigNode& element : node.elements) group.push_back(read_where(element, mistakes));
  where.any.push_back(std::move(group));
}

}  // namespace

sink::Where read_where(const ConfigNode& node, MistakeList& mistakes) {
  sink::Where where;
  if (!expect_map(node, "of conditions, {COLUMN: value}", mistakes)) return where;
  if (node.entries.empty()) mistakes.add(node, "must hold at least one condition");
  for (const auto& [name, condition] : node.entries) {
    if (name.text == "any") {
      read_any(condition, where, mistakes);
      continue;
    }
    auto path = read_path(name, mistakes);
    if (!path || condition.broken) continue;
    if (condition.is_map()) {
      read_comparisons(condition, *path, where, mistakes);
    } else if (condition.is_list()) {
      read_values(condition, std::move(*path), where, mistakes);
    } else if (condition.is_null()) {
      where.tests.push_back({std::move(*path), Comparison::kNull, {}});
    } else if (auto value = read_value(condition, mistakes)) {
      where.tests.push_back({std::move(*path), Comparison::kIn, {std::move(*value)}});
    }
  }
  return where;
}

}  // namespace tandem::agent
