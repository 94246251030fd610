// The demo's legacy application: a thread that keeps changing the shop's database as an application
// would, and tells what it does.
//
// It knows nothing of Tandem. Every transaction keeps an invoice's total equal to the sum of its
// lines. Threads: construction starts it, stop() ends it; counts() and last() from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace tandem::agent {

class ShopApplication {
 public:
  struct Counts {
    std::int64_t inserts = 0, updates = 0, renames = 0, deletes = 0;
    std::int64_t total() const { return inserts + updates + renames + deletes; }
  };
  ShopApplication(std::string database, std::uint64_t seed, int transactions_per_second);
  ~ShopApplication();
  void stop();
  Counts counts() const;
  std::string last() const;

 private:
  void work(std::stop_token stop, std::uint64_t seed, int rate);
  void say(std::string what);

  std::string path_;
  std::atomic<std::int64_t> inserts_{0}, updates_{0}, renames_{0}, deletes_{0};
  mutable std::mutex mutex_;
  std::string last_;  // guarded by mutex_
  std::jthread thread_;
};

}  // namespace tandem::agent
