// Whose the source is: the owner row in the publication's comment, and who has the slot.
//
// Threads: any, one at a time within; a connection of its own, made when it is needed. Errors:
// those of the connection; Fenced.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "capture/postgres/connection.h"
#include "capture/postgres/installation.h"

namespace tandem::capture::postgres {

struct Claim {
  std::uint64_t epoch = 0;
  std::uint64_t since = 0;  // the first epoch of an unbroken chain of claims; 0: nobody knows
  bool took_over = false;
};

class Ownership {
 public:
  /// `address` is asked for each connection, since files that it is read from may have changed.
  Ownership(std::function<ServerAddress()> address, std::string application,
            InstallationNames names);

  /// Writes the owner row for the process that has the slot now.
  Claim claim(Connection& connection, const std::string& log_identity, std::uint64_t log_epoch,
              int slot_pid);
  /// Throws Fenced if another agent has taken over.
  void assert_mine(std::stop_token stop);
  /// The same over the caller's connection; throws SourceReplaced if a fenced agent has written
  /// late.
  void check(Connection& connection);
  /// The source is not what the log was read from: the next claim says so by its `since`.
  void break_chain(Connection& connection);
  /// Tells the agent that has taken over. Nothing if none has.
  void report_late_writes();
  /// For what else is to be asked: over the same connection, one at a time.
  void ask(std::stop_token stop, const std::function<void(Connection&)>& use);

 private:
  struct Mine {
    std::string log_identity;
    std::uint64_t epoch = 0;
    int slot_pid = 0;
    bool has_row = false;
  };
  Mine mine();
  [[noreturn]] void throw_fenced() const;

  const std::function<ServerAddress()> address_;
  const std::string application_;
  const InstallationNames names_;
  std::mutex asking_;
  std::unique_ptr<Connection> connection_;  // guarded by asking_
  std::mutex mutex_;
  Mine mine_;            // guarded by mutex_
  bool broken_ = false;  // of the driving thread: the next claim begins a chain of its own
};

}  // namespace tandem::capture::postgres
