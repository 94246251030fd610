#include "sink/column_order.h"

#include <charconv>
#include <limits>

#include "sink/filter.h"
#include "state/source_order.h"

namespace tandem::sink {
namespace {

using state::Column;
using state::ColumnForm;
using state::Comparison;
using state::Value;
using state::ValueKind;

std::optional<std::int64_t> integer_of(const std::string& text) {
  std::int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Value> as_boolean(const Value& constant) {
  if (constant.kind() == ValueKind::kInteger) return constant;
  if (constant.kind() != ValueKind::kText) return std::nullopt;
  if (constant.bytes() == "true" || constant.bytes() == "t") return Value::integer(1);
  if (constant.bytes() == "false" || constant.bytes() == "f") return Value::integer(0);
  return std::nullopt;
}

std::optional<Value> as_float(const Value& constant) {
  if (constant.kind() != ValueKind::kText) return constant;
  const std::string& text = constant.bytes();
  if (text == "NaN") return constant;
  if (text == "Infinity") return Value::real(std::numeric_limits<double>::infinity());
  if (text == "-Infinity") return Value::real(-std::numeric_limits<double>::infinity());
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return Value::real(number);
}

/// date, timestamp or timestamptz, without a precision; "" for a domain, which may be any.
std::string moment_type(const Column& column) {
  std::string type = column.declared_type;
  const std::size_t open = type.find('(');
  const std::size_t close = type.find(')');
  if (open != std::string::npos && close != std::string::npos) type.erase(open, close - open + 1);
  const bool known =
      type == "date" || type == "timestamp without time zone" || type == "timestamp with time zone";
  return known ? type : "";
}

/// The digits behind the point that every value has, "" where each has its own: numeric(9,2): "2".
std::string scale_of(const Column& column) {
  const std::string& type = column.declared_type;
  const std::size_t open = type.find('(');
  if (open == std::string::npos || !type.ends_with(')')) return "";
  const std::size_t comma = type.find(',', open);
  if (comma == std::string::npos) return "0";
  return type.substr(comma + 1, type.size() - comma - 2);
}

/// Whether equal values of both columns are kept as equal values.
bool same_form(const Column& a, const Column& b) {
  if (a.form != b.form) return false;
  if (a.form == ColumnForm::kDecimal) return scale_of(a) == scale_of(b);
  if (a.form != ColumnForm::kTimestamp) return true;
  const std::string one = moment_type(a);
  const std::string other = moment_type(b);
  return one.empty() || other.empty() || one == other;
}

std::string shown(const Column& column) {
  return column.name + " (" + (column.declared_type.empty() ? "no type" : column.declared_type) +
         ")";
}

}  // namespace

std::string compared(const Column& column, const std::string& sql) {
  switch (column.form) {
    case ColumnForm::kDecimal:
      return sql + " COLLATE " + state::kDecimalCollation;
    case ColumnForm::kTimestamp:
      return sql + " COLLATE " + state::kTimestampCollation;
    case ColumnForm::kFloat:
      // NaN is a text, and so comes after all numbers, as it does at the source.
      return "CASE " + sql + " WHEN 'Infinity' THEN 9e999 WHEN '-Infinity' THEN -9e999 ELSE " +
             sql + " END";
    default:
      return sql;
  }
}

std::optional<Value> as_compared(const Column& column, const Value& constant) {
  if (constant.is_null()) return constant;
  const bool text = constant.kind() == ValueKind::kText;
  switch (column.form) {
    case ColumnForm::kAny:
      return constant;
    case ColumnForm::kBoolean:
      return as_boolean(constant);
    case ColumnForm::kInteger:
      if (!text) return constant;
      if (auto number = integer_of(constant.bytes())) return Value::integer(*number);
      return std::nullopt;
    case ColumnForm::kFloat:
      return as_float(constant);
    case ColumnForm::kDecimal:
      if (!state::is_decimal(value_text(constant))) return std::nullopt;
      return Value::text(value_text(constant));
    case ColumnForm::kTimestamp:
      if (!text || !state::is_timestamp(constant.bytes())) return std::nullopt;
      return constant;
    case ColumnForm::kBytes:
      return text ? Value::blob(constant.bytes()) : constant;
    case ColumnForm::kText:
    case ColumnForm::kJson:
    case ColumnForm::kArray:
      return Value::text(value_text(constant));
  }
  return constant;
}

std::optional<std::string> join_refusal(const Column& theirs, const Column& ours) {
  for (const Column* column : {&theirs, &ours}) {
    if (column->comparison != Comparison::kNone) continue;
    return "rows cannot be joined by " + shown(*column) +
           ": the source may call two of its values equal that are spelt differently, and a join "
           "here would miss them; join by another column";
  }
  if (same_form(theirs, ours)) return std::nullopt;
  return shown(theirs) + " and " + shown(ours) +
         " are kept in different forms, so that no row would be found; join by columns of one type";
}

std::optional<std::string> order_warning(const Column& column) {
  const bool by_bytes = column.form == ColumnForm::kText || column.form == ColumnForm::kJson ||
                        column.form == ColumnForm::kArray;
  if (!by_bytes || column.comparison == Comparison::kOrder) return std::nullopt;
  return shown(column) + " is ordered by code point here, and otherwise at the source";
}

std::optional<std::string> equality_warning(const Column& column) {
  const bool by_bytes = column.form == ColumnForm::kText || column.form == ColumnForm::kJson ||
                        column.form == ColumnForm::kArray;
  if (!by_bytes || column.comparison != Comparison::kNone) return std::nullopt;
  return shown(column) +
         " is compared letter by letter here; the source may call other spellings equal";
}

}  // namespace tandem::sink
