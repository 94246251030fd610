// A place in the log, as `--from` names it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "state/change_log.h"

namespace tandem::agent {

/// Unix milliseconds of `2026-11-20`, `2026-11-20T08:15`, `…:30`, `….250`, with `Z`, `+01:00` or
/// nothing (UTC) at the end. Nothing for any other text.
std::optional<std::int64_t> parse_time(std::string_view text);

/// An offset, or a time.
class LogPlace {
 public:
  /// Throws UsageError with this hint for a text that is neither.
  LogPlace(const std::string& from, const std::string& hint);
  /// Of a time, one before which nothing was appended at that time or later.
  state::Offset in(state::ChangeLog& log) const;

 private:
  state::Offset offset_ = 0;
  std::optional<std::int64_t> time_;
};

}  // namespace tandem::agent
