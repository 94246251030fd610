// SIGINT and SIGTERM as a stop token. A second signal ends the process at once with status 130:
// whatever is half done is done again after the next start.
//
// Make one object in main before any thread starts, so that every thread inherits the blocked
// signals.
#pragma once

#include <stop_token>
#include <thread>

namespace tandem::agent {

class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  std::stop_token token() const { return source_.get_token(); }
  std::stop_source& source() { return source_; }

 private:
  std::stop_source source_;
  int descriptor_ = -1;  // signalfd
  int wake_ = -1;        // eventfd, to end the waiting thread
  std::jthread waiter_;
};

}  // namespace tandem::agent
