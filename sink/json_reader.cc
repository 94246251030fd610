#include "sink/json_reader.h"

#include <array>

#include "sink/item.h"

namespace tandem::sink {
namespace {

// A DynamoDB item of 32 levels has two brackets a level, and an envelope around it.
constexpr int kMaximumDepth = 128;

constexpr std::array<bool, 256> plain_characters() {
  std::array<bool, 256> plain{};
  for (int i = 0; i < 256; i++)
    plain[static_cast<std::size_t>(i)] = i >= 0x20 && i != '"' && i != '\\';
  return plain;
}
constexpr std::array<bool, 256> kPlain = plain_characters();

void append_utf8(unsigned code, std::string& out) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0U | (code >> 6U)));
    out.push_back(static_cast<char>(0x80U | (code & 0x3FU)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xE0U | (code >> 12U)));
    out.push_back(static_cast<char>(0x80U | ((code >> 6U) & 0x3FU)));
    out.push_back(static_cast<char>(0x80U | (code & 0x3FU)));
  } else {
    out.push_back(static_cast<char>(0xF0U | (code >> 18U)));
    out.push_back(static_cast<char>(0x80U | ((code >> 12U) & 0x3FU)));
    out.push_back(static_cast<char>(0x80U | ((code >> 6U) & 0x3FU)));
    out.push_back(static_cast<char>(0x80U | (code & 0x3FU)));
  }
}

}  // namespace

void JsonReader::fail(const std::string& wanted) const {
  throw InvalidItem("not valid JSON: " + wanted, "byte " + std::to_string(at_),
                    "correct the text, or keep it as a string");
}

char JsonReader::peek() {
  while (at_ < text_.size()) {
    char letter = text_[at_];
    if (letter != ' ' && letter != '\n' && letter != '\r' && letter != '\t') return letter;
    at_++;
  }
  return 0;
}

void JsonReader::enter(char bracket) {
  expect(bracket);
  if (++depth_ > kMaximumDepth) fail("nested too deep");
}

bool JsonReader::leave(char bracket) {
  if (peek() != bracket) return false;
  at_++;
  return true;
}

bool JsonReader::comma_or(char bracket) {
  char letter = peek();
  if (letter != ',' && letter != bracket)
    fail(std::string("a comma or ") + bracket + " is missing");
  at_++;
  return letter == ',';
}

void JsonReader::expect(char letter) {
  if (peek() != letter) fail(std::string("expected ") + letter);
  at_++;
}

void JsonReader::literal(std::string_view word) {
  peek();
  if (text_.substr(at_, word.size()) != word) fail("expected " + std::string(word));
  at_ += word.size();
}

std::string JsonReader::string() {
  expect('"');
  std::string out;
  for (;;) {
    std::size_t start = at_;
    while (at_ < text_.size() && kPlain[static_cast<unsigned char>(text_[at_])]) at_++;
    out.append(text_, start, at_ - start);
    if (at_ == text_.size()) fail("a string has no end");
    char letter = text_[at_++];
    if (letter == '"') return out;
    if (letter != '\\') fail("a control character in a string");
    read_escape(out);
  }
}

void JsonReader::read_escape(std::string& out) {
  if (at_ == text_.size()) fail("a string has no end");
  switch (text_[at_++]) {
    case '"':
      out.push_back('"');
      return;
    case '\\':
      out.push_back('\\');
      return;
    case '/':
      out.push_back('/');
      return;
    case 'b':
      out.push_back('\b');
      return;
    case 'f':
      out.push_back('\f');
      return;
    case 'n':
      out.push_back('\n');
      return;
    case 'r':
      out.push_back('\r');
      return;
    case 't':
      out.push_back('\t');
      return;
    case 'u':
      break;
    default:
      fail("an unknown escape");
  }
  unsigned code = read_hex4();
  if (code >= 0xDC00 && code <= 0xDFFF) fail("a lone surrogate");
  if (code >= 0xD800 && code <= 0xDBFF) {
    if (text_.substr(at_, 2) != "\\u") fail("a lone surrogate");
    at_ += 2;
    unsigned low = read_hex4();
    if (low < 0xDC00 || low > 0xDFFF) fail("a lone surrogate");
    code = 0x10000 + ((code - 0xD800) << 10U) + (low - 0xDC00);
  }
  append_utf8(code, out);
}

unsigned JsonReader::read_hex4() {
  if (text_.size() - at_ < 4) fail("an escape is cut off");
  unsigned code = 0;
  for (int i = 0; i < 4; i++) {
    char letter = text_[at_++];
    unsigned digit = 0;
    if (letter >= '0' && letter <= '9') {
      digit = static_cast<unsigned>(letter - '0');
    } else if (letter >= 'a' && letter <= 'f') {
      digit = static_cast<unsigned>(letter - 'a') + 10;
    } else if (letter >= 'A' && letter <= 'F') {
      digit = static_cast<unsigned>(letter - 'A') + 10;
    } else {
      fail("an escape needs four hexadecimal digits");
    }
    code = code * 16 + digit;
  }
  return code;
}

std::string_view JsonReader::number() {
  peek();
  const std::size_t start = at_;
  auto digits = [&] {
    std::size_t first = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') at_++;
    if (at_ == first) fail("expected a value");
  };
  auto next_is = [&](char letter) { return at_ < text_.size() && text_[at_] == letter; };
  if (next_is('-')) at_++;
  if (next_is('0')) {
    at_++;
  } else {
    digits();
  }
  if (next_is('.')) {
    at_++;
    digits();
  }
  if (next_is('e') || next_is('E')) {
    at_++;
    if (next_is('+') || next_is('-')) at_++;
    digits();
  }
  return text_.substr(start, at_ - start);
}

bool JsonReader::boolean() {
  if (peek() == 't') {
    literal("true");
    return true;
  }
  literal("false");
  return false;
}

void JsonReader::null() { literal("null"); }

void JsonReader::skip() {
  switch (peek()) {
    case '{':
      object([this](const std::string&) { skip(); });
      return;
    case '[':
      array([this] { skip(); });
      return;
    case '"':
      string();
      return;
    case 't':
    case 'f':
      boolean();
      return;
    case 'n':
      null();
      return;
    default:
      number();
  }
}

void JsonReader::end() {
  if (peek() != 0 || at_ != text_.size()) fail("something follows the value");
}

}  // namespace tandem::sink
