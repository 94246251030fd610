#include "sink/json_writer.h"

#include <array>

namespace tandem::sink {
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

}  // namespace

void append_json_string(std::string_view text, std::string& out) {
  out.push_back('"');
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); i++) {
    if (!kEscaped[static_cast<unsigned char>(text[i])]) continue;
    out.append(text, start, i - start);
    append_escape(text[i], out);
    start = i + 1;
  }
  out.append(text, start);
  out.push_back('"');
}

}  // namespace tandem::sink
