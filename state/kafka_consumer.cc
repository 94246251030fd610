// The consumer of kafka_client.h. It is of no group: which offset comes next is known here.
#include <algorithm>
#include <array>

#include "state/change_log.h"
#include "state/kafka_connection.h"

namespace tandem::state {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How soon a stop is noticed.
constexpr milliseconds kStep{100};

}  // namespace

class KafkaConsumer::Impl {
 public:
  explicit Impl(const KafkaOptions& options)
      : connection_(RD_KAFKA_CONSUMER, options,
                    {{"auto.offset.reset", "error"},
                     {"auto.commit.enable", "false"},
                     {"enable.auto.offset.store", "false"},
                     {"enable.partition.eof", "false"},
                     // A fetch that waits for what is not there yet keeps a seek waiting.
                     {"fetch.wait.max.ms", "100"},
                     {"fetch.error.backoff.ms", "100"},
                     {"queued.max.messages.kbytes", "16384"}}),
        topic_(connection_.topic()),
        queue_(rd_kafka_queue_new(connection_.client())) {}
  ~Impl() {
    messages_.clear();
    rest();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Range range(milliseconds patience) {
    if (!one_partition_) check_partitions();
    Range range;
    connection_.ask(
        "the broker does not tell what the topic holds",
        [&](int timeout_ms) {
          const auto error = offset_at(RD_KAFKA_OFFSET_BEGINNING, timeout_ms, range.first);
          if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
          return offset_at(RD_KAFKA_OFFSET_END, timeout_ms, range.next);
        },
        patience);
    return range;
  }

  std::int64_t next() {
    if (!one_partition_) check_partitions();
    std::int64_t next = 0;
    connection_.ask("the broker does not tell what the topic holds", [&](int timeout_ms) {
      return offset_at(RD_KAFKA_OFFSET_END, timeout_ms, next);
    });
    return next;
  }

  std::optional<int> replicas() {
    const Metadata metadata = ask_metadata(false);
    if (is_missing(*metadata)) return std::nullopt;
    const rd_kafka_metadata_topic_t& topic = metadata->topics[0];
    return topic.partition_cnt == 0 ? 0 : topic.partitions[0].replica_cnt;
  }

  std::int64_t at(std::int64_t unix_ms) {
    std::int64_t offset = -1;
    connection_.ask("the broker does not tell what the topic holds",
                    [&](int timeout_ms) { return offset_at(unix_ms, timeout_ms, offset); });
    return offset >= 0 ? offset : range(kKafkaPatience).next;
  }

  std::map<std::string, std::string> settings() {
    std::map<std::string, std::string> settings;
    connection_.ask("the brokers do not tell the topic's settings",
                    [&](int timeout_ms) { return describe(timeout_ms, settings); });
    return settings;
  }

  void seek(std::int64_t offset) {
    rest();
    if (rd_kafka_consume_start_queue(topic_.get(), 0, offset, queue_.get()) != 0) {
      throw connection_.failure("cannot read", rd_kafka_last_error());
    }
    fetching_ = true;
  }

  void rest() {
    reads_.clear();
    messages_.clear();
    if (fetching_) rd_kafka_consume_stop(topic_.get(), 0);
    fetching_ = false;
  }

  const std::vector<Read>& read(std::size_t most, milliseconds wait, const std::stop_token& stop) {
    reads_.clear();
    messages_.clear();
    const auto until = steady_clock::now() + wait;
    for (;;) {
      const auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now());
      const auto step = std::clamp(left, milliseconds(0), kStep);
      // librdkafka waits until there are as many as it is asked for: for one, then, and for none of
      // the others that are there already.
      if (collect(1, step) == 1) collect(most - 1, milliseconds(0));
      for (const auto& message : messages_) take(*message);
      if (!reads_.empty() || left <= milliseconds(0) || stop.stop_requested()) return reads_;
      messages_.clear();
      connection_.listen();
    }
  }

 private:
  // How many came; at most `most`.
  std::size_t collect(std::size_t most, milliseconds wait) {
    raw_.resize(most);
    const ssize_t count = rd_kafka_consume_batch_queue(queue_.get(), static_cast<int>(wait.count()),
                                                       raw_.data(), raw_.size());
    for (ssize_t i = 0; i < count; ++i) {
      messages_.emplace_back(raw_[static_cast<std::size_t>(i)]);
    }
    return static_cast<std::size_t>(std::max<ssize_t>(count, 0));
  }

  using Metadata = KafkaOwned<const rd_kafka_metadata_t>;
  // With the topic's own trouble, if it has any, as that of the question.
  Metadata ask_metadata(bool must_be_there) {
    Metadata metadata;
    connection_.ask("the brokers do not tell of the topic", [&](int timeout_ms) {
      const rd_kafka_metadata_t* answer = nullptr;
      const rd_kafka_resp_err_t error =
          rd_kafka_metadata(connection_.client(), 0, topic_.get(), &answer, timeout_ms);
      metadata.reset(answer);
      if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
      if (!must_be_there && is_missing(*metadata)) return RD_KAFKA_RESP_ERR_NO_ERROR;
      return metadata->topic_cnt == 1 ? metadata->topics[0].err
                                      : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    });
    return metadata;
  }

  static bool is_missing(const rd_kafka_metadata_t& metadata) {
    return metadata.topic_cnt != 1 ||
           metadata.topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           metadata.topics[0].err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
  }

  void check_partitions() {
    const Metadata metadata = ask_metadata(true);
    const int partitions = metadata->topics[0].partition_cnt;
    if (partitions != 1) {
      throw Error(
          "the topic has " + std::to_string(partitions) + " partitions, and a log has one order",
          connection_.where(), "name a topic with one partition in `log.topic`");
    }
    one_partition_ = true;
  }

  // rd_kafka_query_watermark_offsets() would wait for ever where the broker has gone.
  rd_kafka_resp_err_t offset_at(std::int64_t end, int timeout_ms, std::int64_t& offset) {
    const KafkaOwned<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_t* partition =
        rd_kafka_topic_partition_list_add(list.get(), connection_.options().topic.c_str(), 0);
    partition->offset = end;
    const auto error = rd_kafka_offsets_for_times(connection_.client(), list.get(), timeout_ms);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
    offset = list->elems[0].offset;
    return list->elems[0].err;
  }

  rd_kafka_resp_err_t describe(int timeout_ms, std::map<std::string, std::string>& settings) {
    const KafkaOwned<rd_kafka_ConfigResource_t> resource(
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, connection_.options().topic.c_str()));
    const KafkaOwned<rd_kafka_queue_t> queue(rd_kafka_queue_new(connection_.client()));
    std::array<rd_kafka_ConfigResource_t*, 1> resources{resource.get()};
    rd_kafka_DescribeConfigs(connection_.client(), resources.data(), resources.size(), nullptr,
                             queue.get());
    const KafkaOwned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), timeout_ms));
    if (!event) return RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (const auto error = rd_kafka_event_error(event.get())) return error;
    std::size_t count = 0;
    const rd_kafka_ConfigResource_t** answers = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event.get()), &count);
    if (count != 1) return RD_KAFKA_RESP_ERR__BAD_MSG;
    const rd_kafka_resp_err_t error = rd_kafka_ConfigResource_error(answers[0]);
    if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) return RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
    const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(answers[0], &count);
    for (std::size_t i = 0; i < count; ++i) {
      const char* value = rd_kafka_ConfigEntry_value(entries[i]);
      if (value != nullptr) settings[rd_kafka_ConfigEntry_name(entries[i])] = value;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }

  void take(const rd_kafka_message_t& message) {
    if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
        message.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
      throw Error("the log no longer has the offset that is wanted", connection_.where(),
                  "its retention is shorter than what was read lags behind; raise retention.ms");
    }
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      // librdkafka goes on by itself where it can.
      if (message.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
          message.err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
          message.err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
          message.err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
          message.err == RD_KAFKA_RESP_ERR__BAD_MSG || message.err == RD_KAFKA_RESP_ERR__FATAL) {
        throw connection_.failure("cannot read", message.err);
      }
      return;
    }
    Read& read = reads_.emplace_back();
    read.offset = message.offset;
    auto view = [](const void* bytes, std::size_t size) -> std::optional<std::string_view> {
      if (bytes == nullptr) return std::nullopt;
      return std::string_view(static_cast<const char*>(bytes), size);
    };
    read.message.key = view(message.key, message.key_len);
    read.message.value = view(message.payload, message.len);
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
    auto header = [&](const char* name) -> std::optional<std::string_view> {
      const void* value = nullptr;
      std::size_t size = 0;
      if (rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return std::nullopt;
      }
      return std::string_view(static_cast<const char*>(value), size);
    };
    read.message.record = header(kRecordHeader).value_or(std::string_view());
    read.message.old_key = header(kOldKeyHeader).value_or(std::string_view());
    read.message.has_new_key = header(kNewKeyHeader).has_value();
  }

  KafkaConnection connection_;
  KafkaOwned<rd_kafka_topic_t> topic_;
  KafkaOwned<rd_kafka_queue_t> queue_;
  bool one_partition_ = false;  // the topic was found to have no more
  bool fetching_ = false;
  std::vector<rd_kafka_message_t*> raw_;
  std::vector<KafkaOwned<rd_kafka_message_t>> messages_;  // that reads_ point into
  std::vector<Read> reads_;
};

KafkaConsumer::KafkaConsumer(const KafkaOptions& options)
    : impl_(std::make_unique<Impl>(options)) {}
KafkaConsumer::~KafkaConsumer() = default;
std::optional<int> KafkaConsumer::replicas() { return impl_->replicas(); }
std::int64_t KafkaConsumer::at(std::int64_t unix_ms) { return impl_->at(unix_ms); }
KafkaConsumer::Range KafkaConsumer::range(milliseconds patience) { return impl_->range(patience); }
std::int64_t KafkaConsumer::next() { return impl_->next(); }
std::map<std::string, std::string> KafkaConsumer::settings() { return impl_->settings(); }
void KafkaConsumer::seek(std::int64_t offset) { impl_->seek(offset); }
void KafkaConsumer::rest() { impl_->rest(); }
const std::vector<KafkaConsumer::Read>& KafkaConsumer::read(std::size_t most, milliseconds wait,
                                                            const std::stop_token& stop) {
  return impl_->read(most, wait, stop);
}

}  // namespace tandem::state
