#include "agent/wiring.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/command_line.h"
#include "agent/log.h"
#include "agent/told_tables.h"
#include "agent/version.h"
#include "capture/postgres/postgres_source.h"
#include "capture/sqlite/sqlite_source.h"
#include "sink/dynamodb/dynamodb_target.h"
#include "sink/local/local_target.h"
#include "state/embedded_log.h"
#include "state/kafka_client_log.h"
#include "state/kafka_log.h"
#include "state/rest.h"

namespace tandem::agent {

namespace {

// An append of the publisher's is one batch of the topic, even if it can't be compressed.
constexpr char kLargestBatch[] = "8388608";

capture::PostgresOptions postgres_options(const Config& config) {
  capture::PostgresOptions options;
  options.url = config.source.url;
  options.credentials = config.source.credentials;
  options.pipeline = config.name;
  options.slot = config.source.slot;
  options.publication = config.source.publication;
  options.snapshot_tables = config.source.snapshot_tables;
  options.tell = [](const std::string& sentence) { log_warning(sentence); };
  return options;
}

state::KafkaLogOptions kafka(const Config& config, std::stop_token stop = {}) {
  state::KafkaLogOptions options;
  for (const std::string& broker : config.log.brokers) {
    options.kafka.brokers += (options.kafka.brokers.empty() ? "" : ",") + broker;
  }
  options.kafka.topic = config.log.topic;
  options.kafka.properties.assign(config.log.properties.begin(), config.log.properties.end());
  options.kafka.stop = std::move(stop);
  options.kafka.log = std::make_shared<state::KafkaClientLog>(
      [](const std::string& line) { log_warning(line); }, options.kafka.properties);
  return options;
}

// What the log says of where its rows come from.
state::MessageOrigin origin(const Config& config) {
  if (config.source.type == SourceType::kPostgres) {
    const std::string database =
        capture::postgres::read_address(config.source.url, config.source.credentials).database;
    return {"postgresql", config.name, database, kVersion};
  }
  return {"sqlite", config.name, config.source.path.substr(config.source.path.rfind('/') + 1),
          kVersion};
}

// The mistakes of a config that could not be read as a whole, and those that the source's tables
// show in the documents that could: all at once.
std::vector<sink::Mistake> all_mistakes(const ConfigError& error, std::stop_token stop) {
  std::vector<sink::Mistake> mistakes = error.mistakes();
  if (error.read() == nullptr || shown_source(error.read()->source).empty()) return mistakes;
  Config readable = *error.read();
  std::erase_if(readable.documents, [&](const sink::DocumentSpec& spec) {
    std::string key = "documents." + spec.name;
    return std::any_of(mistakes.begin(), mistakes.end(), [&](const sink::Mistake& mistake) {
      return mistake.key == key || mistake.key.starts_with(key + ".");
    });
  });
  try {
    auto further = check_config(readable, open_source(readable)->catalog(std::move(stop)));
    mistakes.insert(mistakes.end(), further.begin(), further.end());
  } catch (const state::Error&) {
    // A source that can't be opened is said once the config can be read.
    return mistakes;
  }
  std::stable_sort(mistakes.begin(), mistakes.end(),
                   [](const sink::Mistake& a, const sink::Mistake& b) { return a.line < b.line; });
  return mistakes;
}

// Null if stopped.
std::unique_ptr<state::ChangeLog> wait_for_log(const Config& config,
                                               const state::StateDirectory& directory,
                                               const std::stop_token& stop) {
  for (bool said = false; !stop.stop_requested(); said = true) {
    try {
      return open_log_for_reading(config, directory, stop);
    } catch (const state::LogStopped&) {
      return nullptr;
    } catch (const state::LogNotBegun& error) {
      if (!said) log_warning(std::string(error.what()) + " (it is waited for)");
    }
    state::rest(std::chrono::milliseconds(500), stop);
  }
  return nullptr;
}

}  // namespace

Config load_checked_config(const std::string& path, std::stop_token stop) {
  Config config;
  try {
    config = load_config(path);
  } catch (const ConfigError& error) {
    throw ConfigError(path, all_mistakes(error, stop));
  }
  capture::Catalog catalog = open_source(config)->catalog(std::move(stop));
  if (auto mistakes = check_config(config, catalog); !mistakes.empty()) {
    throw ConfigError(config.file, std::move(mistakes));
  }
  return config;
}

Config load_config_as_read(const std::string& path) {
  try {
    return load_config(path);
  } catch (const ConfigError& error) {
    const bool of_source = std::all_of(
        error.mistakes().begin(), error.mistakes().end(), [](const sink::Mistake& mistake) {
          return mistake.key == "source" || mistake.key.starts_with("source.");
        });
    if (!of_source || error.read() == nullptr || error.read()->log.type != LogType::kKafka) throw;
    return *error.read();
  }
}

Config load_config_beside_replica(const std::string& path, std::stop_token stop) {
  const Config config = load_config_as_read(path);
  const state::StateDirectory directory = state::StateDirectory::look(config.state);
  const bool applied =
      config.log.type == LogType::kKafka && ::access(directory.replica().c_str(), R_OK) == 0;
  return applied ? load_applied_config(path, stop) : load_checked_config(path, std::move(stop));
}

Config load_applied_config(const std::string& path, const std::stop_token& stop) {
  Config config = load_config_as_read(path);
  if (config.log.type != LogType::kKafka) {
    throw UsageError("--role apply needs a log that two processes can share", config.file,
                     "use log: {type: kafka}, or run without --role");
  }
  const state::StateDirectory directory = state::StateDirectory::look(config.state);
  const auto log = wait_for_log(config, directory, stop);
  if (log == nullptr) return config;
  const ToldTables told = tables_of_log(config, *log, *open_control(config, stop), directory, stop);
  if (stop.stop_requested()) return config;
  std::vector<std::string> names;
  for (const auto& [name, schema] : told) names.push_back(name);
  const sink::SchemaLookup lookup = [&told](const std::string& name) {
    auto found = told.find(name);
    return found == told.end() ? nullptr : &found->second;
  };
  if (auto mistakes = check_config(config, lookup, names); !mistakes.empty()) {
    throw ConfigError(config.file, std::move(mistakes));
  }
  return config;
}

std::unique_ptr<capture::Source> open_source(const Config& config) {
  if (config.source.type == SourceType::kPostgres) {
    return capture::open_postgres_source(postgres_options(config), captured_tables(config));
  }
  return capture::open_sqlite_source(config.source.path, captured_tables(config));
}

std::unique_ptr<capture::SourceReader> open_source_reader(const Config& config,
                                                          std::stop_token stop) {
  if (config.source.type == SourceType::kPostgres) {
    return capture::open_postgres_reader(postgres_options(config), captured_tables(config),
                                         std::move(stop));
  }
  return capture::open_sqlite_reader(config.source.path);
}

std::unique_ptr<state::ChangeLog> open_log(const Config& config,
                                           const state::StateDirectory& directory, Role role,
                                           std::stop_token stop) {
  if (role == Role::kApply) return open_log_for_reading(config, directory, std::move(stop));
  if (config.log.type == LogType::kKafka) {
    state::KafkaLogOptions options = kafka(config, std::move(stop));
    options.origin = origin(config);
    options.tombstones = config.log.tombstones;
    return std::make_unique<state::KafkaLog>(std::move(options));
  }
  state::EmbeddedLogOptions options;
  options.retention_age = config.log.retention_age;
  options.retention_bytes = config.log.retention_size;
  return std::make_unique<state::EmbeddedLog>(directory.log(), options);
}

std::unique_ptr<state::ControlTopic> open_control(const Config& config, std::stop_token stop) {
  if (config.log.type != LogType::kKafka) return nullptr;
  return std::make_unique<state::ControlTopic>(kafka(config, std::move(stop)).kafka);
}

std::vector<state::KafkaOptions> kafka_topics(const Config& config) {
  if (config.log.type != LogType::kKafka) return {};
  const state::KafkaOptions log = kafka(config).kafka;
  state::KafkaOptions control = log;
  control.topic = state::control_topic_of(log.topic);
  return {log, control};
}

std::vector<std::string> make_log(const Config& config) {
  std::vector<std::string> made;
  for (const state::KafkaOptions& topic : kafka_topics(config)) {
    state::KafkaTopicSettings settings;
    settings.replication_factor = config.log.replication;
    std::map<std::string, std::string> configs;
    // The control topic says who owns a target, for as long as there is one.
    const bool forgets = topic.topic == config.log.topic;
    const auto age = std::chrono::milliseconds(config.log.retention_age);
    configs["cleanup.policy"] = "delete";
    configs["retention.ms"] = forgets ? std::to_string(age.count()) : "-1";
    configs["max.message.bytes"] = kLargestBatch;
    configs["retention.bytes"] = forgets ? std::to_string(config.log.retention_size) : "-1";
    for (const auto& [name, value] : config.log.settings) {
      const bool guards = name == "min.insync.replicas" || name == "unclean.leader.election.enable";
      if (forgets || guards) configs[name] = value;
    }
    settings.configs.assign(configs.begin(), configs.end());
    if (state::make_kafka_topic(topic, settings)) {
      made.push_back("made the Kafka topic " + topic.topic);
    }
  }
  return made;
}

bool log_is_there(const Config& config, const state::StateDirectory& directory) {
  return config.log.type == LogType::kKafka || ::access(directory.log().c_str(), R_OK) == 0;
}

std::unique_ptr<state::ChangeLog> open_log_for_reading(const Config& config,
                                                       const state::StateDirectory& directory,
                                                       std::stop_token stop) {
  if (config.log.type != LogType::kKafka) {
    return state::EmbeddedLog::open_read_only(directory.log());
  }
  state::KafkaLogOptions options = kafka(config, std::move(stop));
  options.writable = false;
  return std::make_unique<state::KafkaLog>(std::move(options));
}

std::unique_ptr<sink::Target> open_target(const Config& config, std::stop_token stop) {
  std::unique_ptr<sink::Target> target;
  if (config.target.type == TargetType::kLocal) {
    target =
        sink::open_local_target(config.target.path, config.target.tables, config.target.options);
  } else {
    sink::DynamodbOptions options;
    options.region = config.target.region;
    options.endpoint = config.target.endpoint;
    target = sink::open_dynamodb_target(options, config.target.tables, config.target.options);
  }
  target->set_stop(std::move(stop));
  return target;
}

}  // namespace tandem::agent
