#include "state/json_value.h"

#include <algorithm>
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

// Where a time of day ends, but for a fraction.
constexpr std::size_t kSecondsEnd = 19;
// Digits of a second's fraction.
constexpr std::size_t kMicroseconds = 6;
constexpr std::string_view kUtc = "+00";

bool digits_at(std::string_view text, std::size_t at, std::size_t count) {
  if (text.size() < at + count) return false;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
  }
  return true;
}

// YYYY-MM-DD?HH:MM:SS, with this between day and hour.
bool has_time_shape(std::string_view text, char between) {
  return text.size() >= kSecondsEnd && text[10] == between && digits_at(text, 0, 4) &&
         text[4] == '-' && digits_at(text, 5, 2) && text[7] == '-' && digits_at(text, 8, 2) &&
         digits_at(text, 11, 2) && text[13] == ':' && digits_at(text, 14, 2) && text[16] == ':' &&
         digits_at(text, 17, 2);
}

// Appends the server's text of a timestamp as ISO 8601 has it. False, and nothing was appended: it
// has years of more digits, another time zone, …
bool append_iso(std::string_view text, std::string& out) {
  if (!has_time_shape(text, ' ')) return false;
  std::string_view fraction = text.substr(kSecondsEnd);
  const bool utc = fraction.ends_with(kUtc);
  if (utc) fraction.remove_suffix(kUtc.size());
  if (!fraction.empty() &&
      (fraction[0] != '.' || fraction.size() < 2 || fraction.size() > kMicroseconds + 1 ||
       !digits_at(fraction, 1, fraction.size() - 1) || fraction.back() == '0')) {
    return false;
  }
  out += '"';
  out += text.substr(0, 10);
  out += 'T';
  out += text.substr(11, kSecondsEnd - 11);
  out += fraction;
  if (utc) {
    // As Debezium has it: with microseconds always.
    if (fraction.empty()) out += '.';
    out.append(kMicroseconds + 1 - std::max<std::size_t>(fraction.size(), 1), '0');
    out += 'Z';
  }
  out += '"';
  return true;
}

// The other way round; nothing: append_iso() appends no such text.
std::optional<std::string> server_text(std::string_view iso) {
  if (!has_time_shape(iso, 'T')) return std::nullopt;
  std::string_view fraction = iso.substr(kSecondsEnd);
  const bool utc = fraction.ends_with('Z');
  if (utc) fraction.remove_suffix(1);
  if (!fraction.empty() && (fraction[0] != '.' || !digits_at(fraction, 1, fraction.size() - 1))) {
    return std::nullopt;
  }
  if (utc) {
    if (fraction.size() != kMicroseconds + 1) return std::nullopt;
    while (fraction.ends_with('0')) fraction.remove_suffix(1);
    if (fraction == ".") fraction = {};
  } else if (!fraction.empty() && (fraction.size() < 2 || fraction.size() > kMicroseconds + 1 ||
                                   fraction.back() == '0')) {
    return std::nullopt;
  }
  std::string made(iso.substr(0, 10));
  made += ' ';
  made += iso.substr(11, kSecondsEnd - 11);
  made += fraction;
  if (utc) made += kUtc;
  return made;
}

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
      continue;
    }
    if (first < 0xC2 || first > 0xF4) return false;
    if (first < 0xE0) {
      if (!follows(1, 0x80, 0xBF)) return false;
    } else if (first < 0xF0) {
      if (!follows(2, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF)) return false;
    } else {
      if (!follows(3, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF)) return false;
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
  if (column == ColumnForm::kTimestamp && append_iso(text, out)) return {};
  if (is_utf8(text)) {
    append_json_string(text, out);
    return server_text(text) ? kFormExact : std::string_view();
  }
  out += '"';
  append_base64(text, out);
  out += '"';
  return kFormText;
}

std::optional<Value> value_of_string(std::string_view text, std::string_view form) {
  if (form.empty()) {
    auto made = server_text(text);
    return Value::text(made ? *std::move(made) : std::string(text));
  }
  if (form == kFormExact) return Value::text(std::string(text));
  if (form == kFormUnchanged) return Value::unchanged();
  if (form == kFormReal) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (text == "NaN") return Value::real(std::numeric_limits<double>::quiet_NaN());
    if (text == "Infinity") return Value::real(kInfinity);
    if (text == "-Infinity") return Value::real(-kInfinity);
    return std::nullopt;
  }
  if (form != kFormBytes && form != kFormText) return std::nullopt;
  std::optional<std::string> bytes = decode_base64(text);
  if (!bytes) return std::nullopt;
  return form == kFormBytes ? Value::blob(*std::move(bytes)) : Value::text(*std::move(bytes));
}

}  // namespace tandem::state
