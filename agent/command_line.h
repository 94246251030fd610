// What the user typed, parsed. The grammar is the contract of docs/command-line.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "state/error.h"

namespace tandem::agent {

struct CommandLine {
  std::string command;  // "run", "log show", "dead-letters list", ...
  std::string config = "tandem.yaml";
  bool config_given = false;
  bool verbose = false;
  bool json_logs = false;

  bool json = false;
  bool once = false;   // run
  bool prune = false;  // run
  std::string role = "all";
  bool repair = false;     // verify
  bool deep = false;       // verify
  bool uninstall = false;  // init
  bool confirm = false;    // reset
  bool follow = false;     // log show
  std::string source;      // init: a file or url
  std::string keep;        // demo: a directory
  bool fast = false;       // demo
  std::string table;       // explain, snapshot, log show
  std::vector<std::string> key;
  std::string document;  // dead-letters
  std::string from;      // replay, log show
  std::string file;      // snapshot-state
  bool restore = false;  // snapshot-state
};

/// Wrong usage that only shows once the command looks closer: exit status 2.
class UsageError : public state::Error {
 public:
  using Error::Error;
};

/// Parses. Returns an exit status when there is nothing to run (help, version: 0; wrong usage: 2,
/// said on stderr), nothing when `parsed` holds a command.
std::optional<int> parse_command_line(int argc, char** argv, CommandLine& parsed);

}  // namespace tandem::agent
