// Scalars of the config as values: by YAML 1.2's core schema, numbers with all their digits.
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include "agent/config_reader.h"

namespace tandem::agent {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Moves `at` past digits; true if there was one.
bool skip_digits(std::string_view text, std::size_t& at) {
  const std::size_t from = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  return at > from;
}

/// [-+]? ( digits [. digits?] | . digits ) ( [eE] [-+]? digits )?
std::optional<ScalarType> decimal_type(std::string_view text) {
  std::size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  bool digits = skip_digits(text, at);
  if (at == text.size()) return digits ? std::optional(ScalarType::kInteger) : std::nullopt;
  if (text[at] == '.') {
    ++at;
    digits = skip_digits(text, at) || digits;
  }
  if (!digits) return std::nullopt;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (!skip_digits(text, at)) return std::nullopt;
  }
  return at == text.size() ? std::optional(ScalarType::kFloat) : std::nullopt;
}

/// 0x1F and 0o17 as decimal digits; nothing for what is neither.
std::optional<std::string> from_radix(std::string_view text) {
  const int radix = text.starts_with("0x") ? 16 : text.starts_with("0o") ? 8 : 0;
  if (radix == 0) return std::nullopt;
  std::uint64_t number = 0;
  const char* last = text.data() + text.size();
  auto [end, error] = std::from_chars(text.data() + 2, last, number, radix);
  if (error != std::errc() || end != last || text.size() == 2) return std::nullopt;
  return std::to_string(number);
}

/// The digits in the one form that every reader of numbers takes: no plus, no bare point.
std::string plain_digits(std::string_view text) {
  if (auto converted = from_radix(text)) return *converted;
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && i == 0) continue;
    if (text[i] == '.') {
      if (digits.empty() || !is_digit(digits.back())) digits += '0';
      if (i + 1 == text.size() || !is_digit(text[i + 1])) continue;
    }
    digits += text[i];
  }
  return digits;
}

bool is_special_float(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return text == ".inf" || text == ".Inf" || text == ".INF" || text == ".nan" || text == ".NaN" ||
         text == ".NAN";
}

bool is_true(std::string_view text) { return text == "true" || text == "True" || text == "TRUE"; }
bool is_false(std::string_view text) {
  return text == "false" || text == "False" || text == "FALSE";
}

}  // namespace

ScalarType scalar_type(const ConfigNode& node) {
  if (node.quoted) return ScalarType::kText;
  if (is_true(node.text) || is_false(node.text)) return ScalarType::kBool;
  if (is_special_float(node.text)) return ScalarType::kFloat;
  if (from_radix(node.text)) return ScalarType::kInteger;
  return decimal_type(node.text).value_or(ScalarType::kText);
}

std::optional<sink::Attribute> read_constant(const ConfigNode& node, MistakeList& mistakes) {
  if (node.broken) return std::nullopt;
  if (node.is_null()) return sink::Attribute();
  if (node.is_list()) {
    sink::AttributeList elements;
    for (const ConfigNode& element : node.elements) {
      if (auto constant = read_constant(element, mistakes)) {
        elements.push_back(std::move(*constant));
      }
    }
    return sink::Attribute::list(std::move(elements));
  }
  if (node.is_map()) {
    sink::AttributeMap entries;
    for (const auto& [name, value] : node.entries) {
      if (auto constant = read_constant(value, mistakes)) {
        entries.emplace_back(name.text.starts_with("$$") ? name.text.substr(1) : name.text,
                             std::move(*constant));
      }
    }
    sink::sort_map(entries);
    return sink::Attribute::map(std::move(entries));
  }
  switch (scalar_type(node)) {
    case ScalarType::kBool:
      return sink::Attribute::boolean(is_true(node.text));
    case ScalarType::kInteger:
    case ScalarType::kFloat:
      try {
        return sink::Attribute::number(plain_digits(node.text));
      } catch (const state::Error&) {
        mistakes.add(node, shown(node) +
                               " is no number that a target holds (38 digits, no "
                               "infinity); quote it to mean text");
        return std::nullopt;
      }
    case ScalarType::kText:
      break;
  }
  return sink::Attribute::string(node.text);
}

std::optional<state::Value> read_value(const ConfigNode& node, MistakeList& mistakes) {
  if (node.broken) return std::nullopt;
  if (node.is_null()) return state::Value::null();
  if (!node.is_scalar()) {
    mistakes.add(node, "must be a plain value, but is " + std::string(kind_name(node)));
    return std::nullopt;
  }
  switch (scalar_type(node)) {
    case ScalarType::kBool:
      return state::Value::integer(is_true(node.text) ? 1 : 0);
    case ScalarType::kInteger:
    case ScalarType::kFloat: {
      const std::string digits = plain_digits(node.text);
      const char* last = digits.data() + digits.size();
      std::int64_t integer = 0;
      auto [end, error] = std::from_chars(digits.data(), last, integer);
      if (error == std::errc() && end == last) return state::Value::integer(integer);
      double real = 0;
      auto [stop, problem] = std::from_chars(digits.data(), last, real);
      if (problem == std::errc() && stop == last) return state::Value::real(real);
      mistakes.add(node, shown(node) + " is beyond what a column compares as a number");
      return std::nullopt;
    }
    case ScalarType::kText:
      break;
  }
  return state::Value::text(node.text);
}

std::optional<sink::Path> read_path(const ConfigNode& node, MistakeList& mistakes) {
  std::optional<std::string> text = read_name(node, mistakes);
  if (!text) return std::nullopt;
  try {
    return sink::parse_path(*text, node.line);
  } catch (const std::invalid_argument& error) {
    mistakes.add(node, node.from_environment() ? shown(node) + " gives no path in this environment"
                                               : std::string(error.what()));
    return std::nullopt;
  }
}

std::optional<sink::Template> read_template(const ConfigNode& node, MistakeList& mistakes) {
  std::optional<std::string> text = read_text(node, mistakes);
  if (!text) return std::nullopt;
  try {
    return sink::parse_template(*text, node.line);
  } catch (const std::invalid_argument& error) {
    mistakes.add(node, node.from_environment()
                           ? shown(node) + " gives no template in this environment"
                           : std::string(error.what()));
    return std::nullopt;
  }
}

}  // namespace tandem::agent
