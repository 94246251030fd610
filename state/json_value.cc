#include "state/json_value.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "state/base64.h"
#include "state/json_string.h"

namespace tandem::state {
namespace {

void append_real(double number, std::string& out) {
  std::array<char, 32> digits;
  auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  const std::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
  out += text;
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}

bool digits_at(std::string_view text, std::size_t at, std::size_t count) {
  if (text.size() < at + count) return false;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
  }
  return true;
}

// YYYY-MM-DD?HH:MM:SS, whatever stands between day and hour.
bool has_time_shape(std::string_view text) {
  return digits_at(text, 0, 4) && text[4] == '-' && digits_at(text, 5, 2) && text[7] == '-' &&
         digits_at(text, 8, 2) && digits_at(text, 11, 2) && text[13] == ':' &&
         digits_at(text, 14, 2) && text[16] == ':' && digits_at(text, 17, 2);
}

constexpr std::string_view kUtc = "+00";

}  // namespace

bool is_utf8(std::string_view bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* const end = at + bytes.size();
  auto follows = [&](int count, unsigned char low, unsigned char high) {
    if (end - at <= count) return false;
    if (at[1] < low || at[1] > high) return false;
    for (int i = 2; i <= count; ++i) {
      if ((at[i] & 0xC0U) != 0x80) return false;
    }
    at += count + 1;
    return true;
  };
  while (at < end) {
    const unsigned char first = *at;
    if (first < 0x80) {
      ++at;
    } else if (first < 0xC2) {
      return false;
    } else if (first < 0xE0) {
      if (!follows(1, 0x80, 0xBF)) return false;
    } else if (first < 0xF0) {
      if (!follows(2, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF)) return false;
    } else if (first < 0xF5) {
      if (!follows(3, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF)) return false;
    } else {
      return false;
    }
  }
  return true;
}

std::string_view append_json_value(const Value& value, ColumnForm column, std::string& out) {
  switch (value.kind()) {
    case ValueKind::kNull:
      out += "null";
      return {};
    case ValueKind::kUnchanged:
      append_json_string(kUnavailable, out);
      return kFormUnchanged;
    case ValueKind::kInteger: {
      const std::int64_t number = value.as_integer();
      if (column == ColumnForm::kBoolean && (number == 0 || number == 1)) {
        out += number == 1 ? "true" : "false";
        return {};
      }
      std::array<char, 24> digits;
      auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
      out.append(digits.data(), end);
      return {};
    }
    case ValueKind::kReal: {
      const double number = value.as_real();
      if (std::isfinite(number)) {
        append_real(number, out);
        return {};
      }
      out += std::isnan(number) ? "\"NaN\"" : number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
      return kFormReal;
    }
    case ValueKind::kBlob:
      out += '"';
      append_base64(value.bytes(), out);
      out += '"';
      return kFormBytes;
    case ValueKind::kText:
      break;
  }
  const std::string& text = value.bytes();
  if (column == ColumnForm::kTimestamp && has_time_shape(text) && text[10] == ' ' &&
      text.back() != 'Z' && is_utf8(text)) {
    std::string iso = text;
    iso[10] = 'T';
    if (iso.ends_with(kUtc)) iso.replace(iso.size() - kUtc.size(), kUtc.size(), "Z");
    append_json_string(iso, out);
    return kFormTime;
  }
  if (is_utf8(text)) {
    append_json_string(text, out);
    return {};
  }
  out += '"';
  append_base64(text, out);
  out += '"';
  return kFormText;
}

std::optional<Value> value_of_string(std::string_view text, std::string_view form) {
  if (form.empty()) return Value::text(std::string(text));
  if (form == kFormUnchanged) return Value::unchanged();
  if (form == kFormReal) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (text == "NaN") return Value::real(std::numeric_limits<double>::quiet_NaN());
    if (text == "Infinity") return Value::real(kInfinity);
    if (text == "-Infinity") return Value::real(-kInfinity);
    return std::nullopt;
  }
  if (form == kFormTime) {
    if (!has_time_shape(text) || text[10] != 'T') return std::nullopt;
    std::string spaced(text);
    spaced[10] = ' ';
    if (spaced.back() == 'Z') spaced.replace(spaced.size() - 1, 1, kUtc);
    return Value::text(std::move(spaced));
  }
  if (form != kFormBytes && form != kFormText) return std::nullopt;
  std::optional<std::string> bytes = decode_base64(text);
  if (!bytes) return std::nullopt;
  return form == kFormBytes ? Value::blob(*std::move(bytes)) : Value::text(*std::move(bytes));
}

}  // namespace tandem::state
