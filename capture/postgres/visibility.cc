#include "capture/postgres/visibility.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "capture/postgres/connection.h"
#include "state/error.h"

namespace tandem::capture::postgres {
namespace {

[[noreturn]] void malformed(std::string_view text) {
  throw state::Error("not a snapshot: " + std::string(text), "pg_current_snapshot()",
                     "report this");
}

std::uint64_t take_number(std::string_view& rest, std::string_view whole) {
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (error != std::errc()) malformed(whole);
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return number;
}

void take(std::string_view& rest, char expected, std::string_view whole) {
  if (rest.empty() || rest[0] != expected) malformed(whole);
  rest.remove_prefix(1);
}

}  // namespace

Visibility::Visibility(std::string_view text) {
  std::string_view rest = text;
  oldest_ = take_number(rest, text);
  take(rest, ':', text);
  next_ = take_number(rest, text);
  take(rest, ':', text);
  while (!rest.empty()) {
    if (!running_.empty()) take(rest, ',', text);
    running_.push_back(take_number(rest, text));
  }
  std::sort(running_.begin(), running_.end());
}

Visibility current_view(Connection& connection) {
  return Visibility(connection.query("SELECT pg_catalog.pg_current_snapshot()::text").view(0, 0));
}

bool Visibility::sees(std::uint32_t xid) const {
  // The distance to the next one, as the server itself counts: modulo 2^32, with a sign.
  auto distance = static_cast<std::int32_t>(xid - static_cast<std::uint32_t>(next_));
  if (distance >= 0) return false;
  std::uint64_t whole = next_ - static_cast<std::uint64_t>(-static_cast<std::int64_t>(distance));
  return !std::binary_search(running_.begin(), running_.end(), whole);
}

}  // namespace tandem::capture::postgres
