// Making the topic of kafka_client.h.
#include <array>

#include "state/kafka_connection.h"

namespace tandem::state {
namespace {

// Who may not make topics is told so before it is told that there is one.
bool is_there(const KafkaConnection& connection, int timeout_ms) {
  const KafkaOwned<rd_kafka_topic_t> topic = connection.topic();
  const rd_kafka_metadata_t* answer = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(connection.client(), 0, topic.get(), &answer, timeout_ms);
  const KafkaOwned<const rd_kafka_metadata_t> metadata(answer);
  return error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1 &&
         metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace

bool make_kafka_topic(const KafkaOptions& options, const KafkaTopicSettings& settings) {
  KafkaConnection connection(RD_KAFKA_PRODUCER, options, {});
  constexpr std::size_t kReason = 512;
  std::array<char, kReason> reason{};
  const KafkaOwned<rd_kafka_NewTopic_t> topic(rd_kafka_NewTopic_new(
      options.topic.c_str(), 1, settings.replication_factor, reason.data(), reason.size()));
  if (!topic) {
    throw Error(std::string("the topic cannot be made: ") + reason.data(), connection.where(),
                "correct `log.topic`");
  }
  for (const auto& [name, value] : settings.configs) {
    rd_kafka_NewTopic_set_config(topic.get(), name.c_str(), value.c_str());
  }
  bool made = true, asked = false;
  std::string refused;  // in the broker's words
  const auto make = [&](int timeout_ms) {
    const KafkaOwned<rd_kafka_queue_t> queue(rd_kafka_queue_new(connection.client()));
    std::array<rd_kafka_NewTopic_t*, 1> topics{topic.get()};
    rd_kafka_CreateTopics(connection.client(), topics.data(), topics.size(), nullptr, queue.get());
    const KafkaOwned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), timeout_ms));
    if (!event) {
      asked = true;  // and perhaps heard: then it is there the next time
      return RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    rd_kafka_resp_err_t error = rd_kafka_event_error(event.get());
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
    std::size_t count = 0;
    const rd_kafka_topic_result_t** results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(event.get()), &count);
    if (count != 1) return RD_KAFKA_RESP_ERR__BAD_MSG;
    error = rd_kafka_topic_result_error(results[0]);
    if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED && is_there(connection, timeout_ms)) {
      made = false;
      return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (const char* text = rd_kafka_topic_result_error_string(results[0])) refused = text;
    if (error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) return error;
    made = asked;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  };
  try {
    connection.ask("the topic cannot be made", make, kKafkaPatience, KafkaPermission::kCreate);
  } catch (const Error& error) {
    if (refused.empty()) throw;
    throw Error(error.message() + " (" + refused + ")", connection.where(), error.hint());
  }
  return made;
}

}  // namespace tandem::state
