#include "state/source_order.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>

namespace tandem::state {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int sign_of(int order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }

enum class Rank : std::uint8_t { kUnknown, kLowest, kFinite, kHighest, kNan };

// ── decimals ─────────────────────────────────────────────────────────────────────────────────────

/// 0.DIGITS × 10^point; the digits without zeros at either end, none for zero.
struct Decimal {
  Rank rank = Rank::kUnknown;
  bool negative = false;
  std::string digits;
  std::int64_t point = 0;
};

constexpr std::int64_t kExponentClamp = 1'000'000'000;

/// sign? ( digits [. digits?] | . digits ) ( [eE] sign? digits )?
Decimal decimal_of(std::string_view text) {
  Decimal decimal;
  if (text == "NaN") decimal.rank = Rank::kNan;
  if (text == "Infinity") decimal.rank = Rank::kHighest;
  if (text == "-Infinity") decimal.rank = Rank::kLowest;
  if (decimal.rank != Rank::kUnknown) return decimal;
  std::size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+'))
    decimal.negative = text[at++] == '-';
  bool any = false;
  bool fraction = false;
  for (; at < text.size(); ++at) {
    if (text[at] == '.' && !fraction) {
      fraction = true;
      continue;
    }
    if (!is_digit(text[at])) break;
    any = true;
    if (text[at] == '0' && decimal.digits.empty()) {
      if (fraction) --decimal.point;
      continue;
    }
    decimal.digits += text[at];
    if (!fraction) ++decimal.point;
  }
  if (!any) return decimal;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    bool down = false;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) down = text[at++] == '-';
    if (at == text.size()) return decimal;
    std::int64_t exponent = 0;
    for (; at < text.size() && is_digit(text[at]); ++at) {
      exponent = std::min(exponent * 10 + (text[at] - '0'), kExponentClamp);
    }
    decimal.point += down ? -exponent : exponent;
  }
  if (at != text.size()) return decimal;
  while (!decimal.digits.empty() && decimal.digits.back() == '0') decimal.digits.pop_back();
  decimal.rank = Rank::kFinite;
  return decimal;
}

int compare_finite(const Decimal& a, const Decimal& b) {
  const auto sign = [](const Decimal& decimal) {
    return decimal.digits.empty() ? 0 : decimal.negative ? -1 : 1;
  };
  if (sign(a) != sign(b)) return sign(a) < sign(b) ? -1 : 1;
  const int size =
      a.point != b.point ? (a.point < b.point ? -1 : 1) : sign_of(a.digits.compare(b.digits));
  return sign(a) * size;
}

// ── timestamps ───────────────────────────────────────────────────────────────────────────────────
//
//   date  := YYYY[Y…]-MM-DD
//   time  := HH:MM [ :SS [ .digits ] ]
//   zone  := "Z" | ("+" | "-") HH [ [":"] MM [ ":"SS ] ]
//   text  := "infinity" | "-infinity" | date [ (" " | "T") time [ zone ] ] [ " BC" ]

struct Moment {
  Rank rank = Rank::kUnknown;
  std::int64_t day = 0;         // since 1970-01-01
  std::int64_t nanosecond = 0;  // of the day, in UTC
};

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kDay = 86'400 * kSecond;

/// Days since 1970-01-01 in the Gregorian calendar, which PostgreSQL extends to all times.
std::int64_t day_of(std::int64_t year, std::int64_t month, std::int64_t day) {
  // Years that begin in March have their leap day last.
  if (month <= 2) --year;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t of_era = year - era * 400;
  const std::int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}

class MomentParser {
 public:
  explicit MomentParser(std::string_view text) : text_(text) {}

  Moment parse() {
    Moment moment;
    if (text_ == "infinity") moment.rank = Rank::kHighest;
    if (text_ == "-infinity") moment.rank = Rank::kLowest;
    if (moment.rank != Rank::kUnknown) return moment;
    const bool before_christ = text_.ends_with(" BC");
    if (before_christ) text_.remove_suffix(3);
    std::int64_t year = number(4, 9);
    skip('-');
    const std::int64_t month = number(2, 2);
    skip('-');
    const std::int64_t day = number(2, 2);
    if (right_ && (month < 1 || month > 12 || day < 1 || day > 31)) right_ = false;
    std::int64_t nanosecond = 0;
    if (right_ && !text_.empty()) {
      if (text_.front() != ' ' && text_.front() != 'T') return {};
      text_.remove_prefix(1);
      nanosecond = time() - zone();
    }
    if (!right_ || !text_.empty()) return {};
    if (before_christ) year = 1 - year;
    moment.rank = Rank::kFinite;
    moment.day = day_of(year, month, day);
    while (nanosecond < 0) {
      nanosecond += kDay;
      --moment.day;
    }
    moment.day += nanosecond / kDay;
    moment.nanosecond = nanosecond % kDay;
    return moment;
  }

 private:
  std::int64_t number(std::size_t least, std::size_t most) {
    std::int64_t number = 0;
    std::size_t digits = 0;
    while (digits < most && digits < text_.size() && is_digit(text_[digits])) {
      number = number * 10 + (text_[digits++] - '0');
    }
    if (digits < least) right_ = false;
    text_.remove_prefix(digits);
    return number;
  }

  void skip(char c) {
    if (!take(c)) right_ = false;
  }

  bool take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  std::int64_t time() {
    std::int64_t seconds = number(2, 2) * 3600;
    skip(':');
    seconds += number(2, 2) * 60;
    std::int64_t fraction = 0;
    if (right_ && take(':')) {
      seconds += number(2, 2);
      if (right_ && take('.')) {
        std::int64_t unit = kSecond;
        if (text_.empty() || !is_digit(text_.front())) right_ = false;
        while (!text_.empty() && is_digit(text_.front())) {
          unit /= 10;
          fraction += (text_.front() - '0') * unit;
          text_.remove_prefix(1);
        }
      }
    }
    return seconds * kSecond + fraction;
  }

  std::int64_t zone() {
    if (!right_ || text_.empty() || take('Z')) return 0;
    const bool west = text_.front() == '-';
    if (!west && text_.front() != '+') {
      right_ = false;
      return 0;
    }
    text_.remove_prefix(1);
    std::int64_t seconds = number(2, 2) * 3600;
    if (!text_.empty()) {
      take(':');
      seconds += number(2, 2) * 60;
      if (take(':')) seconds += number(2, 2);
    }
    return (west ? -seconds : seconds) * kSecond;
  }

  std::string_view text_;
  bool right_ = true;
};

}  // namespace

int compare_decimals(std::string_view a, std::string_view b) {
  const Decimal left = decimal_of(a);
  const Decimal right = decimal_of(b);
  if (left.rank != right.rank) return left.rank < right.rank ? -1 : 1;
  if (left.rank == Rank::kFinite) return compare_finite(left, right);
  return left.rank == Rank::kUnknown ? sign_of(a.compare(b)) : 0;
}

int compare_timestamps(std::string_view a, std::string_view b) {
  const Moment left = MomentParser(a).parse();
  const Moment right = MomentParser(b).parse();
  if (left.rank == Rank::kUnknown && right.rank == Rank::kUnknown) return sign_of(a.compare(b));
  const auto one = std::tie(left.rank, left.day, left.nanosecond);
  const auto other = std::tie(right.rank, right.day, right.nanosecond);
  return one < other ? -1 : other < one ? 1 : 0;
}

bool is_decimal(std::string_view text) { return decimal_of(text).rank != Rank::kUnknown; }
bool is_timestamp(std::string_view text) {
  return MomentParser(text).parse().rank != Rank::kUnknown;
}

void add_source_collations(Database& database) {
  database.add_collation(kDecimalCollation, compare_decimals);
  database.add_collation(kTimestampCollation, compare_timestamps);
}

}  // namespace tandem::state
