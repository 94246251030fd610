#include "capture/postgres/copy_text.h"

#include <algorithm>
#include <cstring>

#include "state/error.h"

namespace tandem::capture::postgres {
namespace {

constexpr bool is_octal(char c) { return c >= '0' && c <= '7'; }

constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What stands behind a backslash at `from`. Moves past it.
char take_escaped(const char*& from, const char* end) {
  char c = *from++;
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case 'x': {
      if (from == end || hex_digit(*from) < 0) return c;
      int octet = hex_digit(*from++);
      if (from != end && hex_digit(*from) >= 0) octet = octet * 16 + hex_digit(*from++);
      return static_cast<char>(octet);
    }
    default:
      break;
  }
  if (!is_octal(c)) return c;
  int octet = c - '0';
  for (int more = 0; more < 2 && from != end && is_octal(*from); ++more) {
    octet = octet * 8 + (*from++ - '0');
  }
  return static_cast<char>(octet);
}

const char* find(const char* from, const char* end, char wanted) {
  if (from == end) return end;
  const void* at = std::memchr(from, wanted, static_cast<std::size_t>(end - from));
  return at == nullptr ? end : static_cast<const char*>(at);
}

}  // namespace

// Most fields have no backslash and stay where they are; of the others, the pieces between the
// backslashes are copied.
CopyRowReader::Field CopyRowReader::read_field(std::string_view raw) {
  if (raw == "\\N") return std::nullopt;
  const char* from = raw.data();
  const char* end = from + raw.size();
  const char* backslash = find(from, end, '\\');
  if (backslash == end) return raw;
  char* start = free_;
  while (backslash != end) {
    free_ = std::copy(from, backslash, free_);
    from = backslash + 1;
    if (from == end) {
      throw state::Error("a row of COPY ends within an escape", "PostgreSQL",
                         "start again; if it comes back, look for what cuts the connection");
    }
    *free_++ = take_escaped(from, end);
    backslash = find(from, end, '\\');
  }
  free_ = std::copy(from, end, free_);
  return std::string_view(start, static_cast<std::size_t>(free_ - start));
}

const std::vector<CopyRowReader::Field>& CopyRowReader::read(std::string_view row) {
  if (row.ends_with('\n')) row.remove_suffix(1);
  fields_.clear();
  const char* from = row.data();
  const char* end = from + row.size();
  const bool escapes = find(from, end, '\\') != end;
  if (escapes) {
    // Unescaping never makes a row longer, so nothing moves while fields point here.
    if (unescaped_.size() < row.size()) unescaped_.resize(row.size());
    free_ = unescaped_.data();
  }
  while (true) {
    const char* tab = find(from, end, '\t');
    std::string_view raw(from, static_cast<std::size_t>(tab - from));
    if (escapes) {
      fields_.push_back(read_field(raw));
    } else {
      fields_.emplace_back(raw);
    }
    if (tab == end) return fields_;
    from = tab + 1;
  }
}

}  // namespace tandem::capture::postgres
