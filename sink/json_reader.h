// Reads JSON text value by value (RFC 8259), with numbers as the digits that stand there.
//
// The caller says what it wants next; anything else is an error. Text is hostile until read: depth
// is limited, escapes must be whole, and a lone surrogate has no UTF-8 and is refused. Bytes beyond
// ASCII are handed over as they are. One thread. Errors: InvalidItem with the byte where it went
// wrong.
#pragma once

#include <string>
#include <string_view>

namespace tandem::sink {

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  /// The first character of the next value or punctuation, 0 at the end.
  char peek();
  std::string string();
  std::string_view number();
  bool boolean();
  void null();
  /// Reads over a value of any kind.
  void skip();
  /// Nothing but white space may follow.
  void end();

  /// Calls member(name), which must read the value.
  template <typename Member>
  void object(Member&& member) {
    enter('{');
    if (!leave('}')) {
      do {
        std::string name = string();
        expect(':');
        member(std::move(name));
      } while (comma_or('}'));
    }
    depth_--;
  }
  /// Calls element(), which must read the value.
  template <typename Element>
  void array(Element&& element) {
    enter('[');
    if (!leave(']')) {
      do {
        element();
      } while (comma_or(']'));
    }
    depth_--;
  }
  [[noreturn]] void fail(const std::string& wanted) const;

 private:
  void enter(char bracket);
  bool leave(char bracket);
  bool comma_or(char bracket);
  void expect(char letter);
  void literal(std::string_view word);
  void read_escape(std::string& out);
  unsigned read_hex4();

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace tandem::sink
