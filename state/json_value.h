// A row's value as JSON, and back. JSON's own type is the value's kind where it can be:
//
//   null                    null
//   -12                     integer                       (no point, no exponent)
//   1.0  1e+300  -0.0       real, finite                  (a point or an exponent)
//   "text"                  text that is UTF-8
//   "2024-02-29T23:59:59.5"         the server's text of a timestamp, "2024-02-29 23:59:59.5"
//   "2024-02-29T23:59:59.500000Z"   of one in UTC, "2024-02-29 23:59:59.5+00"
//   true  false             integer 1 or 0 of a boolean column
//   "…"  and a form         everything else: kForm… says what the string means
//
// Plain functions. Errors: json_value() returns nothing for what is none of these.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "state/schema.h"
#include "state/value.h"

namespace tandem::state {

/// Forms: what a JSON string stands for that is not simply the text.
inline constexpr std::string_view kFormBytes = "bytes";  // base64 of a blob
inline constexpr std::string_view kFormText = "text";    // base64 of text that is not UTF-8
inline constexpr std::string_view kFormReal = "real";    // NaN, Infinity, -Infinity
inline constexpr std::string_view kFormExact = "exact";  // itself, though it looks like a timestamp
inline constexpr std::string_view kFormUnchanged = "unchanged";  // kUnavailable

/// Debezium's word for a value that the source did not send.
inline constexpr std::string_view kUnavailable = "__debezium_unavailable_value";

/// Appends the value's JSON and returns its form, "" if it has none.
std::string_view append_json_value(const Value& value, ColumnForm column, std::string& out);

/// Of a JSON string and its form.
std::optional<Value> value_of_string(std::string_view text, std::string_view form);

/// Whether the bytes are UTF-8 as RFC 3629 has it.
bool is_utf8(std::string_view bytes);

}  // namespace tandem::state
