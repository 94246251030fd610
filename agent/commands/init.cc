// tandem init: makes what is missing at both ends; with --source and no config yet, writes one
// first guess; with --uninstall, removes what init made at the source.
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/commands/commands.h"
#include "agent/config_guess.h"
#include "agent/first_load.h"
#include "agent/terminal.h"
#include "agent/wiring.h"

namespace tandem::agent {
namespace {

void say(const std::string& text) { std::puts(printable(text).c_str()); }

int write_first_config(const CommandLine& line, std::stop_token stop) {
  if (::access(line.config.c_str(), F_OK) == 0) {
    throw UsageError("there is a config already", line.config,
                     "run `tandem init` without --source, or name another file with -c");
  }
  Config config;
  const bool is_file = ::access(line.source.c_str(), R_OK) == 0;
  if (!is_file && is_connection_string(line.source)) {
    config.source.type = SourceType::kPostgres;
    config.source.url = line.source;
  } else if (is_file) {
    config.source.path = line.source;
  } else {
    throw state::Error("cannot be read", mask_secrets(line.source),
                       "name an SQLite database file, or a PostgreSQL server as "
                       "postgresql://user@host/database");
  }
  capture::Catalog catalog = open_source(config)->catalog(std::move(stop));
  std::ofstream file(line.config);
  file << guess_config(catalog, config.source);
  file.close();
  if (!file) throw state::Error("cannot be written", line.config, "check the folder and the disk");
  say("wrote " + line.config + " from the tables and foreign keys of " +
      shown_source(config.source));
  if (config.source.type == SourceType::kPostgres) {
    say("it takes the connection string from the environment: export DATABASE_URL");
  }
  say("next: read it, then `tandem -c " + line.config + " init` and `tandem -c " + line.config +
      " run`");
  return 0;
}

int uninstall(const Config& config, std::stop_token stop) {
  // The lock keeps a running agent from finding its triggers gone.
  state::StateDirectory directory = state::StateDirectory::own(config.state);
  const std::vector<std::string> left = open_source(config)->uninstall(std::move(stop));
  const std::string source = shown_source(config.source);
  if (!left.empty()) {
    say("removed what Tandem is known to have made at " + source);
    for (const std::string& sentence : left) say("left there: " + sentence);
    return 0;
  }
  say(std::string("removed Tandem's ") +
      (config.source.type == SourceType::kSqlite ? "triggers and tables" : "publication and slot") +
      " from " + source);
  return 0;
}

void install_source(const Config& config, std::stop_token stop) {
  open_source(config)->install(std::move(stop));
  say(std::string("source: ") +
      (config.source.type == SourceType::kSqlite ? "triggers are" : "publication and slot are") +
      " in place at " + shown_source(config.source));
}

void install_target(const Config& config, std::stop_token stop) {
  // No agent may start between the making of a table and the note of it. Beside one that runs there
  // is no note: it goes without batches.
  std::optional<state::StateDirectory> owned;
  if (!state::StateDirectory::look(config.state).owner()) {
    owned.emplace(state::StateDirectory::own(config.state));
  }
  auto made = open_target(config, std::move(stop))->create_missing([](const std::string& text) {
    say("target: " + text);
  });
  if (made.empty()) say("target: all tables are there");
  if (owned) remember_made_tables(config, *owned, made);
}

int install(const Config& config, Role role, const std::stop_token& stop) {
  if (role != Role::kApply) install_source(config, stop);
  for (const std::string& text : make_log(config)) say("log: " + text);
  if (role != Role::kCapture) install_target(config, stop);
  say("next: `tandem -c " + config.file + " run" +
      (role == Role::kAll ? "" : std::string(" --role ") + name_of(role)) + "`");
  return 0;
}

}  // namespace

int run_init(const CommandLine& line, std::stop_token stop) {
  if (!line.source.empty()) return write_first_config(line, std::move(stop));
  if (::access(line.config.c_str(), F_OK) != 0) {
    throw UsageError(
        "there is no config", line.config,
        "write a first one with `tandem init --source FILE_OR_URL`, or name one with -c");
  }
  const Role role = role_of(line.role);
  const Config config = role == Role::kApply ? load_applied_config(line.config, stop)
                                             : load_checked_config(line.config, stop);
  if (stop.stop_requested()) return 0;
  return line.uninstall ? uninstall(config, stop) : install(config, role, stop);
}

}  // namespace tandem::agent
