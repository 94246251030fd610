// One value of a row, exactly as the source stored it, and rows made of them.
//
// The kinds are SQLite's storage classes plus "unchanged" (a PostgreSQL TOAST value that the stream
// left out; a type of its own, never a null). PostgreSQL values that are not an integer, a finite
// float, a boolean or bytea are kept as their exact text; ColumnForm (schema.h) tells what it
// means. Text is bytes: it may hold NUL and invalid UTF-8. Plain values; no thread-safety needed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tandem::state {

enum class ValueKind : std::uint8_t { kNull, kUnchanged, kInteger, kReal, kText, kBlob };

class Value {
 public:
  Value() = default;  // null
  static Value null() { return {}; }
  static Value unchanged() { return Value(ValueKind::kUnchanged); }
  static Value integer(std::int64_t number);
  static Value real(double number);
  static Value text(std::string bytes);
  static Value blob(std::string bytes);

  ValueKind kind() const { return kind_; }
  bool is_null() const { return kind_ == ValueKind::kNull; }
  bool is_unchanged() const { return kind_ == ValueKind::kUnchanged; }
  /// Precondition of each: the kind fits.
  std::int64_t as_integer() const { return number_.integer; }
  double as_real() const { return number_.real; }
  const std::string& bytes() const { return bytes_; }  // of text and blob

  /// Same kind and same bits: 1 is not 1.0, 0.0 is not -0.0, a NaN equals itself.
  friend bool operator==(const Value& a, const Value& b);

 private:
  explicit Value(ValueKind kind) : kind_(kind) {}
  union Number {
    std::int64_t integer = 0;
    double real;
  };
  std::string bytes_;
  Number number_;
  ValueKind kind_ = ValueKind::kNull;
};

/// The values of a row in the order of its table's columns, or of a key in the order of its
/// columns.
using Row = std::vector<Value>;

/// A row or key as bytes: equal bytes if and only if the values are equal by operator==. Not
/// order-preserving. A small self-delimiting form (drawn in value.cc); `decode_row` throws Error on
/// malformed bytes.
std::string encode_row(const Row& row);
void encode_row(const Row& row, std::string& out);  // appends
Row decode_row(std::string_view bytes);
/// Decodes one row from the front of `bytes` and moves past it.
Row decode_row_prefix(std::string_view& bytes);

/// A value for people: 'text' quoted, x'00ff', NULL, 1, 1.5. Used by messages and `log show`.
std::string to_display(const Value& value);

}  // namespace tandem::state
