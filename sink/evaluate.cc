#include "sink/evaluate.h"

#include <cmath>

#include "sink/array_text.h"
#include "sink/filter.h"
#include "sink/item_check.h"
#include "state/source_order.h"

namespace tandem::sink {
namespace {

using state::ColumnForm;
using state::Value;
using state::ValueKind;

[[noreturn]] void cannot(const std::string& shown, const char* type) {
  throw InvalidItem(shown + " cannot be made " + type, "",
                    "mend the row, or map the value with {$value: …, map: …}");
}

std::string shown(const Attribute& attribute) { return to_plain_json(attribute); }

Attribute text_attribute(std::string text, ColumnForm form) {
  if (form != ColumnForm::kDecimal && form != ColumnForm::kFloat) {
    return Attribute::string(std::move(text));
  }
  if (text == "NaN" || text == "Infinity" || text == "-Infinity") {
    throw InvalidItem("the target holds no number " + text, "",
                      "store it by {$value: …, as: string}, or map it");
  }
  return Attribute::number(text);
}

/// For `as: string`, without a detour through a number that the target might not hold.
std::optional<Attribute> exact_string(const Value& value, ColumnForm form) {
  if (value.kind() == ValueKind::kText) return Attribute::string(value.bytes());
  if (value.kind() != ValueKind::kReal || form != ColumnForm::kFloat) return std::nullopt;
  const double number = value.as_real();
  if (number == 0 && std::signbit(number)) return Attribute::string("-0");
  return Attribute::string(value_text(value));
}

/// `$value`'s `as`.
Attribute as_type(Attribute attribute, TypedSpec::As as) {
  AttributeType type = attribute.type();
  bool scalar = type == AttributeType::kString || type == AttributeType::kNumber ||
                type == AttributeType::kBinary;
  switch (as) {
    case TypedSpec::As::kSame:
      return attribute;
    case TypedSpec::As::kString:
      if (type == AttributeType::kBool)
        return Attribute::string(attribute.as_bool() ? "true" : "false");
      if (type == AttributeType::kBinary && !is_utf8(attribute.text())) {
        cannot(shown(attribute), "a string, because its bytes are no UTF-8");
      }
      if (!scalar) return Attribute::string(to_plain_json(attribute));
      return Attribute::string(attribute.text());
    case TypedSpec::As::kNumber:
      if (type == AttributeType::kBool) return Attribute::number(std::int64_t{attribute.as_bool()});
      if (type == AttributeType::kNumber) return attribute;
      if (type != AttributeType::kString) cannot(shown(attribute), "a number");
      return Attribute::number(std::string_view(attribute.text()));
    case TypedSpec::As::kJson:
      if (type == AttributeType::kString || type == AttributeType::kBinary) {
        return attribute_from_json(attribute.text());
      }
      return attribute;
    case TypedSpec::As::kBytes:
      if (!scalar) cannot(shown(attribute), "bytes");
      return Attribute::binary(attribute.text());
  }
  return attribute;
}

/// A key of a value map as YAML gives it: 1 also finds '1' and 1.0, and the decimal 1.00.
bool same_value(const Value& key, const Value& value, ColumnForm form) {
  if (key.is_null() || value.is_null()) return key.is_null() && value.is_null();
  if (key.kind() == ValueKind::kBlob || value.kind() == ValueKind::kBlob) return key == value;
  const std::string text = value_text(key);
  if (form == ColumnForm::kDecimal && state::is_decimal(text)) {
    return state::compare_decimals(text, value_text(value)) == 0;
  }
  return text == value_text(value);
}

}  // namespace

Attribute to_attribute(const Value& value, ColumnForm form) {
  switch (value.kind()) {
    case ValueKind::kInteger:
      if (form == ColumnForm::kBoolean) return Attribute::boolean(value.as_integer() != 0);
      return Attribute::number(value.as_integer());
    case ValueKind::kReal:
      return Attribute::number(value.as_real());
    case ValueKind::kText:
      return text_attribute(value.bytes(), form);
    case ValueKind::kBlob:
      return Attribute::binary(value.bytes());
    case ValueKind::kNull:
    case ValueKind::kUnchanged:
      break;
  }
  return {};
}

bool Evaluator::column(const ColumnPlan& plan, Attribute& out) {
  const state::Statement& rows = *frames_[static_cast<std::size_t>(plan.slot.level)].rows;
  int column = plan.slot.column;
  switch (rows.kind(column)) {
    case ValueKind::kInteger:
      out = plan.form == ColumnForm::kBoolean ? Attribute::boolean(rows.integer(column) != 0)
                                              : Attribute::number(rows.integer(column));
      return true;
    case ValueKind::kReal:
      out = Attribute::number(rows.real(column));
      return true;
    case ValueKind::kText:
      out = text_attribute(std::string(rows.view(column)), plan.form);
      return true;
    case ValueKind::kBlob:
      out = Attribute::binary(std::string(rows.view(column)));
      return true;
    case ValueKind::kNull:
    case ValueKind::kUnchanged:
      break;
  }
  return false;
}

bool Evaluator::text(const TextPlan& plan, std::string& out) {
  for (const TextPlan::Part& part : plan.parts) {
    if (!part.slot.has_value() && !part.page) {
      out += part.literal;
      continue;
    }
    if (part.filters.empty() && part.slot.has_value()) {
      const state::Statement& rows = *frames_[static_cast<std::size_t>(part.slot->level)].rows;
      ValueKind kind = rows.kind(part.slot->column);
      if (kind == ValueKind::kNull) return false;
      if (kind == ValueKind::kText) {
        out += rows.view(part.slot->column);
        continue;
      }
    }
    Value value =
        part.page
            ? Value::integer(page_)
            : frames_[static_cast<std::size_t>(part.slot->level)].rows->value(part.slot->column);
    if (value.is_null()) return false;
    if (part.form == ColumnForm::kBoolean && value.kind() == ValueKind::kInteger) {
      value = Value::text(value.as_integer() != 0 ? "true" : "false");
    }
    for (const Filter& filter : part.filters) value = apply_filter(filter, value);
    out += value_text(value);
  }
  return true;
}

Value Evaluator::value_of(const ValuePlan& value) {
  if (const auto* column = std::get_if<ColumnPlan>(&value.node)) {
    const Frame& frame = frames_[static_cast<std::size_t>(column->slot.level)];
    return frame.rows->value(column->slot.column);
  }
  if (std::holds_alternative<PageNumberPlan>(value.node)) return Value::integer(page_);
  std::string written;
  if (!text(std::get<TextPlan>(value.node), written)) return Value::null();
  return Value::text(std::move(written));
}

bool Evaluator::typed(const TypedPlan& plan, Attribute& out) {
  const ValuePlan& source = plan.value.front();
  Value value = value_of(source);
  const auto* column = std::get_if<ColumnPlan>(&source.node);
  const ColumnForm form = column != nullptr ? column->form : ColumnForm::kAny;
  bool found = false;
  out = Attribute();
  for (const auto& [key, mapped] : plan.map) {
    if (!same_value(key, value, form)) continue;
    out = mapped;
    found = true;
    break;
  }
  // A value that the map does not name takes the default; without a default it stays as it is,
  // because nothing may be lost silently.
  bool unnamed = !plan.map.empty() && plan.default_value.has_value();
  if (!found && !unnamed && !value.is_null()) {
    const bool array = plan.as == TypedSpec::As::kJson && form == ColumnForm::kArray;
    std::optional<Attribute> exact;
    if (plan.as == TypedSpec::As::kString) exact = exact_string(value, form);
    if (array && value.kind() == ValueKind::kText) {
      exact = attribute_from_array(value.bytes(), column->declared_type);
    }
    out = exact ? std::move(*exact) : to_attribute(value, form);
  }
  if (!out.is_null()) out = as_type(std::move(out), plan.as);
  if (out.is_null() && plan.default_value.has_value()) out = *plan.default_value;
  return !out.is_null() || plan.keep_null;
}

bool Evaluator::evaluate(const ValuePlan& value, Attribute& out) {
  if (const auto* plan = std::get_if<ColumnPlan>(&value.node)) return column(*plan, out);
  if (const auto* plan = std::get_if<TextPlan>(&value.node)) {
    std::string written;
    if (!text(*plan, written)) return false;
    out = Attribute::string(std::move(written));
    return true;
  }
  if (const auto* plan = std::get_if<ConstantPlan>(&value.node)) {
    out = plan->value;
    return true;
  }
  if (const auto* plan = std::get_if<ResultPlan>(&value.node)) {
    auto& result = frames_[static_cast<std::size_t>(plan->level)]
                       .results[static_cast<std::size_t>(plan->result)];
    if (!result.has_value()) return false;
    if (shared_) {
      out = *result;
    } else {
      out = std::move(*result);
      result.reset();
    }
    return true;
  }
  if (const auto* plan = std::get_if<MapPlan>(&value.node)) {
    out = Attribute::map(evaluate(*plan));
    return true;
  }
  if (const auto* plan = std::get_if<WithPlan>(&value.node)) {
    const Frame& frame = frames_[static_cast<std::size_t>(plan->found.level)];
    if (frame.rows->is_null(plan->found.column)) return false;
    out = Attribute::map(evaluate(plan->item));
    return true;
  }
  if (const auto* plan = std::get_if<TypedPlan>(&value.node)) return typed(*plan, out);
  if (const auto* plan = std::get_if<ListPlan>(&value.node)) {
    AttributeList elements;
    elements.reserve(plan->elements.size());
    for (const ValuePlan& element : plan->elements) {
      Attribute built;
      if (evaluate(element, built)) elements.push_back(std::move(built));
    }
    out = Attribute::list(std::move(elements));
    return true;
  }
  out = Attribute::number(page_);
  return true;
}

AttributeMap Evaluator::evaluate(const MapPlan& map) {
  AttributeMap attributes;
  attributes.reserve(map.entries.size());
  for (const auto& [name, value] : map.entries) {
    Attribute& attribute = attributes.emplace_back(name, Attribute()).second;
    bool there = false;
    try {
      there = evaluate(value, attribute);
    } catch (const InvalidItem& error) {
      // The reason names the attribute by its whole path.
      throw InvalidItem(error.message(), error.where().empty() ? name : name + "." + error.where(),
                        error.hint());
    }
    if (!there) attributes.pop_back();
  }
  return attributes;
}

}  // namespace tandem::sink
