// Lets go of the rows of _tandem_log that the change log holds durably, a few at a time, and only
// when nobody else is writing: the application never waits for it longer than for any small commit.
//
// Threads: the source's. Errors: Fenced when another agent owns the source.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "state/sqlite.h"

namespace tandem::capture {

class Pruner {
 public:
  /// `pruned`: what the owner row says.
  Pruner(state::Database& database, std::string log_identity, std::uint64_t epoch,
         std::uint64_t pruned);
  /// The log holds everything up to this seq. Its row stays: by it a later start knows the file.
  void release(std::uint64_t seq);
  /// Prunes a step if it is time; returns quietly when the file is locked.
  void run_if_due();
  std::uint64_t pruned() const { return pruned_; }

 private:
  state::Database& database_;
  std::string log_identity_;
  std::uint64_t epoch_, pruned_;
  std::uint64_t released_ = 0;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace tandem::capture
