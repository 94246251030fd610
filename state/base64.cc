#include "state/base64.h"

#include <array>
#include <cstdint>

namespace tandem::state {
namespace {

constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNoLetter = 0xFF;

constexpr std::array<std::uint8_t, 256> letter_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoLetter);
  for (std::uint8_t i = 0; i < 64; i++) values[static_cast<unsigned char>(kLetters[i])] = i;
  return values;
}
constexpr std::array<std::uint8_t, 256> kValues = letter_values();

unsigned byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<unsigned char>(bytes[i]);
}

}  // namespace

void append_base64(std::string_view bytes, std::string& out) {
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    unsigned group = byte_at(bytes, i) << 16U | byte_at(bytes, i + 1) << 8U | byte_at(bytes, i + 2);
    out.push_back(kLetters[group >> 18U]);
    out.push_back(kLetters[(group >> 12U) & 63U]);
    out.push_back(kLetters[(group >> 6U) & 63U]);
    out.push_back(kLetters[group & 63U]);
  }
  if (i == bytes.size()) return;
  const bool two = bytes.size() - i == 2;
  unsigned group = byte_at(bytes, i) << 16U | (two ? byte_at(bytes, i + 1) << 8U : 0U);
  out.push_back(kLetters[group >> 18U]);
  out.push_back(kLetters[(group >> 12U) & 63U]);
  out.push_back(two ? kLetters[(group >> 6U) & 63U] : '=');
  out.push_back('=');
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    std::size_t padding = 0;
    if (last && text[i + 3] == '=') padding = text[i + 2] == '=' ? 2 : 1;
    unsigned group = 0;
    for (std::size_t k = 0; k < 4; k++) {
      unsigned value = 0;
      if (k < 4 - padding) {
        value = kValues[byte_at(text, i + k)];
        if (value == kNoLetter) return std::nullopt;
      }
      group = group << 6U | value;
    }
    if (padding == 2 && (group & 0xFFFFU) != 0) return std::nullopt;
    if (padding == 1 && (group & 0xFFU) != 0) return std::nullopt;
    out.push_back(static_cast<char>(group >> 16U));
    if (padding < 2) out.push_back(static_cast<char>(group >> 8U));
    if (padding < 1) out.push_back(static_cast<char>(group));
  }
  return out;
}

}  // namespace tandem::state
