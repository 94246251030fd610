#include "agent/wiring.h"

#include <utility>

#include "capture/sqlite/sqlite_source.h"
#include "sink/dynamodb/dynamodb_target.h"
#include "sink/local/local_target.h"

namespace tandem::agent {

Config load_checked_config(const std::string& path) {
  Config config = load_config(path);
  if (auto mistakes = unsupported_parts(config); !mistakes.empty()) {
    throw ConfigError(config.file, std::move(mistakes));
  }
  capture::Catalog catalog = open_source(config)->catalog();
  if (auto mistakes = check_config(config, catalog); !mistakes.empty()) {
    throw ConfigError(config.file, std::move(mistakes));
  }
  return config;
}

std::unique_ptr<capture::Source> open_source(const Config& config) {
  return capture::open_sqlite_source(config.source.path, captured_tables(config));
}

std::unique_ptr<capture::SourceReader> open_source_reader(const Config& config) {
  return capture::open_sqlite_reader(config.source.path);
}

std::unique_ptr<state::EmbeddedLog> open_log(const Config& config,
                                             const state::StateDirectory& directory) {
  state::EmbeddedLogOptions options;
  options.retention_age = config.log.retention_age;
  options.retention_bytes = config.log.retention_size;
  return std::make_unique<state::EmbeddedLog>(directory.log(), options);
}

std::unique_ptr<state::EmbeddedLog> open_log_for_reading(const state::StateDirectory& directory) {
  return state::EmbeddedLog::open_read_only(directory.log());
}

std::unique_ptr<sink::Target> open_target(const Config& config) {
  if (config.target.type == TargetType::kLocal) {
    return sink::open_local_target(config.target.path, config.target.tables, config.target.options);
  }
  sink::DynamodbOptions options;
  options.region = config.target.region;
  options.endpoint = config.target.endpoint;
  return sink::open_dynamodb_target(options, config.target.tables, config.target.options);
}

}  // namespace tandem::agent
