// Names that nobody else takes: of logs, of runs, of processes. Threads: any.
#pragma once

#include <string>

namespace tandem::state {

/// 32 random hexadecimal digits.
std::string random_name();

}  // namespace tandem::state
