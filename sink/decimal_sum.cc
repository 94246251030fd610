#include "sink/decimal_sum.h"

#include <gmpxx.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

namespace tandem::sink {
namespace {

/// Beyond it a short text would cost megabytes; PostgreSQL's numeric ends there too.
constexpr int kMaximumExponent = 131072;
constexpr int kMaximumScale = 18;  // of the fast path: 10^18 fits 64 bits

/// A decimal taken apart: digits without leading zeros, and the power of ten of the last digit.
struct Decimal {
  bool negative = false;
  std::string digits;
  int exponent = 0;
};

std::optional<Decimal> parse(std::string_view text) {
  Decimal decimal;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    decimal.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  bool point = false, digit_seen = false;
  std::size_t fraction = 0;
  while (!text.empty()) {
    char c = text.front();
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      digit_seen = true;
      if (c != '0' || !decimal.digits.empty()) decimal.digits += c;
      if (point) ++fraction;
    } else {
      break;
    }
    text.remove_prefix(1);
  }
  if (!digit_seen) return std::nullopt;
  int exponent = 0;
  if (!text.empty()) {
    if (text.front() != 'e' && text.front() != 'E') return std::nullopt;
    text.remove_prefix(1);
    if (text.starts_with('+')) {
      text.remove_prefix(1);
      if (text.starts_with('-')) return std::nullopt;
    }
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), exponent);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  }
  if (exponent > kMaximumExponent || exponent < -kMaximumExponent ||
      decimal.digits.size() > kMaximumExponent || fraction > kMaximumExponent) {
    return std::nullopt;
  }
  decimal.exponent = exponent - static_cast<int>(fraction);
  return decimal;
}

mpz_class power_of_ten(int exponent) {
  mpz_class power;
  mpz_ui_pow_ui(power.get_mpz_t(), 10, static_cast<unsigned long>(exponent));
  return power;
}

}  // namespace

struct DecimalSum::Large {
  mpz_class digits;
  int exponent = 0;

  void add(const mpz_class& more, int more_exponent) {
    if (more_exponent < exponent) {
      digits *= power_of_ten(exponent - more_exponent);
      exponent = more_exponent;
    }
    digits +=
        more_exponent > exponent ? mpz_class(more * power_of_ten(more_exponent - exponent)) : more;
  }
};

DecimalSum::DecimalSum() = default;
DecimalSum::~DecimalSum() = default;
DecimalSum::DecimalSum(DecimalSum&&) noexcept = default;
DecimalSum& DecimalSum::operator=(DecimalSum&&) noexcept = default;

DecimalSum::Large& DecimalSum::large() {
  if (large_ == nullptr) large_ = std::make_unique<Large>();
  return *large_;
}

void DecimalSum::add_scaled(Int128 digits, int scale) {
  // The fast path holds sums below 10^36, whose rescaling and next addition cannot overflow.
  static constexpr Int128 kLimit = Int128{1'000'000'000'000'000'000} * 1'000'000'000'000'000'000;
  for (; scale < scale_; ++scale) digits *= 10;
  while (scale_ < scale && digits_ < kLimit / 10 && digits_ > -kLimit / 10) {
    digits_ *= 10;
    ++scale_;
  }
  if (scale_ == scale && digits_ < kLimit && digits_ > -kLimit) {
    digits_ += digits;
    return;
  }
  Int128 held = digits_;
  int held_scale = scale_;
  digits_ = digits;
  scale_ = scale;
  // Two halves below 2^63 and one sign: what GMP's constructors take.
  bool negative = held < 0;
  if (negative) held = -held;
  static constexpr Int128 kHalf = Int128{1} << 62;
  mpz_class number(static_cast<long>(held / kHalf));
  number = (number << 62) + mpz_class(static_cast<long>(held % kHalf));
  large().add(negative ? mpz_class(-number) : number, -held_scale);
}

void DecimalSum::add(std::int64_t number) { add_scaled(number, 0); }

bool DecimalSum::add(double number) {
  if (!std::isfinite(number)) return false;
  std::array<char, 32> digits{};
  auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number,
                           std::chars_format::scientific)
                 .ptr;
  return add(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
}

bool DecimalSum::add(std::string_view text) {
  std::optional<Decimal> decimal = parse(text);
  if (!decimal.has_value()) return false;
  if (decimal->digits.empty()) return true;
  // Without its trailing zeros a number of everyday size fits the fast path.
  while (decimal->digits.size() > 1 && decimal->digits.back() == '0') {
    decimal->digits.pop_back();
    ++decimal->exponent;
  }
  if (decimal->exponent > 0 && decimal->exponent + decimal->digits.size() <= 18) {
    decimal->digits.append(static_cast<std::size_t>(decimal->exponent), '0');
    decimal->exponent = 0;
  }
  if (decimal->digits.size() <= 18 && decimal->exponent <= 0 &&
      decimal->exponent >= -kMaximumScale) {
    std::int64_t number = 0;
    std::from_chars(decimal->digits.data(), decimal->digits.data() + decimal->digits.size(),
                    number);
    add_scaled(decimal->negative ? -number : number, -decimal->exponent);
    return true;
  }
  mpz_class number(decimal->digits, 10);
  large().add(decimal->negative ? mpz_class(-number) : number, decimal->exponent);
  return true;
}

std::string DecimalSum::text() const {
  Large total;
  if (large_ != nullptr) total = *large_;
  // The digits of the fast path, by way of text.
  std::string fast;
  Int128 rest = digits_ < 0 ? -digits_ : digits_;
  do {
    fast += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  if (digits_ < 0) fast += '-';
  std::reverse(fast.begin(), fast.end());
  total.add(mpz_class(fast, 10), -scale_);

  bool negative = total.digits < 0;
  std::string digits = mpz_class(abs(total.digits)).get_str();
  if (total.exponent > 0 && digits != "0") {
    digits.append(static_cast<std::size_t>(total.exponent), '0');
  } else if (total.exponent < 0) {
    auto scale = static_cast<std::size_t>(-total.exponent);
    if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
    digits.insert(digits.size() - scale, 1, '.');
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.back() == '.') digits.pop_back();
  }
  return (negative ? "-" : "") + digits;
}

}  // namespace tandem::sink
