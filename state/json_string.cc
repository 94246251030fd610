#include "state/json_string.h"

#include <array>
#include <cstdint>
#include <cstring>

namespace tandem::state {
namespace {

constexpr std::array<bool, 256> escaped_characters() {
  std::array<bool, 256> escaped{};
  for (std::size_t i = 0; i < 0x20; i++) escaped[i] = true;
  escaped['"'] = true;
  escaped['\\'] = true;
  return escaped;
}
constexpr std::array<bool, 256> kEscaped = escaped_characters();

void append_escape(char letter, std::string& out) {
  constexpr char kDigits[] = "0123456789abcdef";
  switch (letter) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default: {
      auto byte = static_cast<unsigned char>(letter);
      out += "\\u00";
      out.push_back(kDigits[byte >> 4U]);
      out.push_back(kDigits[byte & 15U]);
    }
  }
}

// Whether one of eight bytes is to be escaped: the highest bit of each byte that is below 0x20, a
// quote or a backslash is set, and perhaps some above such a byte. (Bytes of 0x80 and more are not
// below 0x20: `& ~word` leaves them out.)
bool any_escaped(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kHighs = kOnes * 0x80;
  auto below = [&](std::uint64_t bytes, std::uint64_t limit) {
    return (bytes - kOnes * limit) & ~bytes & kHighs;
  };
  return (below(word, 0x20) | below(word ^ (kOnes * '"'), 1) | below(word ^ (kOnes * '\\'), 1)) !=
         0;
}

// How many bytes from the front need no escape.
std::size_t plain_length(std::string_view text) {
  std::size_t length = 0;
  std::uint64_t word = 0;
  for (; length + sizeof word <= text.size(); length += sizeof word) {
    std::memcpy(&word, text.data() + length, sizeof word);
    if (any_escaped(word)) break;
  }
  while (length < text.size() && !kEscaped[static_cast<unsigned char>(text[length])]) length++;
  return length;
}

}  // namespace

void append_json_string(std::string_view text, std::string& out) {
  out.push_back('"');
  for (;;) {
    const std::size_t plain = plain_length(text);
    out.append(text, 0, plain);
    if (plain == text.size()) break;
    append_escape(text[plain], out);
    text.remove_prefix(plain + 1);
  }
  out.push_back('"');
}

}  // namespace tandem::state
