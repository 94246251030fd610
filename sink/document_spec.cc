#include "sink/document_spec.h"

#include <algorithm>
#include <stdexcept>

#include "sink/filter.h"

// The grammar of templates and paths:
//
//   template    := { text | "{{" | "}}" | placeholder }
//   placeholder := "{" path { ":" name [ "(" argument ")" ] } "}"
//   path        := segment { "." segment }
//   segment     := any characters but . : [ ] { }   |   "[" any characters, "]]" for "]" "]"
namespace tandem::sink {
namespace {

[[noreturn]] void wrong(const std::string& text) { throw std::invalid_argument(text); }

/// Takes a path from the front of `text`, up to a character that no path has.
Path take_path(std::string_view& text, int line) {
  Path path;
  path.line = line;
  while (true) {
    std::string segment;
    if (!text.empty() && text.front() == '[') {
      text.remove_prefix(1);
      while (true) {
        std::size_t end = text.find(']');
        if (end == std::string_view::npos) wrong("a name in brackets lacks its ]");
        segment += text.substr(0, end);
        text.remove_prefix(end + 1);
        if (text.empty() || text.front() != ']') break;
        segment += ']';
        text.remove_prefix(1);
      }
    } else {
      std::size_t end = std::min(text.find_first_of(".:[]{}"), text.size());
      segment = text.substr(0, end);
      text.remove_prefix(end);
    }
    if (segment.empty()) wrong("a name is missing in a path");
    path.segments.push_back(std::move(segment));
    if (text.empty() || text.front() != '.') return path;
    text.remove_prefix(1);
  }
}

Filter take_filter(std::string_view& text) {
  Filter filter;
  std::size_t end = std::min(text.find_first_of("(:}"), text.size());
  filter.name = text.substr(0, end);
  text.remove_prefix(end);
  if (!text.empty() && text.front() == '(') {
    std::size_t close = text.find(')');
    if (close == std::string_view::npos) wrong("the argument of " + filter.name + " lacks its )");
    filter.argument = text.substr(1, close - 1);
    text.remove_prefix(close + 1);
  }
  if (auto mistake = check_filter(filter)) wrong(*mistake);
  return filter;
}

Template::Part take_placeholder(std::string_view& text, int line) {
  Template::Part part;
  part.path = take_path(text, line);
  while (!text.empty() && text.front() == ':') {
    text.remove_prefix(1);
    part.filters.push_back(take_filter(text));
  }
  if (text.empty()) wrong("a { lacks its }; a brace as text is written {{");
  if (text.front() != '}') {
    wrong("unexpected '" + std::string(text.substr(0, 1)) +
          "' between { and }; a column with an odd name is written {[odd name]}");
  }
  text.remove_prefix(1);
  return part;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

/// Edits (insert, remove, replace, swap two neighbours) that turn `a` into `b`, case aside.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> older(b.size() + 1), previous(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t differs = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
      row[j] = std::min({previous[j] + 1, row[j - 1] + 1, previous[j - 1] + differs});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], older[j - 2] + 1);
      }
    }
    std::swap(older, previous);
    std::swap(previous, row);
  }
  return previous[b.size()];
}

}  // namespace

Path parse_path(std::string_view text, int line) {
  Path path = take_path(text, line);
  if (!text.empty()) {
    wrong("unexpected '" + std::string(text.substr(0, 1)) +
          "' in a path; an odd name is written in brackets: [odd name]");
  }
  return path;
}

Template parse_template(std::string_view text, int line) {
  Template parsed;
  parsed.line = line;
  std::string literal;
  auto end_literal = [&] {
    if (literal.empty()) return;
    parsed.parts.push_back({.literal = std::move(literal)});
    literal.clear();
  };
  while (!text.empty()) {
    char c = text.front();
    text.remove_prefix(1);
    if (c == '{' || c == '}') {
      if (!text.empty() && text.front() == c) {
        text.remove_prefix(1);
      } else if (c == '}') {
        wrong("a } lacks its {; a brace as text is written }}");
      } else {
        end_literal();
        parsed.parts.push_back(take_placeholder(text, line));
        continue;
      }
    }
    literal += c;
  }
  end_literal();
  return parsed;
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  // A third of the name may be wrong; in a short name one letter.
  std::size_t best = std::max<std::size_t>(1, name.size() / 3) + 1;
  std::string nearest;
  for (const std::string& candidate : candidates) {
    std::size_t longer = std::max(name.size(), candidate.size());
    if (longer - std::min(name.size(), candidate.size()) >= best) continue;
    std::size_t distance = edit_distance(name, candidate);
    // A name of which nothing is left is not near.
    if (distance < best && distance < longer) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace tandem::sink
