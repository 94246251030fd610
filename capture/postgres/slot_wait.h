// Says which transactions the making of a slot waits for: it waits, without a word, until every
// transaction that runs at that moment has ended.
//
// A thread and a connection of its own, from the constructor to the destructor; neither is made
// where nobody listens. No errors: a server that cannot be asked tells the maker itself.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "capture/postgres/server_address.h"

namespace tandem::capture::postgres {

class SlotWait {
 public:
  using Tell = std::function<void(const std::string& sentence)>;
  /// `maker` is the server's process that makes the slot. `tell` is called on the thread of this,
  /// after a few seconds and once for each transaction.
  SlotWait(ServerAddress address, std::string application, std::string slot, int maker, Tell tell);

 private:
  std::jthread thread_;
};

}  // namespace tandem::capture::postgres
