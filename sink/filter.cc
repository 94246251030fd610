#include "sink/filter.h"

#include <openssl/evp.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <ctime>

#include "state/source_order.h"

namespace tandem::sink {
namespace {

using state::Value;
using state::ValueKind;

constexpr int kMaximumPad = 1000;

[[noreturn]] void refuse(const std::string& what, const std::string& hint) {
  throw InvalidItem(what, "", hint);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// ── iso8601 ──────────────────────────────────────────────────────────────────────────────────────
//
//   date  := YYYY-MM-DD
//   time  := HH:MM [ :SS [ .digits ] ]
//   zone  := "Z" | ("+" | "-") HH [ [":"] MM [ ":SS" ] ]
//   input := date [ ("T" | "t" | " ") time [ zone ] ]
//
// What is written keeps the precision of the text: a date stays a date, a time without zone stays
// without. An INTEGER is Unix seconds and a REAL a Julian day, as SQLite's own date functions read
// them; both are UTC and get a Z.

int digits_at(std::string_view text, std::size_t at, std::size_t count) {
  if (text.size() < at + count) return -1;
  int number = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (!is_digit(text[i])) return -1;
    number = number * 10 + (text[i] - '0');
  }
  return number;
}

int days_in_month(int year, int month) {
  static constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[static_cast<std::size_t>(month - 1)];
}

/// The zone in ISO 8601's extended form, or nothing if the text is no zone.
std::optional<std::string> iso_zone(std::string_view zone) {
  if (zone == "Z" || zone == "z") return "Z";
  if (zone.size() < 3 || (zone[0] != '+' && zone[0] != '-')) return std::nullopt;
  int hours = digits_at(zone, 1, 2);
  if (hours < 0 || hours > 24) return std::nullopt;
  std::string written(zone.substr(0, 3));
  zone.remove_prefix(3);
  if (zone.empty()) return written + ":00";
  if (zone[0] == ':') zone.remove_prefix(1);
  int minutes = digits_at(zone, 0, 2);
  if (minutes < 0 || minutes > 59) return std::nullopt;
  written += ':';
  written += zone.substr(0, 2);
  zone.remove_prefix(2);
  if (zone.empty()) return written;
  // Local mean times of the nineteenth century have seconds.
  int seconds = zone[0] == ':' && zone.size() == 3 ? digits_at(zone, 1, 2) : -1;
  if (seconds < 0 || seconds > 59) return std::nullopt;
  return written + std::string(zone);
}

std::optional<std::string> iso_text(std::string_view text) {
  int year = digits_at(text, 0, 4), month = digits_at(text, 5, 2), day = digits_at(text, 8, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
      text[4] != '-' || text[7] != '-') {
    return std::nullopt;
  }
  std::string written(text.substr(0, 10));
  if (text.size() == 10) return written;
  if (text[10] != ' ' && text[10] != 'T' && text[10] != 't') return std::nullopt;
  int hour = digits_at(text, 11, 2), minute = digits_at(text, 14, 2);
  if (hour < 0 || hour > 24 || minute < 0 || minute > 59 || text[13] != ':') return std::nullopt;
  std::size_t end = 16;
  if (text.size() > end && text[end] == ':') {
    int second = digits_at(text, 17, 2);
    if (second < 0 || second > 60) return std::nullopt;
    end = 19;
    if (text.size() > end && text[end] == '.') {
      std::size_t fraction = end + 1;
      end = fraction;
      while (end < text.size() && is_digit(text[end])) ++end;
      if (end == fraction) return std::nullopt;
    }
  }
  written += 'T';
  written += text.substr(11, end - 11);
  if (text.size() == end) return written;
  auto zone = iso_zone(text.substr(end));
  if (!zone.has_value()) return std::nullopt;
  return written + *zone;
}

std::optional<std::string> iso_unix(std::int64_t seconds, int milliseconds) {
  // 0000-01-01 to 9999-12-31: years of four digits.
  if (seconds < -62167219200 || seconds > 253402300799) return std::nullopt;
  auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 64> buffer{};
  std::size_t size = std::strftime(buffer.data(), buffer.size(), "-%m-%dT%H:%M:%S", &parts);
  std::string year = std::to_string(parts.tm_year + 1900);
  std::string written = std::string(4 - year.size(), '0') + year;
  written.append(buffer.data(), size);
  if (milliseconds != 0) {
    std::string fraction = std::to_string(1000 + milliseconds);
    written += '.' + fraction.substr(1);
  }
  return written + 'Z';
}

/// Of the moments that PostgreSQL knows and ISO 8601's four digits do not.
std::string why_not(const Value& value) {
  if (value.kind() != ValueKind::kText || !state::is_timestamp(value.bytes())) return "";
  if (value.bytes().ends_with("infinity")) return ": it lies beyond all time";
  if (value.bytes().ends_with(" BC")) return ": it lies before the year 1";
  return value.bytes().find('-') > 4 ? ": it lies behind the year 9999" : "";
}

Value iso8601(const Value& value) {
  std::optional<std::string> written;
  if (value.kind() == ValueKind::kText) {
    written = iso_text(value.bytes());
  } else if (value.kind() == ValueKind::kInteger) {
    written = iso_unix(value.as_integer(), 0);
  } else if (value.kind() == ValueKind::kReal && std::abs(value.as_real()) < 1e8) {
    constexpr double kUnixEpoch = 2440587.5;
    auto milliseconds =
        static_cast<std::int64_t>(std::floor((value.as_real() - kUnixEpoch) * 86400000.0 + 0.5));
    std::int64_t rest = ((milliseconds % 1000) + 1000) % 1000;
    written = iso_unix((milliseconds - rest) / 1000, static_cast<int>(rest));
  }
  if (!written.has_value()) {
    refuse(to_display(value) + " is not a date that iso8601 can write" + why_not(value),
           "mend the row, map the value with {$value: …, map: …}, or leave the filter out");
  }
  return Value::text(std::move(*written));
}

// ── upper, lower ─────────────────────────────────────────────────────────────────────────────────

/// Unicode's one-to-one case mapping, whatever locale the process runs in.
class CaseMapping {
 public:
  CaseMapping() : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ == nullptr) {
      throw state::Error("the locale C.UTF-8 is missing", "filters upper and lower",
                         "install it (package libc-bin), or leave these filters out");
    }
  }
  ~CaseMapping() { freelocale(locale_); }
  CaseMapping(const CaseMapping&) = delete;
  CaseMapping& operator=(const CaseMapping&) = delete;

  char32_t map(char32_t letter, bool upper) const {
    auto wide = static_cast<wint_t>(letter);
    return static_cast<char32_t>(upper ? towupper_l(wide, locale_) : towlower_l(wide, locale_));
  }

 private:
  locale_t locale_;
};

/// Length of the well-formed UTF-8 sequence at the front, 0 if there is none.
std::size_t utf8_length(std::string_view text, char32_t& letter) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  std::size_t length = byte(0) < 0x80   ? 1
                       : byte(0) < 0xc2 ? 0
                       : byte(0) < 0xe0 ? 2
                       : byte(0) < 0xf0 ? 3
                       : byte(0) < 0xf5 ? 4
                                        : 0;
  if (length == 0 || text.size() < length) return 0;
  static constexpr std::array<unsigned char, 5> kMask{0, 0x7f, 0x1f, 0x0f, 0x07};
  letter = byte(0) & kMask[length];
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    letter = (letter << 6) | (byte(i) & 0x3f);
  }
  static constexpr std::array<char32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  bool well_formed =
      letter >= kLeast[length] && letter <= 0x10ffff && (letter < 0xd800 || letter > 0xdfff);
  return well_formed ? length : 0;
}

void append_utf8(char32_t letter, std::string& out) {
  auto put = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (letter < 0x80) {
    put(letter);
  } else if (letter < 0x800) {
    put(0xc0 | (letter >> 6));
    put(0x80 | (letter & 0x3f));
  } else if (letter < 0x10000) {
    put(0xe0 | (letter >> 12));
    put(0x80 | ((letter >> 6) & 0x3f));
    put(0x80 | (letter & 0x3f));
  } else {
    put(0xf0 | (letter >> 18));
    put(0x80 | ((letter >> 12) & 0x3f));
    put(0x80 | ((letter >> 6) & 0x3f));
    put(0x80 | (letter & 0x3f));
  }
}

std::string change_case(std::string_view text, bool upper) {
  static const CaseMapping mapping;
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    char32_t letter = 0;
    std::size_t length = utf8_length(text, letter);
    if (length == 0) {
      // Bytes that are not UTF-8 have no case.
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    append_utf8(mapping.map(letter, upper), out);
    text.remove_prefix(length);
  }
  return out;
}

// ── pad ──────────────────────────────────────────────────────────────────────────────────────────

std::optional<int> pad_width(std::string_view argument) {
  int width = 0;
  auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), width);
  if (error != std::errc() || end != argument.data() + argument.size() || width < 1 ||
      width > kMaximumPad) {
    return std::nullopt;
  }
  return width;
}

/// Zeros on the left up to `width` characters; a number's sign stays in front.
std::string pad(const Value& value, int width) {
  std::string text = value_text(value);
  std::size_t characters = 0;
  for (char c : text) characters += (static_cast<unsigned char>(c) & 0xc0) == 0x80 ? 0 : 1;
  if (characters >= static_cast<std::size_t>(width)) return text;
  bool sign = value.kind() != ValueKind::kText && text.starts_with('-');
  text.insert(sign ? 1 : 0, static_cast<std::size_t>(width) - characters, '0');
  return text;
}

// ── uuid5 ────────────────────────────────────────────────────────────────────────────────────────
//
// RFC 4122, 4.3: SHA-1 over the namespace's 16 bytes and the name; the first 16 bytes of the
// digest, with version 5 and the RFC's variant put in.

using Uuid = std::array<unsigned char, 16>;

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text == "dns") text = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
  if (text == "url") text = "6ba7b811-9dad-11d1-80b4-00c04fd430c8";
  if (text == "oid") text = "6ba7b812-9dad-11d1-80b4-00c04fd430c8";
  if (text == "x500") text = "6ba7b814-9dad-11d1-80b4-00c04fd430c8";
  if (text.size() != 36) return std::nullopt;
  Uuid uuid{};
  std::size_t filled = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i++] != '-') return std::nullopt;
      continue;
    }
    unsigned int byte = 0;
    auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc() || end != text.data() + i + 2) return std::nullopt;
    uuid[filled++] = static_cast<unsigned char>(byte);
    i += 2;
  }
  return uuid;
}

std::string uuid5(const Uuid& space, std::string_view name) {
  std::string input(space.begin(), space.end());
  input += name;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(input.data(), input.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) {
    throw state::Error("the crypto library has no SHA-1", "filter uuid5",
                       "allow SHA-1 in the OpenSSL configuration, or leave the filter out");
  }
  digest[6] = static_cast<unsigned char>((digest[6] & 0x0f) | 0x50);
  digest[8] = static_cast<unsigned char>((digest[8] & 0x3f) | 0x80);
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string written;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) written += '-';
    written += kDigits[digest[i] >> 4];
    written += kDigits[digest[i] & 15];
  }
  return written;
}

}  // namespace

const std::vector<std::string>& filter_names() {
  static const std::vector<std::string> names{"iso8601", "upper", "lower", "pad", "uuid5"};
  return names;
}

std::optional<std::string> check_filter(const Filter& filter) {
  if (filter.name == "iso8601" || filter.name == "upper" || filter.name == "lower") {
    if (filter.argument.empty()) return std::nullopt;
    return "the filter " + filter.name + " takes no argument";
  }
  if (filter.name == "pad") {
    if (pad_width(filter.argument).has_value()) return std::nullopt;
    return "the filter pad takes a width from 1 to " + std::to_string(kMaximumPad) + ": pad(8)";
  }
  if (filter.name == "uuid5") {
    if (parse_uuid(filter.argument).has_value()) return std::nullopt;
    return "the filter uuid5 takes its namespace: a UUID, or dns, url, oid or x500";
  }
  std::string nearest = nearest_name(filter.name, filter_names());
  return "there is no filter '" + filter.name + "'" +
         (nearest.empty() ? "; the filters are iso8601, upper, lower, pad(n) and uuid5(namespace)"
                          : "; did you mean " + nearest + "?");
}

state::Value apply_filter(const Filter& filter, const Value& value) {
  if (filter.name == "iso8601") return iso8601(value);
  if (filter.name == "upper") return Value::text(change_case(value_text(value), true));
  if (filter.name == "lower") return Value::text(change_case(value_text(value), false));
  if (filter.name == "pad") return Value::text(pad(value, pad_width(filter.argument).value_or(0)));
  return Value::text(uuid5(parse_uuid(filter.argument).value_or(Uuid{}), value_text(value)));
}

std::string value_text(const Value& value) {
  switch (value.kind()) {
    case ValueKind::kText:
      return value.bytes();
    case ValueKind::kInteger:
      return std::to_string(value.as_integer());
    case ValueKind::kReal: {
      double number = value.as_real();
      if (number == 0) return "0";  // also of -0.0: the target has one zero
      bool plain = std::abs(number) >= 1e-7 && std::abs(number) < 1e21;
      std::array<char, 64> digits{};
      auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number,
                               plain ? std::chars_format::fixed : std::chars_format::scientific)
                     .ptr;
      return {digits.data(), end};
    }
    case ValueKind::kBlob:
      refuse("bytes have no text to put between other text",
             "use the column alone, or {$value: …, as: bytes}");
    case ValueKind::kNull:
    case ValueKind::kUnchanged:
      break;
  }
  refuse("a null has no text", "give it a default with {$value: …, default: …}");
}

}  // namespace tandem::sink
