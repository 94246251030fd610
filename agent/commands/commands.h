// The commands, one file each. Each returns the exit status of docs/command-line.md: 0 done, 3 done
// but differences or dead letters remain; failures are thrown (Error: 1, ConfigError: 2).
#pragma once

#include <stop_token>

#include "agent/command_line.h"

namespace tandem::agent {

int run_check(const CommandLine& line, std::stop_token stop);
int run_init(const CommandLine& line, std::stop_token stop);
int run_sync(const CommandLine& line, const std::stop_token& stop);
int run_status(const CommandLine& line);
int run_verify(const CommandLine& line, std::stop_token stop);
int run_explain(const CommandLine& line, std::stop_token stop);
int run_snapshot(const CommandLine& line);
int run_snapshot_state(const CommandLine& line);
int run_replay(const CommandLine& line, const std::stop_token& stop);
int run_log_show(const CommandLine& line, const std::stop_token& stop);
int run_dead_letters_list(const CommandLine& line);
int run_dead_letters_retry(const CommandLine& line);
int run_dead_letters_drop(const CommandLine& line);
int run_reset(const CommandLine& line);
int run_demo(const CommandLine& line, std::stop_token stop);

}  // namespace tandem::agent
