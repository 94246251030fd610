// Strings as JSON spells them.
#pragma once

#include <string>
#include <string_view>

namespace tandem::state {

/// Appends the text in quotation marks with what JSON wants escaped. The text must be UTF-8 for the
/// result to be JSON; bytes beyond ASCII pass as they are.
void append_json_string(std::string_view text, std::string& out);

}  // namespace tandem::state
