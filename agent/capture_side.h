// The half of a pipeline that reads the source: capture, the watch over how the source bears it,
// and what others ask by the log's control topic.
//
// Threads: works() are to be run on a thread each; status() from any.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/control_worker.h"
#include "agent/source_watch.h"
#include "capture/publisher.h"
#include "state/change_log.h"

namespace tandem::agent {

class CaptureSide {
 public:
  struct Options {
    std::string restart_reason;     // PublisherOptions::restart_reason
    std::function<void()> resumed;  // PublisherOptions::resumed
  };
  /// `control`: null where the log has none.
  CaptureSide(const Config& config, state::ChangeLog& log, state::ControlTopic* control,
              Options options);

  capture::Source& source() { return *source_; }
  capture::Publisher& publisher() { return publisher_; }
  capture::PublisherStatus status() const { return publisher_.status(); }
  SourceWatch::Seen seen() const { return watch_.seen(); }
  /// How far the source is read, if all of that is in the log.
  state::SourcePosition read_up_to() const;
  using Work = std::function<void(std::stop_token)>;
  std::vector<Work> works();
  /// Blocks until all that was committed at the source when this was called is in the log and no
  /// table is to be read, or stop. False on stop.
  bool wait_for_all(const std::stop_token& stop);

 private:
  std::unique_ptr<capture::Source> source_;
  capture::Publisher publisher_;
  SourceWatch watch_;
  std::unique_ptr<ControlWorker> control_;
};

}  // namespace tandem::agent
