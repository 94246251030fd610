// What the log in Kafka keeps where a broker, a topic or another writer does not do as it should.
// Most of it needs a broker, which TANDEM_TEST_KAFKA names.
#include "state/kafka_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "log_batches.h"
#include "state/error.h"
#include "state/kafka_log_reader.h"
#include "state/recent_batches.h"

namespace tandem::state {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

KafkaLogOptions options_for(const std::string& brokers) {
  static std::atomic<int> made{0};
  KafkaLogOptions options;
  options.kafka.brokers = brokers;
  options.kafka.topic = "log-" + std::to_string(getpid()) + "-" + std::to_string(++made);
  options.origin = {"postgresql", "test", "db", "1"};
  return options;
}

class KafkaLogTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* brokers = std::getenv("TANDEM_TEST_KAFKA");
    if (brokers == nullptr) GTEST_SKIP() << "TANDEM_TEST_KAFKA names no broker";
    options_ = options_for(brokers);
  }

  void make(KafkaTopicSettings settings = {}) {
    ASSERT_TRUE(make_kafka_topic(options_.kafka, settings));
  }
  void property(const std::string& name, const std::string& value) {
    options_.kafka.properties.emplace_back(name, value);
  }
  // A log that knows the table `t`.
  std::unique_ptr<KafkaLog> begun(std::uint64_t epoch = 1) {
    auto log = std::make_unique<KafkaLog>(options_);
    log->claim(epoch);
    TableSchema schema;
    schema.name = "t";
    schema.columns.resize(2);
    schema.columns[0].name = "id";
    schema.columns[1].name = "text";
    schema.key = {0};
    schema.unique_keys = {{0}};
    log->append(batch_of({Begin{{0, 0}, 1}, SchemaRecord{schema, true}, End{checkpoint_at(0)}}));
    return log;
  }

  KafkaLogOptions options_;
};

TEST_F(KafkaLogTest, NothingOfATransactionComesAfterAMessageThatWasRefused) {
  make({.configs = {{"max.message.bytes", "3000"}}});
  // Each message goes by itself, and it is the broker who finds that one is too large.
  property("message.max.bytes", "1000000");
  property("batch.num.messages", "1");
  property("compression.type", "none");
  constexpr std::size_t kRefused = 3;
  const std::string small(100, 's'), large(9000, 'x');
  std::vector<KafkaMessage> messages(20);
  for (KafkaMessage& message : messages) message.value = small;
  messages[kRefused].value = large;
  KafkaProducer producer(options_.kafka);
  EXPECT_THROW(producer.send(messages), Error);
  EXPECT_LE(KafkaConsumer(options_.kafka).range().next, static_cast<Offset>(kRefused))
      << "a transaction with a hole would count as whole";
}

TEST_F(KafkaLogTest, SaysWhichTableHasAKeyThatIsTooLarge) {
  make();
  const auto log = begun();
  auto batch = transaction_at(1);
  std::get<Change>(batch->records[1]).after[0] = Value::text(std::string(3'000'000, 'k'));
  try {
    log->append(batch);
    FAIL();
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find("public.t"), std::string::npos) << what;
    EXPECT_NE(what.find("max.message.bytes"), std::string::npos) << what;
    EXPECT_LT(what.size(), 400U);
  }
  EXPECT_EQ(KafkaLog(options_).read_tail().checkpoint, checkpoint_at(0));
}

TEST_F(KafkaLogTest, BatchesAreNoLargerThanTheTopicTakes) {
  make({.configs = {{"max.message.bytes", "20000"}}});
  property("compression.type", "none");
  const auto log = begun();
  log->append(transaction_at(1, 200, 1000));
  EXPECT_EQ(log->read_tail().checkpoint, checkpoint_at(1));
}

TEST_F(KafkaLogTest, AFullQueueIsWaitedFor) {
  make();
  property("queue.buffering.max.messages", "10");
  const auto log = begun();
  log->append(transaction_at(1, 500));
  EXPECT_EQ(log->read_tail().checkpoint, checkpoint_at(1));
}

TEST_F(KafkaLogTest, RefusesACompactedTopic) {
  make({.configs = {{"cleanup.policy", "compact,delete"}}});
  try {
    const KafkaLog log(options_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("cleanup.policy"), std::string::npos) << error.what();
  }
}

TEST_F(KafkaLogTest, ATopicThatIsNotThereIsSaid) {
  try {
    const KafkaLog log(options_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("tandem init"), std::string::npos) << error.what();
  }
}

// Beside the writer, a reader finds the next batch in memory. Where messages of a capture that was
// succeeded lie before it, the batch must say all the same that nothing is missing.
TEST_F(KafkaLogTest, AReaderMissesNothingWhereItPassesOverMessages) {
  make();
  const auto older = begun(1);
  KafkaLog newer(options_);
  newer.claim(2);
  const Offset claimed = newer.next() - 1;
  EXPECT_THROW(older->append(transaction_at(1)), Fenced);
  const Offset end = newer.read_tail().next;
  ASSERT_EQ(end, claimed + 4);
  auto recent = std::make_shared<RecentBatches>(1 << 20, end);
  KafkaLogReader reader(options_.kafka, newer.identity(), recent, claimed);
  auto batch = reader.next(seconds(20), {});
  ASSERT_NE(batch, nullptr);
  ASSERT_TRUE(std::holds_alternative<Epoch>(batch->records.back()));
  EXPECT_EQ(reader.next(milliseconds(300), {}), nullptr);
  auto heartbeat = batch_of({Heartbeat{checkpoint_at(3), 1}});
  newer.append(heartbeat);
  ASSERT_EQ(heartbeat->offsets.front(), end);
  recent->publish(heartbeat, end, 100);
  batch = reader.next(seconds(20), {});
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->offsets, heartbeat->offsets);
  EXPECT_EQ(batch->from, claimed + 1) << "else the fold takes what was passed over for a hole";
}

TEST_F(KafkaLogTest, AnEpochIsClaimedOnce) {
  make();
  const auto first = begun(5);
  KafkaLog second(options_);
  EXPECT_THROW(second.claim(5), Fenced);
  second.claim(6);
  EXPECT_THROW(first->append(transaction_at(1)), Fenced);
}

// ---- without a broker --------------------------------------------------------------------------

TEST(KafkaLogWithoutBroker, AStopEndsTheWait) {
  KafkaLogOptions options = options_for("127.0.0.1:1");
  std::stop_source stop;
  options.kafka.stop = stop.get_token();
  const auto began = steady_clock::now();
  std::jthread stopper([&] {
    std::this_thread::sleep_for(milliseconds(200));
    stop.request_stop();
  });
  EXPECT_THROW(KafkaLog{options}, LogStopped);
  EXPECT_LT(steady_clock::now() - began, seconds(5));
}

TEST(KafkaLogWithoutBroker, AStopEndsAnAppendSoon) {
  KafkaOptions options = options_for("127.0.0.1:1").kafka;
  std::stop_source stop;
  options.stop = stop.get_token();
  KafkaProducer producer(options);
  std::jthread stopper([&] {
    std::this_thread::sleep_for(milliseconds(200));
    stop.request_stop();
  });
  const auto began = steady_clock::now();
  EXPECT_THROW(producer.send({{std::nullopt, "value", nullptr}}), LogStopped);
  EXPECT_LT(steady_clock::now() - began, seconds(4));
}

TEST(KafkaLogWithoutBroker, AProducerGivesUpAfterItsTimeAndForGood) {
  KafkaOptions options = options_for("127.0.0.1:1").kafka;
  options.properties = {{"delivery.timeout.ms", "300"}};
  KafkaProducer producer(options);
  EXPECT_THROW(producer.send({{std::nullopt, "value", nullptr}}), Error);
  EXPECT_THROW(producer.send({{std::nullopt, "value", nullptr}}), Error);
}

TEST(KafkaLogWithoutBroker, RefusesPropertiesThatTheLogsPromiseRestsOn) {
  for (const char* name : {"acks", "enable.idempotence", "isolation.level", "transactional.id",
                           "bootstrap.servers", "retries"}) {
    KafkaOptions options = options_for("127.0.0.1:1").kafka;
    options.properties = {{name, "0"}};
    try {
      const KafkaProducer producer(options);
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
}

TEST(KafkaLogWithoutBroker, TellsNoSecretOfAPropertyThatIsWrong) {
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"sasl.pasword", "hush"}, {"linger.ms", "hush"}, {"delivery.timeout.ms", "hush"}}) {
    KafkaOptions options = options_for("127.0.0.1:1").kafka;
    options.properties = {{name, value}};
    try {
      const KafkaProducer producer(options);
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find("hush"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace tandem::state
