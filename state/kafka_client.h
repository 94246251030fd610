// librdkafka, wrapped once: a producer that says where its messages came to lie, a consumer of one
// partition, and what can be asked of a topic. The rest of the room knows no type of librdkafka's.
//
// Promise: KafkaProducer::send() returns when all brokers that must have a message have it
// (acks=all), in the order given; a message is sent again by librdkafka without being doubled
// (idempotence). Threads: each object on one thread at a time.
// Errors: Error with the broker's own words; secrets among the properties are in none. LogStopped
// soon after a stop was asked for, from whatever waits.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/error.h"
#include "state/message.h"

namespace tandem::state {

class KafkaClientLog;

struct KafkaOptions {
  std::string brokers;  // host:port, …
  std::string topic;
  /// librdkafka's own, e.g. security.protocol. They win over ours, but what the log's promise rests
  /// on is refused. `delivery.timeout.ms` is how long send() tries.
  std::vector<std::pair<std::string, std::string>> properties;
  std::stop_token stop;
  std::shared_ptr<KafkaClientLog> log;  // null: nothing is told
};

/// A message is larger than the topic takes.
class KafkaTooLarge : public Error {
 public:
  KafkaTooLarge(std::size_t message, const std::string& where);
  std::size_t message() const { return message_; }  // its index in those of send()

 private:
  std::size_t message_;
};

/// One message to be sent; the views must live until send() returns.
struct KafkaMessage {
  std::optional<std::string_view> key, value;
  const std::optional<MessageHeader>* header = nullptr;
};

class KafkaProducer {
 public:
  /// `max_message_bytes`: of the topic; 0: not known.
  explicit KafkaProducer(const KafkaOptions& options, std::int64_t max_message_bytes = 0);
  ~KafkaProducer();
  /// The offset of each message. It tries until all are taken, delivery.timeout.ms without an
  /// answer, or two seconds after a stop. If it throws, the first of the messages may be in the
  /// topic, none without those before it, and the object can send no more.
  std::vector<std::int64_t> send(const std::vector<KafkaMessage>& messages);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

class KafkaConsumer {
 public:
  explicit KafkaConsumer(const KafkaOptions& options);
  ~KafkaConsumer();

  struct Range {
    std::int64_t first = 0, next = 0;  // oldest offset kept, and that of the next message
  };
  /// Throws Error if the topic is not there, has not exactly one partition, or if no broker answers
  /// for so long.
  Range range(std::chrono::milliseconds patience = std::chrono::seconds(30));
  /// The offset of the next message: half of range(), in half of its time.
  std::int64_t next();
  /// How many brokers are to have each message; nothing: the topic is not there.
  std::optional<int> replicas();
  /// The offset of the first message that was written at this time (Unix milliseconds) or later,
  /// or of the next one.
  std::int64_t at(std::int64_t unix_ms);
  /// The topic's settings as its brokers have them; empty if the user may not ask.
  std::map<std::string, std::string> settings();
  /// What read() gives next.
  void seek(std::int64_t offset);
  /// Fetches no more until the next seek().
  void rest();
  struct Read {
    IncomingMessage message;
    std::int64_t offset = 0;
  };
  /// The next messages, at most `most`; none if none came in time or a stop was asked for. They
  /// live until the next call. Throws Error if the wanted offset is gone by retention.
  const std::vector<Read>& read(std::size_t most, std::chrono::milliseconds wait,
                                const std::stop_token& stop);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

struct KafkaTopicSettings {
  int replication_factor = 1;
  std::vector<std::pair<std::string, std::string>> configs;  // of the topic, e.g. retention.ms
};
/// False if it was there already.
bool make_kafka_topic(const KafkaOptions& options, const KafkaTopicSettings& settings);

}  // namespace tandem::state
