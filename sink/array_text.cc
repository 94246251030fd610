#include "sink/array_text.h"

#include <cstdint>
#include <string>
#include <utility>

#include "sink/evaluate.h"

namespace tandem::sink {
namespace {

enum class Element : std::uint8_t { kText, kNumber, kBoolean, kJson, kBytes };

/// By the element type's name, without what stands in brackets behind it.
Element element_of(std::string_view declared_type) {
  const std::string_view name = declared_type.substr(0, declared_type.find_first_of("[("));
  const auto is = [name](auto... names) { return ((name == names) || ...); };
  if (is("smallint", "integer", "bigint", "oid", "numeric", "real", "double precision")) {
    return Element::kNumber;
  }
  if (is("boolean")) return Element::kBoolean;
  if (is("json", "jsonb")) return Element::kJson;
  if (is("bytea")) return Element::kBytes;
  return Element::kText;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// array   := [ bounds "=" ] braces
// bounds  := { "[" lower ":" upper "]" }
// braces  := "{" [ element { separator element } ] "}"
// element := braces | '"' { character | "\" character } '"' | NULL | plain
class ArrayReader {
 public:
  ArrayReader(std::string_view text, std::string_view declared_type)
      : text_(text),
        element_(element_of(declared_type)),
        separator_(declared_type.starts_with("box[") ? ';' : ',') {}

  Attribute read() {
    if (peek() == '[') {
      at_ = text_.find('=');
      if (at_ == std::string_view::npos) refuse();
      ++at_;
    }
    Attribute list = braces(0);
    if (at_ != text_.size()) refuse();
    return list;
  }

 private:
  // PostgreSQL allows six dimensions.
  static constexpr int kDeepest = 16;

  [[noreturn]] void refuse() const {
    constexpr std::size_t kShown = 60;
    throw InvalidItem(std::string(text_.substr(0, kShown)) + " is no array", "",
                      "mend the row, or leave `as: json` out");
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  char next() {
    if (at_ >= text_.size()) refuse();
    return text_[at_++];
  }

  Attribute braces(int depth) {
    if (depth > kDeepest || next() != '{') refuse();
    AttributeList elements;
    if (peek() == '}') {
      ++at_;
      return Attribute::list(std::move(elements));
    }
    for (;;) {
      elements.push_back(element(depth));
      const char behind = next();
      if (behind == '}') return Attribute::list(std::move(elements));
      if (behind != separator_) refuse();
    }
  }

  Attribute element(int depth) {
    if (peek() == '{') return braces(depth + 1);
    std::string text;
    if (peek() == '"') {
      ++at_;
      for (char c = next(); c != '"'; c = next()) text += c == '\\' ? next() : c;
      return typed(std::move(text));
    }
    while (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '}') {
      text += text_[at_] == '\\' ? (++at_, next()) : text_[at_++];
    }
    if (text.empty()) refuse();
    if (text == "NULL") return {};
    return typed(std::move(text));
  }

  Attribute typed(std::string text) const {
    switch (element_) {
      case Element::kNumber:
        return to_attribute(state::Value::text(std::move(text)), state::ColumnForm::kDecimal);
      case Element::kBoolean:
        return Attribute::boolean(text == "t");
      case Element::kJson:
        return attribute_from_json(text);
      case Element::kBytes:
        return bytes(text);
      case Element::kText:
        break;
    }
    return Attribute::string(std::move(text));
  }

  // \x00ff
  Attribute bytes(std::string_view text) const {
    if (!text.starts_with("\\x") || text.size() % 2 != 0) refuse();
    std::string bytes;
    for (std::size_t i = 2; i < text.size(); i += 2) {
      const int high = hex_digit(text[i]);
      const int low = hex_digit(text[i + 1]);
      if (high < 0 || low < 0) refuse();
      bytes += static_cast<char>(static_cast<unsigned char>(high * 16 + low));
    }
    return Attribute::binary(std::move(bytes));
  }

  std::string_view text_;
  const Element element_;
  const char separator_;
  std::size_t at_ = 0;
};

}  // namespace

Attribute attribute_from_array(std::string_view text, std::string_view declared_type) {
  return ArrayReader(text, declared_type).read();
}

}  // namespace tandem::sink
