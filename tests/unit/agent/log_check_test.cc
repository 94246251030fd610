#include "agent/log_check.h"

#include <gtest/gtest.h>

namespace tandem::agent {
namespace {

using capture::Finding;

const std::map<std::string, std::string> kGood = {{"cleanup.policy", "delete"},
                                                  {"min.insync.replicas", "2"},
                                                  {"retention.ms", "604800000"},
                                                  {"max.message.bytes", "1048588"},
                                                  {"unclean.leader.election.enable", "false"}};

std::vector<Finding> judged(int replicas, const std::map<std::string, std::string>& changes) {
  TopicFacts facts{replicas, kGood};
  for (const auto& [name, value] : changes) facts.settings[name] = value;
  return judge_log_topic("t", facts, LogConfig());
}

TEST(LogCheckTest, ATopicAsItShouldBe) {
  const std::vector<Finding> findings = judged(3, {});
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].level, Finding::Level::kOk);
  EXPECT_EQ(findings[0].subject, "topic t");
}

TEST(LogCheckTest, WhatCouldLoseDataIsSaidWithWhatToDo) {
  struct Case {
    int replicas;
    std::map<std::string, std::string> changes;
    Finding::Level level;
    std::string word;
  };
  const std::vector<Case> cases = {
      {3, {{"cleanup.policy", "compact"}}, Finding::Level::kFailure, "cleanup.policy=delete"},
      {3,
       {{"cleanup.policy", "delete,compact"}},
       Finding::Level::kFailure,
       "cleanup.policy=delete"},
      {3, {{"min.insync.replicas", "1"}}, Finding::Level::kWarning, "min.insync.replicas=2"},
      {1, {{"min.insync.replicas", "1"}}, Finding::Level::kWarning, "three replicas"},
      {1, {}, Finding::Level::kFailure, "add replicas"},
      {3, {{"unclean.leader.election.enable", "true"}}, Finding::Level::kWarning, "false"},
      {3, {{"retention.ms", "3600000"}}, Finding::Level::kWarning, "retention.ms=604800000"},
      {3, {{"retention.bytes", "1000"}}, Finding::Level::kWarning, "retention.bytes=10000000000"},
      {3, {{"max.message.bytes", "1000"}}, Finding::Level::kWarning, "max.message.bytes=1048588"},
  };
  for (const Case& each : cases) {
    const std::vector<Finding> findings = judged(each.replicas, each.changes);
    ASSERT_EQ(findings.size(), 1U) << each.word;
    EXPECT_EQ(findings[0].level, each.level) << each.word;
    EXPECT_NE(findings[0].advice.find(each.word), std::string::npos) << findings[0].advice;
  }
}

TEST(LogCheckTest, SettingsThatWeMayNotRead) {
  const std::vector<Finding> findings = judge_log_topic("t", {3, {}}, LogConfig());
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].level, Finding::Level::kWarning);
}

TEST(LogCheckTest, AControlTopicForgetsNothing) {
  TopicFacts facts{3, kGood};
  EXPECT_EQ(judge_control_topic("t.control", facts).at(0).level, Finding::Level::kWarning);
  facts.settings["retention.ms"] = "-1";
  EXPECT_EQ(judge_control_topic("t.control", facts).at(0).level, Finding::Level::kOk);
  facts.settings["retention.bytes"] = "1000000";
  EXPECT_EQ(judge_control_topic("t.control", facts).at(0).level, Finding::Level::kWarning);
  facts.settings.clear();
  EXPECT_EQ(judge_control_topic("t.control", facts).at(0).level, Finding::Level::kWarning);
}

}  // namespace
}  // namespace tandem::agent
