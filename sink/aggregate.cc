#include "sink/aggregate.h"

#include "sink/evaluate.h"
#include "state/source_order.h"

namespace tandem::sink {
namespace {

using state::Value;
using state::ValueKind;

int sign(auto a, auto b) { return a < b ? -1 : b < a ? 1 : 0; }

int storage_rank(const Value& value) {
  switch (value.kind()) {
    case ValueKind::kInteger:
    case ValueKind::kReal:
      return 1;
    case ValueKind::kText:
      return 2;
    case ValueKind::kBlob:
      return 3;
    case ValueKind::kNull:
    case ValueKind::kUnchanged:
      break;
  }
  return 0;
}

int compare_numbers(const Value& a, const Value& b) {
  if (a.kind() == ValueKind::kInteger && b.kind() == ValueKind::kInteger) {
    return sign(a.as_integer(), b.as_integer());
  }
  if (a.kind() == ValueKind::kReal && b.kind() == ValueKind::kReal) {
    return sign(a.as_real(), b.as_real());
  }
  if (a.kind() == ValueKind::kReal) return -compare_numbers(b, a);
  // An integer against a real: exact, because beyond 2^63 the real decides by its size alone.
  constexpr double kTwoTo63 = 9223372036854775808.0;
  double real = b.as_real();
  if (real >= kTwoTo63) return -1;
  if (real < -kTwoTo63) return 1;
  auto whole = static_cast<std::int64_t>(real);
  int by_whole = sign(a.as_integer(), whole);
  return by_whole != 0 ? by_whole : sign(static_cast<double>(whole), real);
}

int compare_texts(std::string_view a, std::string_view b, const std::string& collation) {
  auto folded = [](std::string_view text) {
    std::string lower(text);
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return lower;
  };
  auto trimmed = [](std::string_view text) {
    return text.substr(0, text.find_last_not_of(' ') + 1);
  };
  int order = 0;
  if (collation == "NOCASE") order = folded(a).compare(folded(b));
  if (collation == "RTRIM") order = trimmed(a).compare(trimmed(b));
  return order != 0 ? order : a.compare(b);
}

/// A finite number lies between the infinities, and NaN is above all.
int float_rank(const Value& value) {
  if (value.kind() != ValueKind::kText) return 1;
  if (value.bytes() == "-Infinity") return 0;
  return value.bytes() == "Infinity" ? 2 : 3;
}

int compare_by_form(std::string_view a, std::string_view b, state::ColumnForm form) {
  if (form == state::ColumnForm::kDecimal) return state::compare_decimals(a, b);
  if (form == state::ColumnForm::kTimestamp) return state::compare_timestamps(a, b);
  return 0;
}

}  // namespace

int compare_values(const Value& a, const Value& b, const std::string& collation,
                   state::ColumnForm form) {
  int rank = form == state::ColumnForm::kFloat ? sign(float_rank(a), float_rank(b))
                                               : sign(storage_rank(a), storage_rank(b));
  if (rank != 0) return rank;
  switch (storage_rank(a)) {
    case 1:
      return compare_numbers(a, b);
    case 2:
      if (int order = compare_by_form(a.bytes(), b.bytes(), form); order != 0) return order;
      return compare_texts(a.bytes(), b.bytes(), collation);
    case 3:
      return a.bytes().compare(b.bytes());
    default:
      return 0;
  }
}

void Aggregate::reset() {
  rows_ = 0;
  sum_ = DecimalSum();
  extreme_.reset();
}

void Aggregate::add(const state::Statement& rows) {
  switch (plan_->kind) {
    case AggregateSpec::Kind::kCount:
      ++rows_;
      return;
    case AggregateSpec::Kind::kSum:
      add_to_sum(rows);
      return;
    case AggregateSpec::Kind::kMin:
    case AggregateSpec::Kind::kMax:
      if (!rows.is_null(plan_->slot.column)) keep_extreme(rows.value(plan_->slot.column));
      return;
  }
}

void Aggregate::add_to_sum(const state::Statement& rows) {
  int column = plan_->slot.column;
  bool added = true;
  switch (rows.kind(column)) {
    case ValueKind::kNull:
    case ValueKind::kUnchanged:
      return;
    case ValueKind::kInteger:
      sum_.add(rows.integer(column));
      return;
    case ValueKind::kReal:
      added = sum_.add(rows.real(column));
      break;
    case ValueKind::kText:
      added = sum_.add(rows.view(column));
      break;
    case ValueKind::kBlob:
      added = false;
      break;
  }
  if (!added) {
    throw InvalidItem("a sum meets " + to_display(rows.value(column)) + ", which is no number", "",
                      "mend the row, or leave it out with `where`");
  }
}

void Aggregate::keep_extreme(Value value) {
  if (!extreme_.has_value()) {
    extreme_ = std::move(value);
    return;
  }
  int order = compare_values(value, *extreme_, plan_->collation, plan_->form);
  if (plan_->kind == AggregateSpec::Kind::kMin ? order < 0 : order > 0) extreme_ = std::move(value);
}

std::optional<Attribute> Aggregate::result() const {
  switch (plan_->kind) {
    case AggregateSpec::Kind::kCount:
      return Attribute::number(rows_);
    case AggregateSpec::Kind::kSum:
      return Attribute::number(std::string_view(sum_.text()));
    case AggregateSpec::Kind::kMin:
    case AggregateSpec::Kind::kMax:
      break;
  }
  if (!extreme_.has_value()) return std::nullopt;
  return to_attribute(*extreme_, plan_->form);
}

}  // namespace tandem::sink
