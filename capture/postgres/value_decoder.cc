#include "capture/postgres/value_decoder.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <system_error>
#include <utility>

#include "state/error.h"

namespace tandem::capture::postgres {
namespace {

using state::ColumnForm;
using state::Value;

constexpr std::size_t kMostShown = 40;

[[noreturn]] void refuse(const char* form, std::string_view text) {
  throw state::Error("the server sent '" + std::string(text.substr(0, kMostShown)) +
                         "' where a value of the form " + form + " was due",
                     "PostgreSQL",
                     "look whether something between Tandem and the server changes session "
                     "settings, and start again");
}

Value decode_integer(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  auto result = std::from_chars(text.data(), end, number);
  if (result.ec != std::errc() || result.ptr != end) refuse("integer", text);
  return Value::integer(number);
}

// A float4 has the fewest digits that name it among floats. Read as a double they are other bits,
// but the same digits again when written.
Value decode_float(std::string_view text) {
  if (text == "NaN" || text == "Infinity" || text == "-Infinity") {
    return Value::text(std::string(text));
  }
  double number = 0;
  const char* end = text.data() + text.size();
  auto result = std::from_chars(text.data(), end, number);
  if (result.ec != std::errc() || result.ptr != end || !std::isfinite(number))
    refuse("float", text);
  return Value::real(number);
}

// 0 to 15, or more for what is no digit.
constexpr unsigned digit_of(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return 16;
}

Value decode_bytes(std::string_view text) {
  if (text.size() % 2 != 0 || !text.starts_with("\\x")) refuse("bytes", text);
  std::string bytes(text.size() / 2 - 1, '\0');
  const char* from = text.data() + 2;
  unsigned seen = 0;
  for (char& byte : bytes) {
    unsigned high = digit_of(*from++);
    unsigned low = digit_of(*from++);
    seen |= high | low;
    byte = static_cast<char>(high << 4U | (low & 15U));
  }
  if (seen > 15) refuse("bytes", text);
  return Value::blob(std::move(bytes));
}

std::string hex_of(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "\\x";
  text.reserve(2 + 2 * bytes.size());
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

}  // namespace

Value decode_value(ColumnForm form, std::string_view text) {
  switch (form) {
    case ColumnForm::kInteger:
      return decode_integer(text);
    case ColumnForm::kFloat:
      return decode_float(text);
    case ColumnForm::kBytes:
      return decode_bytes(text);
    case ColumnForm::kBoolean:
      if (text == "t") return Value::integer(1);
      if (text == "f") return Value::integer(0);
      refuse("boolean", text);
    case ColumnForm::kAny:
    case ColumnForm::kDecimal:
    case ColumnForm::kText:
    case ColumnForm::kJson:
    case ColumnForm::kTimestamp:
    case ColumnForm::kArray:
      break;
  }
  return Value::text(std::string(text));
}

std::string to_text(const Value& value, ColumnForm form) {
  switch (value.kind()) {
    case state::ValueKind::kInteger:
      if (form == ColumnForm::kBoolean) return value.as_integer() != 0 ? "t" : "f";
      return std::to_string(value.as_integer());
    case state::ValueKind::kReal: {
      char digits[32];
      auto end = std::to_chars(digits, digits + sizeof digits, value.as_real()).ptr;
      return {digits, end};
    }
    case state::ValueKind::kText:
      return value.bytes();
    case state::ValueKind::kBlob:
      return hex_of(value.bytes());
    case state::ValueKind::kNull:
    case state::ValueKind::kUnchanged:
      break;
  }
  throw state::Error("a value that is not there has no text", "PostgreSQL",
                     "this is a mistake in Tandem; please report it");
}

}  // namespace tandem::capture::postgres
