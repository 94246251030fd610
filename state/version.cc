// Versions and hashes as the text that targets hold.
#include <algorithm>
#include <charconv>

#include "state/ledger.h"

namespace tandem::state {
namespace {

constexpr int kOffsetDigits = 15;  // an offset has at most so many; the epoch stands before them
constexpr char kHexDigits[] = "0123456789abcdef";

int hex_digit(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
  return -1;
}

}  // namespace

std::string Version::to_number() const {
  std::string offset_digits = std::to_string(offset);
  if (epoch == 0) return offset_digits;
  std::string number = std::to_string(epoch);
  number.append(kOffsetDigits - std::min<std::size_t>(kOffsetDigits, offset_digits.size()), '0');
  return number + offset_digits;
}

std::optional<Version> Version::from_number(std::string_view digits) {
  Version version;
  std::string_view high =
      digits.size() > kOffsetDigits ? digits.substr(0, digits.size() - kOffsetDigits) : "0";
  std::string_view low =
      digits.size() > kOffsetDigits ? digits.substr(digits.size() - kOffsetDigits) : digits;
  if (low.empty() || low.front() == '-') return std::nullopt;
  auto [high_end, high_error] =
      std::from_chars(high.data(), high.data() + high.size(), version.epoch);
  auto [low_end, low_error] = std::from_chars(low.data(), low.data() + low.size(), version.offset);
  if (high_error != std::errc() || low_error != std::errc()) return std::nullopt;
  if (high_end != high.data() + high.size() || low_end != low.data() + low.size()) {
    return std::nullopt;
  }
  return version;
}

std::string to_hex(const Hash& hash) {
  std::string text;
  text.reserve(hash.size() * 2);
  for (std::uint8_t byte : hash) {
    text.push_back(kHexDigits[byte >> 4U]);
    text.push_back(kHexDigits[byte & 15U]);
  }
  return text;
}

std::optional<Hash> hash_from_hex(std::string_view hex) {
  Hash hash{};
  if (hex.size() != hash.size() * 2) return std::nullopt;
  for (std::size_t i = 0; i < hash.size(); i++) {
    int high = hex_digit(hex[2 * i]);
    int low = hex_digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    hash[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return hash;
}

}  // namespace tandem::state
