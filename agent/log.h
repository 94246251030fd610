// Messages of a running agent: to stderr, as lines for people or as JSON for machines.
//
// Thread-safe. Errors are logged once, by whoever ends the unit of work (a worker's loop, or main).
#pragma once

#include <string_view>

namespace tandem::agent {

void start_log(bool verbose, bool json);
void log_debug(std::string_view message);
void log_info(std::string_view message);
void log_warning(std::string_view message);
void log_error(std::string_view message);

}  // namespace tandem::agent
