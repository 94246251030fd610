#include "state/storage_affinity.h"

#include <bit>
#include <cctype>
#include <initializer_list>
#include <string>

namespace tandem::state {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t skip_digits(std::string_view text, std::size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

/// Whether SQLite takes the whole text for a number.
bool is_number(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && is_space(text[at])) ++at;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  std::size_t whole = skip_digits(text, at);
  std::size_t digits = whole - at;
  at = whole;
  if (at < text.size() && text[at] == '.') {
    std::size_t fraction = skip_digits(text, at + 1);
    digits += fraction - at - 1;
    at = fraction;
  }
  if (digits == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    std::size_t exponent = skip_digits(text, at);
    if (exponent == at) return false;
    at = exponent;
  }
  while (at < text.size() && is_space(text[at])) ++at;
  return at == text.size();
}

/// Whether a column that prefers integers makes one of the number.
bool becomes_integer(double number) {
  // SQLite leaves the two ends of the range alone.
  if (!(number > -9223372036854775808.0 && number < 9223372036854775808.0)) return false;
  auto integer = static_cast<std::int64_t>(number);
  return static_cast<double>(integer) == number;
}

}  // namespace

StorageAffinity storage_affinity(std::string_view declared_type) {
  std::string type(declared_type);
  for (char& c : type) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  auto has = [&](std::initializer_list<const char*> words) {
    for (const char* word : words) {
      if (type.find(word) != std::string::npos) return true;
    }
    return false;
  };
  if (has({"INT"})) return StorageAffinity::kInteger;
  if (has({"CHAR", "CLOB", "TEXT"})) return StorageAffinity::kText;
  if (type.empty() || has({"BLOB"})) return StorageAffinity::kBlob;
  if (has({"REAL", "FLOA", "DOUB"})) return StorageAffinity::kReal;
  return StorageAffinity::kNumeric;
}

bool keeps(StorageAffinity affinity, const Value& value) {
  ValueKind kind = value.kind();
  if (affinity == StorageAffinity::kBlob || kind == ValueKind::kNull || kind == ValueKind::kBlob) {
    return true;
  }
  if (affinity == StorageAffinity::kText) return kind == ValueKind::kText;
  if (kind == ValueKind::kText) return !is_number(value.bytes());
  if (affinity == StorageAffinity::kReal) {
    // An integral real is stored as an integer and read as a real again, which loses the sign of 0.
    return kind == ValueKind::kReal &&
           std::bit_cast<std::uint64_t>(value.as_real()) != std::bit_cast<std::uint64_t>(-0.0);
  }
  return kind == ValueKind::kInteger || !becomes_integer(value.as_real());
}

}  // namespace tandem::state
