// Makes the parts that a config names: source, log, target. The one place that knows which class
// serves which `type`.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/role.h"
#include "capture/source.h"
#include "sink/target.h"
#include "state/change_log.h"
#include "state/control_topic.h"
#include "state/state_directory.h"

namespace tandem::agent {

/// Loads the config and checks it against the source's tables. Throws ConfigError, or Error if the
/// source cannot be opened. A stop ends the wait for a locked source.
Config load_checked_config(const std::string& path, std::stop_token stop = {});

/// For one who has no source: checks the config against the tables as the log tells them, and
/// leaves mistakes of `source` unsaid. Waits for a capture that has not begun yet.
Config load_applied_config(const std::string& path, const std::stop_token& stop = {});

/// Reads the config without a look at any server; mistakes of `source` are left unsaid if the log
/// is one that a process without a source may read.
Config load_config_as_read(const std::string& path);

/// For a command that works on what was applied here: load_applied_config() where that can be done
/// without a source, load_checked_config() else.
Config load_config_beside_replica(const std::string& path, std::stop_token stop);

std::unique_ptr<capture::Source> open_source(const Config& config);
std::unique_ptr<capture::SourceReader> open_source_reader(const Config& config,
                                                          std::stop_token stop);
/// To write, but for one who only applies. A stop ends the waits for a log that does not answer
/// (LogStopped).
std::unique_ptr<state::ChangeLog> open_log(const Config& config,
                                           const state::StateDirectory& directory,
                                           Role role = Role::kAll, std::stop_token stop = {});
/// Of a log in Kafka; null for others.
std::unique_ptr<state::ControlTopic> open_control(const Config& config, std::stop_token stop = {});
/// Of a log in Kafka: its topic and its control topic. Nothing for others.
std::vector<state::KafkaOptions> kafka_topics(const Config& config);
/// Makes what the log needs beside the state directory: Kafka's topic. Returns what was made, a
/// sentence each.
std::vector<std::string> make_log(const Config& config);
/// Whether a capture has begun the log, as far as can be told without reading it.
bool log_is_there(const Config& config, const state::StateDirectory& directory);
/// Beside a running agent.
std::unique_ptr<state::ChangeLog> open_log_for_reading(const Config& config,
                                                       const state::StateDirectory& directory,
                                                       std::stop_token stop = {});
/// A stop ends the waits for a target that does not answer (TargetStopped).
std::unique_ptr<sink::Target> open_target(const Config& config, std::stop_token stop);

}  // namespace tandem::agent
