#include "agent/guess_names.h"

#include <algorithm>
#include <array>

namespace tandem::agent {
namespace {

// Locale-free: identifiers fold in ASCII only.
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return is_upper(c) || is_lower(c); }
char to_lower(char c) { return is_upper(c) ? static_cast<char>(c + ('a' - 'A')) : c; }
char to_upper(char c) { return is_lower(c) ? static_cast<char>(c - ('a' - 'A')) : c; }

bool is_plain_word(std::string_view text) {
  return !text.empty() && (is_letter(text[0]) || text[0] == '_') &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

/// Words that some reader of YAML takes for something else than text.
bool is_reserved(std::string_view text) {
  constexpr std::array kWords = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [text](const char* word) { return same_letters(text, word); });
}

std::string double_quoted(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\x";
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    } else if (text.substr(i).starts_with("${")) {
      out += "$$";
    } else {
      out += c;
    }
  }
  return out + '"';
}

bool ends_with_word(std::string_view text, std::string_view ending) {
  return text.size() > ending.size() &&
         same_letters(text.substr(text.size() - ending.size()), ending);
}

}  // namespace

bool same_letters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return to_lower(x) == to_lower(y); });
}

std::string yaml_text(std::string_view text) {
  if (is_plain_word(text) && !is_reserved(text)) return std::string(text);
  return double_quoted(text);
}

std::string yaml_attribute(std::string_view name) {
  return yaml_text(name.starts_with("$") ? "$" + std::string(name) : std::string(name));
}

std::string path_text(std::string_view column) {
  if (is_plain_word(column)) return std::string(column);
  std::string out = "[";
  for (char c : column) out += c == ']' ? "]]" : std::string(1, c);
  return out + "]";
}

std::string comment_text(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return out;
}

std::string bare_name(std::string_view table) {
  return std::string(table.substr(table.rfind('.') + 1));  // npos + 1 is 0
}

std::string pointed_at(std::string_view column) {
  for (std::string_view ending : {"_id", "_key", "_fk", "_no"}) {
    if (ends_with_word(column, ending)) {
      return std::string(column.substr(0, column.size() - ending.size()));
    }
  }
  // "Paid" ends with "id" as well: only a capital begins a word there.
  if (ends_with_word(column, "id") && is_upper(column[column.size() - 2])) {
    return std::string(column.substr(0, column.size() - 2));
  }
  return std::string(column);
}

std::string joined_name(std::string_view first, std::string_view second) {
  const bool capitals =
      std::any_of(first.begin(), first.end(), is_upper) || (!second.empty() && is_upper(second[0]));
  const bool spaced = first.find('_') != std::string_view::npos || !capitals;
  return std::string(first) + (spaced ? "_" : "") + std::string(second);
}

std::string plural(std::string_view name) {
  if (name.empty() || to_lower(name.back()) == 's') return std::string(name);
  const bool before_vowel =
      name.size() > 1 &&
      std::string_view("aeiou").find(to_lower(name[name.size() - 2])) != std::string_view::npos;
  if (to_lower(name.back()) == 'y' && !before_vowel) {
    return std::string(name.substr(0, name.size() - 1)) + "ies";
  }
  if (to_lower(name.back()) == 'x' || ends_with_word(name, "ch") || ends_with_word(name, "sh")) {
    return std::string(name) + "es";
  }
  return std::string(name) + "s";
}

std::string relation_name(std::string_view name) {
  std::string out;
  for (char c : name) out += is_letter(c) || is_digit(c) ? c : '_';
  if (out.empty() || !is_letter(out[0])) out.insert(0, "r_");
  const bool shouting = std::none_of(out.begin(), out.end(), is_lower);
  for (std::size_t i = 0; i < out.size() && (i == 0 || shouting); ++i) out[i] = to_lower(out[i]);
  return out == "root" ? "root_row" : out;
}

std::string store_name(std::string_view name) {
  std::string out;
  for (char c : name) {
    out += is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '-' ? c : '-';
  }
  if (out.size() < 3) out += "-items";
  return out.substr(0, 200);
}

std::string key_prefix(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (i > 0 && is_upper(name[i]) && is_lower(name[i - 1])) out += '_';
    out += is_letter(name[i]) || is_digit(name[i]) ? to_upper(name[i]) : '_';
  }
  return out;
}

std::string unique_name(std::string name, std::set<std::string>& taken) {
  std::string candidate = name;
  for (int number = 2; !taken.insert(candidate).second; ++number) {
    candidate = name + "_" + std::to_string(number);
  }
  return candidate;
}

}  // namespace tandem::agent
