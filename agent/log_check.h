// The preflight of a log in Kafka: what its topics are, and which of their settings could lose what
// is in them.
//
// Threads: free functions. Errors: none; a broker that cannot be asked is a finding.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/config.h"
#include "capture/source.h"

namespace tandem::agent {

/// Of a log's topic that is there, as its brokers have it.
struct TopicFacts {
  int replicas = 0;
  std::map<std::string, std::string> settings;  // by name; empty: we may not ask
};

/// What is to be said of a log's topic, of which the config wants what `config` says.
std::vector<capture::Finding> judge_log_topic(const std::string& topic, const TopicFacts& facts,
                                              const LogConfig& config);
/// The same of its control topic.
std::vector<capture::Finding> judge_control_topic(const std::string& topic,
                                                  const TopicFacts& facts);

/// Nothing for a log that is not in Kafka.
std::vector<capture::Finding> check_log(const Config& config);

}  // namespace tandem::agent
