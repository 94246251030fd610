// Which transactions a snapshot of the server sees: pg_current_snapshot() read.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace tandem::capture::postgres {

class Visibility {
 public:
  Visibility() = default;
  /// Of "xmin:xmax:xip,xip,…" (64 bits each). Throws Error if it is not that.
  explicit Visibility(std::string_view text);

  /// Whether the snapshot sees a transaction that has committed, by the 32 bits that the stream
  /// gives. It must have begun less than 2^31 transactions ago.
  bool sees(std::uint32_t xid) const;
  /// Everything below had ended when the snapshot was taken.
  std::uint64_t oldest() const { return oldest_; }
  /// Nothing from here on had begun.
  std::uint64_t next() const { return next_; }

 private:
  std::uint64_t oldest_ = 0, next_ = 0;
  std::vector<std::uint64_t> running_;  // sorted
};

class Connection;

/// Of the connection's transaction, or as of now.
Visibility current_view(Connection& connection);

}  // namespace tandem::capture::postgres
