// The filters of templates: `{PATH:filter:filter(argument)}`. Each turns a value's text into
// another text; none ever sees a null. Pure functions, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sink/document_spec.h"

namespace tandem::sink {

/// Every filter's name, for nearest names and for documentation.
const std::vector<std::string>& filter_names();

/// What is wrong with the filter's name or argument, for people; nothing if it is right.
std::optional<std::string> check_filter(const Filter& filter);

/// Applies a checked filter to a value that is not null. Throws InvalidItem with the reason for
/// people when the value cannot be turned (`iso8601` of a text that is no date).
state::Value apply_filter(const Filter& filter, const state::Value& value);

/// A value as text: integers and texts as they are, a REAL as the shortest decimal that reads back
/// as the same double (1.0 is "1", as it is in the target). Throws InvalidItem for bytes.
std::string value_text(const state::Value& value);

}  // namespace tandem::sink
