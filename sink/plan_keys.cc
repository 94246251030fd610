// The last part of the compiler: what the target's key attributes come out as.
#include <algorithm>

#include "sink/affinity.h"
#include "sink/plan_compiler.h"

namespace tandem::sink {
namespace {

/// What a column's values come out as, where its declaration says so.
std::optional<AttributeType> type_of_column(const state::Column& column) {
  switch (column.form) {
    case state::ColumnForm::kBoolean:
      return AttributeType::kBool;
    case state::ColumnForm::kInteger:
    case state::ColumnForm::kFloat:
    case state::ColumnForm::kDecimal:
      return AttributeType::kNumber;
    case state::ColumnForm::kText:
    case state::ColumnForm::kJson:
    case state::ColumnForm::kTimestamp:
    case state::ColumnForm::kArray:
      return AttributeType::kString;
    case state::ColumnForm::kBytes:
      return AttributeType::kBinary;
    case state::ColumnForm::kAny:
      break;
  }
  std::string type = column.declared_type;
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  switch (affinity_of(column)) {
    case Affinity::kText:
      return AttributeType::kString;
    case Affinity::kBlob:
      return type.empty() || type == "ANY" ? std::nullopt : std::optional(AttributeType::kBinary);
    case Affinity::kNumeric:
      break;
  }
  // DATE, BOOLEAN and the like have this affinity too, and hold texts as often as numbers.
  for (const char* word : {"INT", "REAL", "FLOA", "DOUB", "NUM", "DEC"}) {
    if (type.find(word) != std::string::npos) return AttributeType::kNumber;
  }
  return std::nullopt;
}

bool may_be_key(AttributeType type) {
  return type == AttributeType::kString || type == AttributeType::kNumber ||
         type == AttributeType::kBinary;
}

}  // namespace

std::optional<AttributeType> PlanCompiler::type_of(const ValuePlan& value) const {
  auto column_at = [this](Slot slot) {
    ColumnRef ref = plan_.level(slot.level).select[static_cast<std::size_t>(slot.column)];
    return plan_.node(ref.node).table.columns[static_cast<std::size_t>(ref.column)];
  };
  if (const auto* constant = std::get_if<ConstantPlan>(&value.node)) return constant->value.type();
  if (const auto* column = std::get_if<ColumnPlan>(&value.node)) {
    return type_of_column(column_at(column->slot));
  }
  if (std::holds_alternative<PageNumberPlan>(value.node)) return AttributeType::kNumber;
  if (std::holds_alternative<TextPlan>(value.node)) return AttributeType::kString;
  if (std::holds_alternative<MapPlan>(value.node)) return AttributeType::kMap;
  if (std::holds_alternative<WithPlan>(value.node)) return AttributeType::kMap;
  if (std::holds_alternative<ListPlan>(value.node)) return AttributeType::kList;
  if (const auto* result = std::get_if<ResultPlan>(&value.node)) {
    for (const Level& below : plan_.levels) {
      if (below.parent != result->level) continue;
      for (const EachPlan& each : below.each) {
        if (each.result == result->result) return AttributeType::kList;
      }
      for (const AggregatePlan& aggregate : below.aggregates) {
        if (aggregate.result != result->result) continue;
        bool number = aggregate.kind == AggregateSpec::Kind::kCount ||
                      aggregate.kind == AggregateSpec::Kind::kSum;
        return number ? AttributeType::kNumber : type_of_column(column_at(aggregate.slot));
      }
    }
  }
  if (const auto* typed = std::get_if<TypedPlan>(&value.node)) {
    switch (typed->as) {
      case TypedSpec::As::kString:
        return AttributeType::kString;
      case TypedSpec::As::kNumber:
        return AttributeType::kNumber;
      case TypedSpec::As::kBytes:
        return AttributeType::kBinary;
      case TypedSpec::As::kJson:
        return std::nullopt;
      case TypedSpec::As::kSame:
        return typed->map.empty() ? type_of(typed->value.front()) : std::nullopt;
    }
  }
  return std::nullopt;
}

void PlanCompiler::check_keys(const MapPlan& item, const std::string& key, int line) {
  std::vector<std::string> names;
  for (const auto& entry : item.entries) names.push_back(entry.first);
  auto check = [&](const std::string& attribute, const std::string& role, bool needed) {
    auto entry = std::find_if(item.entries.begin(), item.entries.end(),
                              [&](const auto& known) { return known.first == attribute; });
    if (entry == item.entries.end()) {
      // What was named but is wrong has been reported under its own name.
      bool named = false;
      for (const MapSpec* map : {&spec_.item, spec_.pages ? &spec_.pages->item : nullptr}) {
        if (map == nullptr) continue;
        for (const auto& known : map->entries) named = named || known.first == attribute;
      }
      if (needed && (!named || mistakes_.size() == mistakes_before_)) {
        mistake(line, key, "it lacks " + attribute + ", " + role, nearest_name(attribute, names));
      }
      return;
    }
    auto type = type_of(entry->second);
    if (!type.has_value()) return;
    const auto* constant = std::get_if<ConstantPlan>(&entry->second.node);
    if (!may_be_key(*type)) {
      mistake(line, key + "." + attribute,
              attribute + " is " + type_name(*type) + ", but " + role +
                  " must come out as a string, a number or bytes");
    } else if (constant != nullptr && constant->value.text().empty()) {
      mistake(line, key + "." + attribute, attribute + " is empty, which " + role + " cannot be");
    }
    auto known = std::find_if(plan_.attribute_types.begin(), plan_.attribute_types.end(),
                              [&](const auto& pair) { return pair.first == attribute; });
    if (known == plan_.attribute_types.end()) {
      plan_.attribute_types.emplace_back(attribute, *type);
    } else if (known->second != *type) {
      mistake(line, key + "." + attribute,
              attribute + " is " + type_name(*type) + " here and " + type_name(known->second) +
                  " in the document's item; a key has one type");
    }
  };
  for (const std::string& attribute : plan_.target.key) {
    check(attribute, "a key of the target table " + plan_.target.name, true);
  }
  for (const TargetIndex& index : plan_.target.indexes) {
    for (const std::string& attribute : index.key) {
      // A table key that an index uses too has been checked.
      const auto& keys = plan_.target.key;
      if (std::find(keys.begin(), keys.end(), attribute) != keys.end()) continue;
      check(attribute, "a key of the index " + index.name, false);
    }
  }
}

}  // namespace tandem::sink
