// Waiting for the application's locks, in small steps so that a stop is heeded soon.
//
// A locked file is no failure until it has stayed locked for long: the application may be in the
// middle of a long transaction. Threads: none of its own. Errors: SourceLocked when the patience is
// over or a stop was asked for; whatever `work` throws otherwise.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>

#include "state/sqlite.h"

namespace tandem::capture {

/// How long one attempt waits for a lock, and all attempts together.
inline constexpr int kLockWaitMs = 250;
inline constexpr std::chrono::milliseconds kLockPatience{30'000};

/// Runs `work` until it does not meet a lock.
void while_locked_retry(const std::string& path, const std::stop_token& stop,
                        const std::function<void()>& work,
                        std::chrono::milliseconds patience = kLockPatience);

/// The same in a write transaction, which is committed.
void in_write_transaction(state::Database& database, const std::stop_token& stop,
                          const std::function<void()>& work);

}  // namespace tandem::capture
