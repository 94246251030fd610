#include "agent/log_place.h"

#include <array>
#include <charconv>
#include <ctime>

#include "agent/command_line.h"

namespace tandem::agent {
namespace {

// Takes exactly so many digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int number = 0;
  for (const char digit : text.substr(0, count)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    number = number * 10 + (digit - '0');
  }
  text.remove_prefix(count);
  return number;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// Of the zone at the end: minutes east of UTC.
std::optional<int> take_zone(std::string_view& text) {
  if (text.empty() || take(text, 'Z')) return 0;
  const int sign = take(text, '+') ? 1 : -1;
  if (sign < 0 && !take(text, '-')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  take(text, ':');
  const auto minutes = take_digits(text, 2);
  if (!hours || !minutes || *hours > 14 || *minutes > 59) return std::nullopt;
  return sign * (*hours * 60 + *minutes);
}

std::optional<int> take_milliseconds(std::string_view& text) {
  if (!take(text, '.')) return 0;
  int milliseconds = 0, scale = 100;
  bool any = false;
  while (auto digit = take_digits(text, 1)) {
    milliseconds += *digit * scale;
    scale /= 10;
    any = true;
  }
  return any ? std::optional<int>(milliseconds) : std::nullopt;
}

}  // namespace

std::optional<std::int64_t> parse_time(std::string_view text) {
  std::array<int, 6> parts{};  // year, month, day, hour, minute, second
  constexpr std::array<char, 5> kBefore = {'-', '-', 'T', ':', ':'};
  std::size_t count = 0;
  while (count < parts.size()) {
    const auto part = take_digits(text, count == 0 ? 4 : 2);
    if (!part) return std::nullopt;
    parts[count++] = *part;
    if (count == parts.size() || text.empty()) break;
    const char before = kBefore[count - 1];
    if (!take(text, before) && !(before == 'T' && take(text, ' '))) break;
  }
  if (count != 3 && count < 5) return std::nullopt;
  const auto milliseconds = count == parts.size() ? take_milliseconds(text) : 0;
  const auto zone = count == 3 ? std::optional<int>(0) : take_zone(text);
  if (!milliseconds || !zone || !text.empty()) return std::nullopt;
  std::tm time{};
  time.tm_year = parts[0] - 1900;
  time.tm_mon = parts[1] - 1;
  time.tm_mday = parts[2];
  time.tm_hour = parts[3];
  time.tm_min = parts[4];
  time.tm_sec = parts[5];
  const std::tm wanted = time;
  const std::int64_t seconds = ::timegm(&time);
  // A month 13, or the 30th of February, would have been carried over.
  if (time.tm_mon != wanted.tm_mon || time.tm_mday != wanted.tm_mday ||
      time.tm_hour != wanted.tm_hour || time.tm_min != wanted.tm_min) {
    return std::nullopt;
  }
  return (seconds - std::int64_t{*zone} * 60) * 1000 + *milliseconds;
}

LogPlace::LogPlace(const std::string& from, const std::string& hint) {
  const char* end = from.data() + from.size();
  const auto [stopped, error] = std::from_chars(from.data(), end, offset_);
  if (error == std::errc{} && stopped == end && offset_ >= 0) return;
  time_ = parse_time(from);
  if (!time_) throw UsageError("is neither an offset nor a time", "--from " + from, hint);
}

state::Offset LogPlace::in(state::ChangeLog& log) const { return time_ ? log.at(*time_) : offset_; }

}  // namespace tandem::agent
