#include "agent/log_check.h"

#include <unistd.h>

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/terminal.h"
#include "agent/wiring.h"
#include "state/replica.h"

namespace tandem::agent {
namespace {

using capture::Finding;
using Level = capture::Finding::Level;

std::string text_setting(const TopicFacts& facts, const char* name) {
  auto found = facts.settings.find(name);
  return found == facts.settings.end() ? std::string() : found->second;
}

std::optional<std::int64_t> number_setting(const TopicFacts& facts, const char* name) {
  const std::string text = text_setting(facts, name);
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc{} || stopped != end) return std::nullopt;
  return number;
}

std::string hours_text(std::int64_t milliseconds) {
  return human_duration(static_cast<double>(milliseconds) / 1000);
}

class Judge {
 public:
  Judge(const std::string& topic, const TopicFacts& facts)
      : subject_("topic " + topic), facts_(facts) {}

  void ok(std::string text) { add(Level::kOk, std::move(text), ""); }
  void warn(std::string text, std::string advice) {
    add(Level::kWarning, std::move(text), std::move(advice));
  }
  void fail(std::string text, std::string advice) {
    add(Level::kFailure, std::move(text), std::move(advice));
  }

  void durability() {
    const std::int64_t in_sync = number_setting(facts_, "min.insync.replicas").value_or(1);
    if (in_sync > facts_.replicas) {
      fail("min.insync.replicas is " + std::to_string(in_sync) + " and there are " +
               std::to_string(facts_.replicas) + " replicas, so nothing can be written",
           "lower the setting or add replicas");
    } else if (facts_.replicas == 1) {
      warn("it has one replica: the end of one broker's disk is the end of the log",
           "have three replicas and min.insync.replicas=2 for data that matters");
    } else if (in_sync < 2) {
      warn("min.insync.replicas is 1: what one broker alone had may be lost with it",
           "set min.insync.replicas=2");
    }
    if (text_setting(facts_, "unclean.leader.election.enable") == "true") {
      warn(
          "unclean.leader.election.enable is true: a broker that lacks durable messages may "
          "become leader",
          "set it to false for this topic");
    }
  }

  void not_compacted() {
    const std::string policy = text_setting(facts_, "cleanup.policy");
    if (policy.find("compact") == std::string::npos) return;
    fail("cleanup.policy is " + policy + ": what is compacted away is missing in the log",
         "set cleanup.policy=delete");
  }

  std::vector<Finding> findings;

 private:
  void add(Level level, std::string text, std::string advice) {
    findings.push_back({level, subject_, std::move(text), std::move(advice)});
  }

  const std::string subject_;
  const TopicFacts& facts_;
};

// How far back the replica here still needs the log; nothing: there is none, or it has all.
std::optional<std::int64_t> lag_ms(const Config& config, std::int64_t log_next) {
  const state::StateDirectory directory = state::StateDirectory::look(config.state);
  if (::access(directory.replica().c_str(), R_OK) != 0) return std::nullopt;
  const state::ReplicaPosition position = state::ReplicaReader(directory.replica()).position();
  if (position.next >= log_next || position.ts_ms == 0) return std::nullopt;
  return unix_milliseconds() - position.ts_ms;
}

void append(std::vector<Finding> more, std::vector<Finding>& findings) {
  for (Finding& finding : more) findings.push_back(std::move(finding));
}

void check_topic(const state::KafkaOptions& options, const Config& config,
                 std::vector<Finding>& findings) {
  state::KafkaConsumer consumer(options);
  const std::optional<int> replicas = consumer.replicas();
  if (!replicas) {
    findings.push_back(
        {Level::kWarning, "topic " + options.topic, "is not there", "`tandem init` makes it"});
    return;
  }
  const state::KafkaConsumer::Range range = consumer.range();
  const TopicFacts facts{*replicas, consumer.settings()};
  if (options.topic != config.log.topic) {
    append(judge_control_topic(options.topic, facts), findings);
    return;
  }
  append(judge_log_topic(options.topic, facts, config.log), findings);
  const auto lag = lag_ms(config, range.next);
  const auto kept = number_setting(facts, "retention.ms");
  if (!lag || !kept || *kept < 0 || *lag < *kept / 2) return;
  findings.push_back({Level::kWarning, "topic " + options.topic,
                      "the replica here is " + hours_text(*lag) + " behind, and the topic keeps " +
                          hours_text(*kept),
                      "start `tandem run` before what it needs is gone, or raise retention.ms"});
}

}  // namespace

std::vector<Finding> judge_log_topic(const std::string& topic, const TopicFacts& facts,
                                     const LogConfig& config) {
  Judge judge(topic, facts);
  if (facts.settings.empty()) {
    judge.warn("its settings cannot be read: whether it is compacted, or loses data, is not known",
               "grant DescribeConfigs on it to have them checked");
    return std::move(judge.findings);
  }
  judge.not_compacted();
  judge.durability();
  const std::int64_t wanted = std::chrono::milliseconds(config.retention_age).count();
  const std::int64_t kept = number_setting(facts, "retention.ms").value_or(-1);
  if (kept >= 0 && kept < wanted) {
    judge.warn("it keeps messages for " + hours_text(kept) + ", and `log.retention` wants " +
                   hours_text(wanted),
               "set retention.ms=" + std::to_string(wanted) +
                   ": who is away for longer has everything read again");
  }
  const std::int64_t bytes = number_setting(facts, "retention.bytes").value_or(-1);
  if (bytes >= 0 && static_cast<std::uint64_t>(bytes) < config.retention_size) {
    judge.warn("it keeps " + human_bytes(static_cast<std::uint64_t>(bytes)) +
                   " of messages, and `log.retention` wants " + human_bytes(config.retention_size),
               "set retention.bytes=" + std::to_string(config.retention_size) +
                   ": who lags behind by more has everything read again");
  }
  const std::int64_t largest = number_setting(facts, "max.message.bytes").value_or(1'048'588);
  constexpr std::int64_t kSmall = 262'144;
  if (largest < kSmall) {
    judge.warn("max.message.bytes is " + std::to_string(largest) +
                   ": larger rows are cut into "
                   "parts, which other tools do not join",
               "set max.message.bytes=1048588 or more");
  }
  if (judge.findings.empty()) {
    judge.ok("one partition, " + std::to_string(facts.replicas) + " replicas, keeps " +
             (kept < 0 ? "everything" : hours_text(kept)));
  }
  return std::move(judge.findings);
}

std::vector<Finding> judge_control_topic(const std::string& topic, const TopicFacts& facts) {
  Judge judge(topic, facts);
  if (facts.settings.empty()) {
    judge.warn(
        "its settings cannot be read: whether it forgets who writes to the target is not known",
        "grant DescribeConfigs on it to have them checked");
    return std::move(judge.findings);
  }
  judge.not_compacted();
  judge.durability();
  for (const char* limit : {"retention.ms", "retention.bytes"}) {
    if (number_setting(facts, limit).value_or(-1) < 0) continue;
    judge.warn("it forgets who writes to the target", "set " + std::string(limit) + "=-1");
  }
  if (judge.findings.empty()) judge.ok("is as it should be");
  return std::move(judge.findings);
}

std::vector<Finding> check_log(const Config& config) {
  std::vector<Finding> findings;
  for (const state::KafkaOptions& options : kafka_topics(config)) {
    try {
      check_topic(options, config, findings);
    } catch (const state::Error& error) {
      findings.push_back(
          {Level::kFailure, "topic " + options.topic, error.message(), error.hint()});
    }
  }
  return findings;
}

}  // namespace tandem::agent
