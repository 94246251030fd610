// Pieces of JSON text, appended.
#pragma once

#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include "state/json_string.h"

namespace tandem::state {

template <typename Number>
void append_number(Number number, std::string& out) {
  std::array<char, 24> digits;
  auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(digits.data(), end);
}

/// `"name":number`.
template <typename Number>
void append_member(std::string_view name, Number number, std::string& out) {
  out += '"';
  out += name;
  out += "\":";
  append_number(number, out);
}

/// `"name":"text"`.
inline void append_quoted(std::string_view name, std::string_view text, std::string& out) {
  out += '"';
  out += name;
  out += "\":";
  append_json_string(text, out);
}

/// `[…,…]`, with each(item) between the commas.
template <typename List, typename Each>
void append_list(const List& list, std::string& out, Each each) {
  out += '[';
  bool first = true;
  for (const auto& item : list) {
    if (!std::exchange(first, false)) out += ',';
    each(item);
  }
  out += ']';
}

}  // namespace tandem::state
