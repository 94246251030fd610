// A pause that a stop ends.
#pragma once

#include <chrono>
#include <stop_token>

namespace tandem::state {

/// Waits so long, or until a stop is asked for. Any thread.
void rest(std::chrono::milliseconds time, const std::stop_token& stop);

}  // namespace tandem::state
