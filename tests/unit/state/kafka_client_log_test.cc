// What librdkafka says is told once, and never with a secret.
#include "state/kafka_client_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tandem::state {
namespace {

TEST(KafkaClientLog, TellsALineOnceWhateverItsTimes) {
  std::vector<std::string> told;
  KafkaClientLog log([&](const std::string& line) { told.push_back(line); }, {});
  log.say("[thrd:a:1/bootstrap]: a:1/bootstrap: Connect failed: refused (after 0ms in state X)");
  log.say(
      "[thrd:main]: a:1/bootstrap: Connect failed: refused (after 7ms in state X, 3 identical "
      "error(s) suppressed)");
  log.say("another line");
  EXPECT_EQ(told, (std::vector<std::string>{"Kafka client: a:1/bootstrap: Connect failed: refused",
                                            "Kafka client: another line"}));
}

TEST(KafkaClientLog, MasksTheValuesOfSecretProperties) {
  std::string told;
  KafkaClientLog log([&](const std::string& line) { told = line; },
                     {{"sasl.username", "alice"},
                      {"sasl.password", "hush"},
                      {"ssl.key.password", "hush hush"},
                      {"ssl.keystore.password", ""}});
  log.say("alice said hush hush, and hush");
  EXPECT_EQ(told, "Kafka client: alice said ***, and ***");
}

TEST(KafkaClientLog, KnowsWhichPropertiesAreSecret) {
  for (const char* name :
       {"sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem",
        "sasl.oauthbearer.client.secret", "sasl.jaas.config", "sasl.oauthbearer.config"}) {
    EXPECT_TRUE(is_secret_property(name)) << name;
  }
  for (const char* name : {"sasl.username", "ssl.ca.location", "linger.ms"}) {
    EXPECT_FALSE(is_secret_property(name)) << name;
  }
}

TEST(KafkaClientLog, SaysNothingToNobody) { KafkaClientLog(nullptr, {}).say("line"); }

}  // namespace
}  // namespace tandem::state
