// One client of librdkafka's, as the producer, the consumer and the asking about topics use it.
// Private to kafka_*.cc.
//
// Promise: properties that would break what the log promises are refused; what the client says is
// told by KafkaClientLog; an Error has the reason that the brokers gave, and no secret. Threads:
// one, but for librdkafka's own, which only log.
#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "state/change_log.h"
#include "state/kafka_client.h"
#include "state/kafka_client_log.h"

namespace tandem::state {

struct KafkaClose {
  void operator()(rd_kafka_t* client) const {
    rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
  }
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
  void operator()(rd_kafka_headers_t* headers) const { rd_kafka_headers_destroy(headers); }
  void operator()(rd_kafka_NewTopic_t* topic) const { rd_kafka_NewTopic_destroy(topic); }
  void operator()(rd_kafka_ConfigResource_t* resource) const {
    rd_kafka_ConfigResource_destroy(resource);
  }
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
  void operator()(rd_kafka_error_t* error) const { rd_kafka_error_destroy(error); }
  void operator()(const rd_kafka_metadata_t* metadata) const {
    rd_kafka_metadata_destroy(metadata);
  }
};
template <typename Type>
using KafkaOwned = std::unique_ptr<Type, KafkaClose>;

/// Of a producer: what is called, with `owner`, for each message by rd_kafka_poll() and
/// rd_kafka_flush().
struct KafkaDelivery {
  void (*report)(void* owner, const rd_kafka_message_t& message) = nullptr;
  void* owner = nullptr;
};

/// How long a broker that does not answer is waited for.
inline constexpr std::chrono::milliseconds kKafkaPatience{30'000};

/// What a user must be granted on a topic for what is done with it; Read and Write let it be asked
/// about as well.
enum class KafkaPermission { kRead, kWrite, kCreate };

class KafkaConnection {
 public:
  /// `ours`: properties that `options` may override.
  KafkaConnection(rd_kafka_type_t type, const KafkaOptions& options,
                  const std::vector<std::pair<std::string, std::string>>& ours,
                  KafkaDelivery delivery = {});
  KafkaConnection(const KafkaConnection&) = delete;

  const KafkaOptions& options() const { return options_; }
  rd_kafka_t* client() const { return client_.get(); }
  /// A topic of the name that the options have.
  KafkaOwned<rd_kafka_topic_t> topic() const;
  std::string where() const { return "Kafka topic " + options_.topic; }

  /// Asks the brokers, in turns of two seconds at most, until one has answered. Throws LogStopped
  /// when the turn ends in which a stop was asked for, and from then on at once; Error for what
  /// waiting does not mend, or when patience has run out.
  void ask(const std::string& what, const std::function<rd_kafka_resp_err_t(int timeout_ms)>& ask,
           std::chrono::milliseconds patience = kKafkaPatience,
           KafkaPermission needed = KafkaPermission::kRead);
  /// `needed`: what is to be granted if that is what was missing.
  Error failure(const std::string& what, rd_kafka_resp_err_t error,
                KafkaPermission needed = KafkaPermission::kRead);
  LogStopped stopped() const;
  /// Hears what the client has noticed, and throws Error for what waiting does not mend.
  void listen();

 private:
  static void log(const rd_kafka_t* client, int level, const char* facility, const char* line);
  static void notice(rd_kafka_t* client, int error, const char* reason, void* opaque);

  const KafkaOptions options_;
  const std::shared_ptr<KafkaClientLog> log_;
  const KafkaDelivery delivery_;
  rd_kafka_resp_err_t trouble_ = RD_KAFKA_RESP_ERR_NO_ERROR;  // that was noticed last
  std::string reason_;                                        // of trouble_
  bool was_stopped_ = false;
  KafkaOwned<rd_kafka_t> client_;
};

}  // namespace tandem::state
