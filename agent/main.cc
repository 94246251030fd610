// Tandem's entry: parses the command line, runs one command, and prints the one line of a failure.
#include <cstdio>
#include <exception>
#include <string>

#include "agent/command_line.h"
#include "agent/commands/commands.h"
#include "agent/config.h"
#include "agent/log.h"
#include "agent/stop_signals.h"
#include "agent/terminal.h"

namespace {

using tandem::agent::CommandLine;

int dispatch(const CommandLine& line, std::stop_token stop) {
  namespace agent = tandem::agent;
  const std::string& command = line.command;
  if (command == "check") return agent::run_check(line, stop);
  if (command == "init") return agent::run_init(line, stop);
  if (command == "run") return agent::run_sync(line, stop);
  if (command == "status") return agent::run_status(line);
  if (command == "verify") return agent::run_verify(line, stop);
  if (command == "explain") return agent::run_explain(line, stop);
  if (command == "snapshot") return agent::run_snapshot(line);
  if (command == "snapshot-state") return agent::run_snapshot_state(line);
  if (command == "replay") return agent::run_replay(line, stop);
  if (command == "log show") return agent::run_log_show(line, stop);
  if (command == "dead-letters list") return agent::run_dead_letters_list(line);
  if (command == "dead-letters retry") return agent::run_dead_letters_retry(line);
  if (command == "dead-letters drop") return agent::run_dead_letters_drop(line);
  if (command == "reset") return agent::run_reset(line);
  return agent::run_demo(line, stop);
}

void say(const char* text) {
  std::fputs(("tandem: " + tandem::agent::printable(text) + "\n").c_str(), stderr);
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine line;
  if (auto status = tandem::agent::parse_command_line(argc, argv, line)) return *status;
  tandem::agent::StopSignals signals;
  tandem::agent::start_log(line.verbose, line.json_logs);
  try {
    return dispatch(line, signals.token());
  } catch (const tandem::agent::ConfigError& error) {
    std::fputs((tandem::agent::printable(error.what()) + "\n").c_str(), stderr);
    return 2;
  } catch (const tandem::agent::UsageError& error) {
    say(error.what());
    return 2;
  } catch (const std::exception& error) {
    say(error.what());
    return 1;
  }
}
