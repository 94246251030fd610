// The inbox: requests from other commands, handed to the threads that do them.
//
// A request is removed only after it has been handed over; one that is taken twice does no harm,
// for all of them only ask to look again. One thread for InboxWorker; put_requests from any
// process.
#pragma once

#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/fold_worker.h"
#include "capture/publisher.h"
#include "sink/reconciler.h"
#include "state/inbox.h"

namespace tandem::agent {

class InboxWorker {
 public:
  InboxWorker(const std::string& path, capture::Publisher& publisher, FoldWorker& fold,
              sink::Reconciler& reconciler);
  void take();

 private:
  void hand_over(const state::Request& request);

  state::Inbox inbox_;
  capture::Publisher& publisher_;
  FoldWorker& fold_;
  sink::Reconciler& reconciler_;
};

/// Puts requests in the inbox of the config's state directory and says on stdout who will do them.
void put_requests(const Config& config, const std::vector<state::Request>& requests);

}  // namespace tandem::agent
