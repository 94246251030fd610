#include "capture/sqlite/index_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

#include "state/sqlite.h"

namespace tandem::capture {
namespace {

struct Token {
  enum class Kind { kName, kQuotedName, kText, kNumber, kBlob, kOther } kind = Kind::kOther;
  std::size_t begin = 0, end = 0;
};

bool is_name_character(char c) {
  auto byte = static_cast<unsigned char>(c);
  return std::isalnum(byte) != 0 || c == '_' || c == '$' || byte >= 0x80;
}

// The end of a quoted piece that starts at `begin`; a doubled closing quote stands for itself.
std::size_t end_of_quoted(std::string_view sql, std::size_t begin, char close) {
  std::size_t at = begin + 1;
  while (at < sql.size()) {
    if (sql[at] != close) {
      ++at;
    } else if (close != ']' && at + 1 < sql.size() && sql[at + 1] == close) {
      at += 2;
    } else {
      return at + 1;
    }
  }
  return sql.size();
}

std::vector<Token> tokens_of(std::string_view sql) {
  std::vector<Token> tokens;
  std::size_t at = 0;
  while (at < sql.size()) {
    char c = sql[at];
    std::size_t begin = at;
    auto next = at + 1 < sql.size() ? sql[at + 1] : '\0';
    if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      ++at;
      continue;
    }
    if (c == '-' && next == '-') {
      at = std::min(sql.find('\n', at), sql.size());
      continue;
    }
    if (c == '/' && next == '*') {
      std::size_t close = sql.find("*/", at + 2);
      at = close == std::string_view::npos ? sql.size() : close + 2;
      continue;
    }
    Token::Kind kind = Token::Kind::kOther;
    if (c == '\'') {
      kind = Token::Kind::kText;
      at = end_of_quoted(sql, at, '\'');
    } else if (c == '"' || c == '`' || c == '[') {
      kind = Token::Kind::kQuotedName;
      at = end_of_quoted(sql, at, c == '[' ? ']' : c);
    } else if ((c == 'x' || c == 'X') && next == '\'') {
      kind = Token::Kind::kBlob;
      at = end_of_quoted(sql, at + 1, '\'');
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0 ||
               (c == '.' && std::isdigit(static_cast<unsigned char>(next)) != 0)) {
      kind = Token::Kind::kNumber;
      while (at < sql.size() &&
             (is_name_character(sql[at]) || sql[at] == '.' ||
              ((sql[at] == '+' || sql[at] == '-') && (sql[at - 1] == 'e' || sql[at - 1] == 'E')))) {
        ++at;
      }
    } else if (is_name_character(c)) {
      kind = Token::Kind::kName;
      while (at < sql.size() && is_name_character(sql[at])) ++at;
    } else {
      ++at;
    }
    tokens.push_back({kind, begin, at});
  }
  return tokens;
}

std::string unquoted(std::string_view token) {
  char close = token.front() == '[' ? ']' : token.front();
  std::string name;
  for (std::size_t at = 1; at + 1 < token.size(); ++at) {
    name += token[at];
    if (token[at] == close) ++at;
  }
  return name;
}

// Within one statement the time stands still, so a trigger sees the time that is stored.
constexpr std::array kTimeWords = {"CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME"};
constexpr std::array kExpressionWords = {"AND",  "OR",   "NOT",     "IS",     "NULL", "ISNULL",
                                         "IN",   "CASE", "WHEN",    "THEN",   "ELSE", "END",
                                         "CAST", "AS",   "NOTNULL", "BETWEEN"};
constexpr std::array kTypeWords = {"INTEGER", "INT", "TEXT", "REAL", "NUMERIC", "BLOB"};
// They are in every SQLite of the last ten years, and none of them fails by its arguments' values.
constexpr std::array kRepeatableFunctions = {
    "coalesce", "date",  "datetime", "hex",    "ifnull",  "instr", "julianday", "length",
    "lower",    "ltrim", "nullif",   "printf", "quote",   "round", "rtrim",     "strftime",
    "substr",   "time",  "trim",     "typeof", "unicode", "upper", "char"};

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<const char*, N>& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](const char* one) { return same_name(name, one); });
}

bool is_space(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; });
}

// A default of one word. SQLite takes a name that stands alone for text; in a trigger it would be a
// column's.
std::string repeated_alone(Token::Kind kind, std::string_view text) {
  if (kind == Token::Kind::kQuotedName) return state::quote_literal(unquoted(text));
  if (kind == Token::Kind::kOther) return "";
  if (kind != Token::Kind::kName) return std::string(text);
  if (same_name(text, "true")) return "1";
  if (same_name(text, "false")) return "0";
  if (same_name(text, "null") || is_one_of(text, kTimeWords)) return std::string(text);
  return state::quote_literal(text);
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return fold(x) == fold(y);
  });
}

IndexText cut_index_text(std::string_view create_index) {
  IndexText cut;
  std::vector<Token> tokens = tokens_of(create_index);
  auto text = [&](std::size_t i) {
    return create_index.substr(tokens[i].begin, tokens[i].end - tokens[i].begin);
  };
  auto span = [&](std::size_t first, std::size_t last) {
    if (first >= last) return std::string();
    return std::string(
        create_index.substr(tokens[first].begin, tokens[last - 1].end - tokens[first].begin));
  };
  std::size_t at = 0;
  while (at < tokens.size() && text(at) != "(") ++at;
  std::size_t begin = ++at;
  for (int depth = 1; at < tokens.size() && depth > 0; ++at) {
    std::string_view token = text(at);
    if (token == "(") ++depth;
    if (token == ")") --depth;
    bool ends = depth == 0 || (depth == 1 && token == ",");
    if (!ends) continue;
    std::size_t end = at;
    if (end > begin && (same_name(text(end - 1), "asc") || same_name(text(end - 1), "desc"))) --end;
    cut.terms.push_back(span(begin, end));
    begin = at + 1;
  }
  if (at < tokens.size() && same_name(text(at), "where")) cut.where = span(at + 1, tokens.size());
  return cut;
}

bool mentions_name(std::string_view expression, std::string_view name) {
  for (const Token& token : tokens_of(expression)) {
    std::string_view text = expression.substr(token.begin, token.end - token.begin);
    if (token.kind == Token::Kind::kName && same_name(text, name)) return true;
    // SQLite takes 'name' for an identifier where only an identifier makes sense.
    bool quoted = token.kind == Token::Kind::kQuotedName || token.kind == Token::Kind::kText;
    if (quoted && same_name(unquoted(text), name)) return true;
  }
  return false;
}

std::string repeatable_default(std::string_view expression) {
  const std::vector<Token> tokens = tokens_of(expression);
  auto text = [&](std::size_t i) {
    return expression.substr(tokens[i].begin, tokens[i].end - tokens[i].begin);
  };
  if (tokens.empty()) return "";
  if (tokens.size() == 1) return repeated_alone(tokens[0].kind, text(0));
  std::string repeated;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::string_view between =
        i == 0 ? "" : expression.substr(tokens[i - 1].end, tokens[i].begin - tokens[i - 1].end);
    // A comment might hide what is put behind it.
    if (!is_space(between)) return "";
    if (tokens[i].kind == Token::Kind::kQuotedName) return "";
    if (tokens[i].kind == Token::Kind::kName) {
      bool called = i + 1 < tokens.size() && text(i + 1) == "(";
      bool known = is_one_of(text(i), kExpressionWords) ||
                   (called ? is_one_of(text(i), kRepeatableFunctions)
                           : is_one_of(text(i), kTimeWords) || is_one_of(text(i), kTypeWords));
      if (!known) return "";
    }
    // -> and ->> fail on what is no JSON.
    if (text(i) == ">" && i > 0 && text(i - 1) == "-") return "";
    repeated += std::string(between) + std::string(text(i));
  }
  return "(" + repeated + ")";
}

}  // namespace tandem::capture
