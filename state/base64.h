// Base64 with padding (RFC 4648), the form of binary values in JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tandem::state {

void append_base64(std::string_view bytes, std::string& out);
/// Nothing when the text is not whole, canonical base64.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace tandem::state
