// A replica that is made beside the one at hand and then takes its place.
//
// Promise: the replica at hand stays as it is until the other one is whole and durable; one that
// was left half made is made anew by the next. The state directory must be owned. One thread.
// Errors: Error.
#pragma once

#include <functional>
#include <string>

#include "agent/config.h"
#include "state/change_log.h"
#include "state/replica.h"
#include "state/state_directory.h"

namespace tandem::agent {

class ReplicaBeside {
 public:
  ReplicaBeside(const Config& config, const state::StateDirectory& directory);
  /// Where it is made. Nothing is there until fill(), unless somebody puts a copy there.
  const std::string& path() const { return path_; }
  /// Hands it over to be filled; its marks are numbered for the ledger at hand.
  void fill(const state::ChangeLog& log, const std::function<void(state::Replica&)>& fill);
  void take_place();

 private:
  const Config& config_;
  const state::StateDirectory& directory_;
  const std::string path_;
};

}  // namespace tandem::agent
