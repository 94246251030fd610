// Numbers as DynamoDB holds them: up to 38 significant decimal digits and an exponent.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "sink/item.h"

namespace tandem::sink {
namespace {

constexpr int kMaximumDigits = 38;
constexpr int kHighestExponent = 125;  // of the first digit: 9.99…E+125
constexpr int kLowestExponent = -130;  // 1E-130
constexpr int kExponentClamp = 1'000'000;

[[noreturn]] void refuse(std::string what, std::string_view digits) {
  constexpr std::size_t kShown = 60;
  std::string shown(digits.substr(0, kShown));
  if (digits.size() > kShown) shown += "…";
  throw InvalidItem(std::move(what), "number " + shown, "store it as a string, or round it");
}

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

/// A number taken apart: the digits without leading and trailing zeros, and the place of the point
/// behind the first `point` of them.
struct Decimal {
  bool negative = false;
  std::string digits;
  int point = 0;
};

/// sign? digits? ( "." digits? )? ( [eE] sign? digits )?, with at least one digit before the
/// exponent.
Decimal parse(std::string_view text) {
  Decimal decimal;
  std::size_t i = 0;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) decimal.negative = text[i++] == '-';
  bool any = false;
  bool fraction = false;
  long long leading = 0;  // zeros after the point and before the first digit that counts
  long long whole = 0;    // digits before the point, from the first that counts
  for (; i < text.size(); i++) {
    char letter = text[i];
    if (letter == '.' && !fraction) {
      fraction = true;
      continue;
    }
    if (!is_digit(letter)) break;
    any = true;
    if (decimal.digits.empty() && letter == '0') {
      leading += fraction ? 1 : 0;
      continue;
    }
    decimal.digits.push_back(letter);
    if (!fraction) whole++;
  }
  if (!any) refuse("not a number", text);
  long long exponent = 0;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    i++;
    bool negative = false;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) negative = text[i++] == '-';
    if (i == text.size()) refuse("not a number", text);
    for (; i < text.size() && is_digit(text[i]); i++) {
      exponent = std::min<long long>(exponent * 10 + (text[i] - '0'), kExponentClamp);
    }
    if (negative) exponent = -exponent;
  }
  if (i != text.size()) refuse("not a number", text);
  while (!decimal.digits.empty() && decimal.digits.back() == '0') decimal.digits.pop_back();
  long long point = whole > 0 ? whole + exponent : exponent - leading;
  decimal.point = static_cast<int>(std::clamp<long long>(point, -kExponentClamp, kExponentClamp));
  return decimal;
}

}  // namespace

std::string canonical_number(std::string_view digits) {
  Decimal decimal = parse(digits);
  const int count = static_cast<int>(decimal.digits.size());
  if (count == 0) return "0";
  if (count > kMaximumDigits) refuse("more than 38 significant digits", digits);
  if (decimal.point - 1 > kHighestExponent) refuse("larger than 9.99E+125", digits);
  if (decimal.point - 1 < kLowestExponent) refuse("nearer to zero than 1E-130", digits);
  std::string out;
  out.reserve(static_cast<std::size_t>(count) + 8);
  if (decimal.negative) out.push_back('-');
  if (decimal.point <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-decimal.point), '0');
    out += decimal.digits;
  } else if (decimal.point >= count) {
    out += decimal.digits;
    out.append(static_cast<std::size_t>(decimal.point - count), '0');
  } else {
    out.append(decimal.digits, 0, static_cast<std::size_t>(decimal.point));
    out.push_back('.');
    out.append(decimal.digits, static_cast<std::size_t>(decimal.point));
  }
  return out;
}

Attribute Attribute::number(std::string_view digits) {
  Attribute attribute;
  attribute.type_ = AttributeType::kNumber;
  attribute.text_ = canonical_number(digits);
  return attribute;
}

Attribute Attribute::number(std::int64_t value) {
  Attribute attribute;
  attribute.type_ = AttributeType::kNumber;
  std::array<char, 24> buffer{};
  auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  attribute.text_.assign(buffer.data(), end);
  return attribute;
}

Attribute Attribute::number(double value) {
  if (!std::isfinite(value)) {
    throw InvalidItem("not a finite number", std::isnan(value) ? "NaN" : "infinity",
                      "map it to a string, or leave it out");
  }
  std::array<char, 40> buffer{};
  auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return number(std::string_view(buffer.data(), static_cast<std::size_t>(end - buffer.data())));
}

}  // namespace tandem::sink
