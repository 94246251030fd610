#include "state/key_order.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tandem::state {
namespace {

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_named(const std::string& collation, const char* lower) {
  std::size_t i = 0;
  for (; i < collation.size() && lower[i] != '\0'; ++i) {
    if (to_lower(collation[i]) != lower[i]) return false;
  }
  return i == collation.size() && lower[i] == '\0';
}

Value folded_real(const Value& value) {
  double number = value.as_real();
  // An integral real and the integer are one key.
  if (number >= -9223372036854775808.0 && number < 9223372036854775808.0 &&
      std::trunc(number) == number) {
    return Value::integer(static_cast<std::int64_t>(number));
  }
  return value;
}

Value folded_text(const Value& value, const std::string& collation) {
  if (is_named(collation, "nocase")) {
    // SQLite compares up to the first NUL, then by length.
    std::string bytes = value.bytes();
    std::size_t size = bytes.size();
    bytes.resize(std::min(bytes.find('\0'), size));
    for (char& c : bytes) c = to_lower(c);
    bytes.resize(size);
    return Value::text(std::move(bytes));
  }
  if (is_named(collation, "rtrim")) {
    std::string bytes = value.bytes();
    while (!bytes.empty() && bytes.back() == ' ') bytes.pop_back();
    return Value::text(std::move(bytes));
  }
  return value;
}

int rank(ValueKind kind) {
  switch (kind) {
    case ValueKind::kNull:
    case ValueKind::kUnchanged:
      return 0;
    case ValueKind::kInteger:
    case ValueKind::kReal:
      return 1;
    case ValueKind::kText:
      return 2;
    case ValueKind::kBlob:
      return 3;
  }
  return 0;
}

double as_double(const Value& value) {
  return value.kind() == ValueKind::kInteger ? static_cast<double>(value.as_integer())
                                             : value.as_real();
}

}  // namespace

std::string key_identity(const TableSchema& schema, const Row& key) {
  Row identity;
  identity.reserve(key.size());
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (key[i].kind() == ValueKind::kReal) {
      identity.push_back(folded_real(key[i]));
    } else if (key[i].kind() == ValueKind::kText) {
      const auto column = static_cast<std::size_t>(schema.key.at(i));
      identity.push_back(folded_text(key[i], schema.columns.at(column).collation));
    } else {
      identity.push_back(key[i]);
    }
  }
  return encode_row(identity);
}

bool key_before(const Row& a, const Row& b) {
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    const Value& x = a[i];
    const Value& y = b[i];
    if (rank(x.kind()) != rank(y.kind())) return rank(x.kind()) < rank(y.kind());
    if (rank(x.kind()) == 1) {
      if (x.kind() == ValueKind::kInteger && y.kind() == ValueKind::kInteger) {
        if (x.as_integer() != y.as_integer()) return x.as_integer() < y.as_integer();
      } else if (as_double(x) != as_double(y)) {
        return as_double(x) < as_double(y);
      }
    } else if (int order = x.bytes().compare(y.bytes()); order != 0) {
      return order < 0;
    }
  }
  return a.size() < b.size();
}

}  // namespace tandem::state
