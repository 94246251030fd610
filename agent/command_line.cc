#include "agent/command_line.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "agent/version.h"

namespace tandem::agent {
namespace {

// Remembers which command was chosen; nested commands give "log show".
void chooses(CLI::App* command, CommandLine& line, std::string name) {
  command->fallthrough();
  command->callback([&line, name = std::move(name)] { line.command = name; });
}

void add_json(CLI::App* command, CommandLine& line) {
  command->add_flag("--json", line.json, "One JSON document on stdout");
}

void add_role(CLI::App* command, CommandLine& line) {
  command->add_option("--role", line.role, "all, capture or apply")
      ->check(CLI::IsMember({"all", "capture", "apply"}));
}

void add_commands(CLI::App& app, CommandLine& line) {
  CLI::App* demo = app.add_subcommand("demo", "The whole idea in a minute: no servers, no account");
  demo->add_option("--keep", line.keep, "Keep the demo's files in this directory");
  demo->add_flag("--fast", line.fast, "Without the pauses for reading");
  chooses(demo, line, "demo");

  chooses(app.add_subcommand("check",
                             "Preflight: config, source, log, target; each line says what to do"),
          line, "check");

  CLI::App* init =
      app.add_subcommand("init", "Make what is missing at both ends, or write a first config");
  init->add_option(
      "--source", line.source,
      "A database file or a PostgreSQL connection string: with no config yet, guess one");
  add_role(init, line);
  init->add_flag("--uninstall", line.uninstall, "Remove what init made at the source");
  chooses(init, line, "init");

  CLI::App* run = app.add_subcommand("run", "Sync until stopped");
  run->add_flag("--once", line.once,
                "Stop when all that was committed at the start is in the target");
  add_role(run, line);
  run->add_flag("--prune", line.prune, "Delete the items of documents that are no longer declared");
  chooses(run, line, "run");

  CLI::App* status = app.add_subcommand("status", "Where every stage stands");
  add_json(status, line);
  chooses(status, line, "status");

  CLI::App* verify = app.add_subcommand("verify", "Compare source and target");
  verify->add_flag("--repair", line.repair, "Mark what differs dirty; the agent writes it");
  verify->add_flag("--deep", line.deep, "Trust no stored hash");
  add_json(verify, line);
  chooses(verify, line, "verify");

  CLI::App* explain = app.add_subcommand(
      "explain", "One item: its rows, its offset, what was written, what is there");
  explain
      ->add_option("TABLE", line.table,
                   "A target table and an item's key, or a source table and a row's key")
      ->required();
  explain->add_option("KEY", line.key, "The key's values")->required();
  add_json(explain, line);
  chooses(explain, line, "explain");

  CLI::App* snapshot = app.add_subcommand("snapshot", "Read one table again");
  snapshot->add_option("TABLE", line.table, "The source table")->required();
  chooses(snapshot, line, "snapshot");

  CLI::App* state = app.add_subcommand(
      "snapshot-state", "Copy the replica into one file, or put such a copy in its place");
  state->add_option("FILE", line.file, "The file")->required();
  state->add_flag("--restore", line.restore, "Continue from the copy in this file");
  chooses(state, line, "snapshot-state");

  CLI::App* replay =
      app.add_subcommand("replay", "Drive the log through fold and reconciler again");
  replay->add_option("--from", line.from, "beginning, an offset, or a time")->required();
  chooses(replay, line, "replay");

  CLI::App* log = app.add_subcommand("log", "The change log");
  log->require_subcommand(1);
  log->fallthrough();
  CLI::App* show = log->add_subcommand("show", "Print records");
  show->add_option("--table", line.table, "Only this table");
  show->add_option("--key", line.key, "Only this key (give the option once for each column)");
  show->add_option("--from", line.from, "From this offset or time");
  show->add_flag("--follow", line.follow, "Go on with what comes");
  add_json(show, line);
  chooses(show, line, "log show");

  CLI::App* letters = app.add_subcommand("dead-letters", "What could not be written, and why");
  letters->require_subcommand(1);
  letters->fallthrough();
  for (const char* verb : {"list", "retry", "drop"}) {
    CLI::App* command = letters->add_subcommand(
        verb, verb == std::string("list") ? "List them"
              : verb == std::string("retry")
                  ? "Try again with the newest state"
                  : "Forget them; their documents stay as they are at the target");
    command->add_option("DOCUMENT", line.document, "Only this document");
    command->add_option("KEY", line.key, "Only this row: its key's values");
    if (verb == std::string("list")) add_json(command, line);
    chooses(command, line, std::string("dead-letters ") + verb);
  }

  CLI::App* reset =
      app.add_subcommand("reset", "Forget this machine's state, never the target's data");
  reset->add_flag("--confirm", line.confirm, "Yes, forget it");
  chooses(reset, line, "reset");
}

}  // namespace

std::optional<int> parse_command_line(int argc, char** argv, CommandLine& parsed) {
  CLI::App app{"Tandem keeps a legacy SQL database and a cloud store identical, and can prove it."};
  app.name("tandem");
  app.set_version_flag("--version", std::string("tandem ") + kVersion);
  auto* config =
      app.add_option("-c,--config", parsed.config, "The config file")->capture_default_str();
  app.add_flag("-v,--verbose", parsed.verbose, "Say more on stderr");
  std::string log_format = "text";
  app.add_option("--log-format", log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  app.require_subcommand(1);
  add_commands(app, parsed);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, std::cout, std::cerr) == 0 ? 0 : 2;
  }
  parsed.config_given = config->count() > 0;
  parsed.json_logs = log_format == "json";
  return std::nullopt;
}

}  // namespace tandem::agent
