// Does what apply processes ask of capture by the log's control topic: reads a table again, or,
// behind a gap, everything.
//
// A request is done at least once: it is noted as done in the topic when the log holds durably that
// it will be. Threads: run() on one. Errors: ControlTopic's.
#pragma once

#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "capture/publisher.h"
#include "state/control_topic.h"

namespace tandem::agent {

class ControlWorker {
 public:
  /// `tables`: those that are captured, sorted.
  ControlWorker(state::ControlTopic& control, capture::Publisher& publisher,
                std::vector<std::string> tables);
  void run(std::stop_token stop);

 private:
  void look();
  void hand_over(const state::ControlRecord& record);
  void note_done();

  state::ControlTopic& control_;
  capture::Publisher& publisher_;
  const std::vector<std::string> tables_;
  state::Offset next_ = 0;   // of the topic, not looked at yet
  state::Offset noted_ = 0;  // all before it is done, and the topic says so

  std::mutex mutex_;
  std::map<state::Offset, bool> requests_;  // handed over: is it done? Guarded by mutex_
};

/// Asks capture to read everything again for the pipeline, unless it has been asked to already and
/// has not done it yet. Returns whether it asked.
bool ask_for_gap(state::ControlTopic& control, const std::string& pipeline,
                 const std::string& reason);

}  // namespace tandem::agent
