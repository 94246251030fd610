// A row of COPY … TO STDOUT in text format, split into its fields.
//
//   row    := field { TAB field } NEWLINE
//   field  := "\N"                   null
//           | { octet | escape }     no bare tab, newline or backslash
//   escape := "\" b|f|n|r|t|v        the control characters of C
//           | "\" one to three octal digits
//           | "\x" one or two hexadecimal digits
//           | "\" any other octet    that octet itself; so a backslash is two
//
// An empty field is the empty text. "\N" is null only where it is the whole field.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::capture::postgres {

/// Reads row after row and keeps its memory. One thread.
class CopyRowReader {
 public:
  using Field = std::optional<std::string_view>;

  /// The fields of one row, with or without its newline; nothing is null. They point into `row` and
  /// into this reader: valid until `row` is gone or the next call. Throws Error if the row ends
  /// within an escape.
  const std::vector<Field>& read(std::string_view row);

 private:
  Field read_field(std::string_view raw);

  std::vector<Field> fields_;
  std::vector<char> unescaped_;
  char* free_ = nullptr;
};

}  // namespace tandem::capture::postgres
