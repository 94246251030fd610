// Progress of a run: one live line on a terminal (rate, share, time left), plain lines now and then
// elsewhere. Written to stderr, so that stdout stays what the command answers. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "agent/status_report.h"

namespace tandem::agent {

class Progress {
 public:
  Progress();
  /// Clears the live line.
  ~Progress();
  void show(const StatusReport& report);

 private:
  void live(const std::string& text);
  bool terminal_;
  bool drawn_ = false;
  std::string last_plain_;
  std::chrono::steady_clock::time_point last_plain_at_{};
};

/// ▕██████░░░░▏ of the given share (0 to 1).
std::string bar(double share, int width);

}  // namespace tandem::agent
