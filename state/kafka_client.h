// librdkafka, wrapped once: a producer that says where its messages came to lie, a consumer of one
// partition, and what can be asked of a topic. The rest of the room knows no type of librdkafka's.
//
// Promise: KafkaProducer::send() returns when all brokers that must have a message have it
// (acks=all), in the order given; a message is sent again by librdkafka without being doubled
// (idempotence). Threads: each object on one thread at a time.
// Errors: Error with the broker's own words; secrets among the properties are in none.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/message.h"

namespace tandem::state {

struct KafkaOptions {
  std::string brokers;  // host:port, …
  std::string topic;
  /// librdkafka's own, e.g. security.protocol; they win over ours.
  std::vector<std::pair<std::string, std::string>> properties;
};

/// One message to be sent; the views must live until send() returns.
struct KafkaMessage {
  std::optional<std::string_view> key, value;
  const std::optional<MessageHeader>* header = nullptr;
};

class KafkaProducer {
 public:
  explicit KafkaProducer(const KafkaOptions& options);
  ~KafkaProducer();
  /// The offset of each message. If it throws, any of the messages may be in the topic.
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
  /// Throws Error if the topic is not there, or has not exactly one partition.
  Range range();
  /// What read() gives next.
  void seek(std::int64_t offset);
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
