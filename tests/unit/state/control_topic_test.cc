// What processes tell each other by the control topic. Needs a broker, which TANDEM_TEST_KAFKA
// names.
#include "state/control_topic.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "state/kafka_client_log.h"

namespace tandem::state {
namespace {

class ControlTopicOfKafkaTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* brokers = std::getenv("TANDEM_TEST_KAFKA");
    if (brokers == nullptr) GTEST_SKIP() << "TANDEM_TEST_KAFKA names no broker";
    static std::atomic<int> made{0};
    options_.brokers = brokers;
    options_.topic = "control-" + std::to_string(getpid()) + "-" + std::to_string(++made);
    options_.log = std::make_shared<KafkaClientLog>(
        [this](const std::string& line) { said_ += line + '\n'; }, options_.properties);
    KafkaOptions topic = options_;
    topic.topic = control_topic_of(options_.topic);
    ASSERT_TRUE(make_kafka_topic(topic, {}));
  }

  static ControlRecord gap(const std::string& text) {
    return {ControlKind::kGap, "p", "", text, 0, 0};
  }

  KafkaOptions options_;  // of the log
  std::string said_;
};

TEST_F(ControlTopicOfKafkaTest, IsReadAsItWasWritten) {
  ControlTopic writer(options_), reader(options_);
  EXPECT_TRUE(reader.read().empty());
  writer.append({ControlKind::kOwner, "a \"pipeline\"", "instance", "", 0, 0});
  writer.append({ControlKind::kDone, "", "", "", 7, 0});
  const std::vector<ControlRecord> records = reader.read();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].pipeline, "a \"pipeline\"");
  EXPECT_EQ(records[0].instance, "instance");
  EXPECT_EQ(records[1].kind, ControlKind::kDone);
  EXPECT_EQ(records[1].upto, 7);
  EXPECT_EQ(reader.read(records[1].offset).size(), 1U);
}

TEST_F(ControlTopicOfKafkaTest, WhatIsNotOursIsPassedOverAndSaid) {
  KafkaOptions topic = options_;
  topic.topic = control_topic_of(options_.topic);
  const std::string strange = "no JSON";
  KafkaProducer(topic).send(
      {{std::nullopt, strange, nullptr}, {std::nullopt, std::nullopt, nullptr}});
  ControlTopic control(options_);
  control.append(gap("heard"));
  const std::vector<ControlRecord> records = control.read();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].text, "heard");
  EXPECT_NE(said_.find("did not write, at offset 0"), std::string::npos) << said_;
}

// A look may be another thread's, but it has all that was acknowledged before it was asked for.
TEST_F(ControlTopicOfKafkaTest, WhatWasWrittenBeforeAReadIsInIt) {
  ControlTopic writer(options_), reader(options_);
  std::atomic<Offset> newest{writer.append(gap("first"))};
  std::atomic<bool> ended{false};
  std::atomic<int> missed{0};
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 4; ++i) {
      readers.emplace_back([&] {
        while (!ended) {
          const Offset there = newest;
          const std::vector<ControlRecord> records = reader.read(there);
          if (records.empty() || records.front().offset != there) ++missed;
        }
      });
    }
    for (int i = 0; i < 300; ++i) newest = writer.append(gap(std::to_string(i)));
    ended = true;
  }
  EXPECT_EQ(missed, 0);
}

}  // namespace
}  // namespace tandem::state
