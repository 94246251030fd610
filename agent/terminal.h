// How Tandem speaks to people: colour on a terminal, plain text elsewhere, numbers and times they
// can read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tandem::agent {

enum class Style { kPlain, kBold, kDim, kRed, kGreen, kYellow, kCyan };

/// True if stdout (1) or stderr (2) is a terminal that wants colour (NO_COLOR unset, TERM not
/// dumb).
bool is_terminal(int descriptor);
/// The text in that style if stdout is a terminal, else the text.
std::string styled(Style style, std::string_view text);
/// Removes control characters, so that a value from a database can't steer the terminal.
std::string printable(std::string_view text);

std::string with_commas(std::int64_t number);  // 1,234,567
std::string human_bytes(std::uint64_t bytes);  // 12.3 MiB
std::string human_duration(double seconds);    // 3.2 s, 4 min 10 s, 2 h 5 min
std::string iso_time(std::int64_t unix_ms);    // 2026-01-02T03:04:05.678Z
std::int64_t unix_milliseconds();

}  // namespace tandem::agent
