// Watches how much of its write-ahead log the server keeps for the slot, and says in time when it
// is about to give the slot up or to run out of disk.
//
// What is held goes up and down, since the server moves restart_lsn in jumps; its trend is that of
// the straight line through the samples of the last ten minutes. Pure arithmetic over samples that
// the caller takes every few seconds. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "capture/postgres/slot.h"
#include "capture/source.h"

namespace tandem::capture::postgres {

class SlotGuardian {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Outlook {
    std::int64_t held_bytes = 0;                // that the server keeps for the slot
    std::optional<double> bytes_per_second;     // by which that grows; nothing: too early to say
    std::string wal_status;                     // reserved, extended, unreserved, lost
    std::optional<std::int64_t> safe_wal_size;  // bytes until it may be lost; nothing: no limit
    /// Until the slot is lost if it goes on like this; nothing: not to be foreseen.
    std::optional<std::chrono::seconds> until_lost;
  };

  /// Samples that come sooner than five seconds after another replace it.
  void add(Time at, const Slot& slot);
  /// Nothing before the first sample.
  std::optional<Outlook> outlook() const;
  /// What is worth a warning, nothing if all is well.
  std::optional<Finding> warning() const;

 private:
  struct Sample {
    Time at;
    std::int64_t held = 0;
  };
  std::optional<double> trend() const;

  std::deque<Sample> samples_;
  Slot newest_;
};

/// For people: "3.2 GB", "850 kB"; "2 d 4 h", "35 min".
std::string shown_size(std::int64_t bytes);
std::string shown_duration(std::chrono::seconds duration);

}  // namespace tandem::capture::postgres
