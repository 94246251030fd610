#include "state/kafka_client.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>

#include "state/error.h"

namespace tandem::state {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long a broker that does not answer is waited for.
constexpr int kPatienceMs = 30'000;
// How soon a stop is noticed.
constexpr milliseconds kStep{100};

constexpr std::size_t kReason = 512;

struct Close {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
  void operator()(rd_kafka_headers_t* headers) const { rd_kafka_headers_destroy(headers); }
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
  void operator()(rd_kafka_NewTopic_t* topic) const { rd_kafka_NewTopic_destroy(topic); }
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
  void operator()(const rd_kafka_metadata_t* metadata) const {
    rd_kafka_metadata_destroy(metadata);
  }
};
template <typename Type>
using Owned = std::unique_ptr<Type, Close>;

[[noreturn]] void fail(const std::string& what, const KafkaOptions& options,
                       rd_kafka_resp_err_t error) {
  std::string hint = "start the brokers, or correct `log.brokers`";
  if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
      error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
    hint = "run `tandem init`, which makes the topic";
  } else if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
             error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
             error == RD_KAFKA_RESP_ERR__AUTHENTICATION) {
    hint = "correct `log.properties`, or grant the user what it needs on the topic";
  }
  throw Error(what + ": " + rd_kafka_err2str(error), "Kafka topic " + options.topic, hint);
}

Owned<rd_kafka_conf_t> configuration() { return Owned<rd_kafka_conf_t>(rd_kafka_conf_new()); }

void set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  std::array<char, kReason> reason{};
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason.data(), reason.size()) ==
      RD_KAFKA_CONF_OK) {
    return;
  }
  // The reason may repeat the value, which may be a secret.
  throw Error("librdkafka does not take the property `" + name + "` or its value",
              "`log.properties`", "see librdkafka's CONFIGURATION.md");
}

// A client of ours logs nothing by itself: what matters is an Error.
void be_silent(const rd_kafka_t* /*client*/, int /*level*/, const char* /*facility*/,
               const char* /*line*/) {}

Owned<rd_kafka_t> open_client(rd_kafka_type_t type, Owned<rd_kafka_conf_t> conf,
                              const KafkaOptions& options) {
  set(conf.get(), "bootstrap.servers", options.brokers);
  for (const auto& [name, value] : options.properties) set(conf.get(), name, value);
  rd_kafka_conf_set_log_cb(conf.get(), be_silent);
  std::array<char, kReason> reason{};
  Owned<rd_kafka_t> client(rd_kafka_new(type, conf.get(), reason.data(), reason.size()));
  if (!client) {
    throw Error("librdkafka refuses its configuration", "`log.properties`",
                "see librdkafka's CONFIGURATION.md");
  }
  (void)conf.release();  // the client's
  return client;
}

}  // namespace

// ---- producer ----------------------------------------------------------------------------------

class KafkaProducer::Impl {
 public:
  explicit Impl(const KafkaOptions& options) : options_(options) {
    Owned<rd_kafka_conf_t> conf = configuration();
    set(conf.get(), "acks", "all");
    set(conf.get(), "enable.idempotence", "true");
    set(conf.get(), "compression.type", "lz4");
    // A batch is flushed as a whole, so nothing need wait for more.
    set(conf.get(), "linger.ms", "2");
    set(conf.get(), "batch.size", "1000000");
    set(conf.get(), "queue.buffering.max.messages", "200000");
    set(conf.get(), "queue.buffering.max.kbytes", "131072");
    set(conf.get(), "delivery.timeout.ms", "120000");
    rd_kafka_conf_set_opaque(conf.get(), this);
    rd_kafka_conf_set_dr_msg_cb(conf.get(), delivered);
    client_ = open_client(RD_KAFKA_PRODUCER, std::move(conf), options);
    topic_.reset(rd_kafka_topic_new(client_.get(), options.topic.c_str(), nullptr));
  }

  std::vector<std::int64_t> send(const std::vector<KafkaMessage>& messages) {
    offsets_.assign(messages.size(), -1);
    waiting_ = 0;
    error_ = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (std::size_t i = 0; i < messages.size(); ++i) produce(messages[i], i);
    while (waiting_ > 0) {
      // It sends what lingers.
      rd_kafka_flush(client_.get(), static_cast<int>(kStep.count()));
    }
    if (error_ != RD_KAFKA_RESP_ERR_NO_ERROR) {
      fail("the broker did not take what was written", options_, error_);
    }
    return std::move(offsets_);
  }

 private:
  void produce(const KafkaMessage& message, std::size_t index) {
    Owned<rd_kafka_headers_t> headers;
    if (message.header != nullptr && *message.header) {
      headers.reset(rd_kafka_headers_new(1));
      const MessageHeader& header = **message.header;
      rd_kafka_header_add(headers.get(), header.name.data(),
                          static_cast<ssize_t>(header.name.size()), header.value.data(),
                          static_cast<ssize_t>(header.value.size()));
    }
    auto bytes = [](const std::optional<std::string_view>& view) -> void* {
      // librdkafka's promise: without RD_KAFKA_MSG_F_FREE and _COPY it only reads them.
      return view ? const_cast<char*>(view->data()) : nullptr;
    };
    auto size = [](const std::optional<std::string_view>& view) { return view ? view->size() : 0; };
    for (;;) {
      std::array<rd_kafka_vu_t, 6> parts{};
      std::size_t count = 0;
      auto part = [&](rd_kafka_vtype_t type) -> rd_kafka_vu_t& {
        parts[count].vtype = type;
        return parts[count++];
      };
      part(RD_KAFKA_VTYPE_RKT).u.rkt = topic_.get();
      part(RD_KAFKA_VTYPE_PARTITION).u.i32 = 0;
      rd_kafka_vu_t& key = part(RD_KAFKA_VTYPE_KEY);
      key.u.mem = {bytes(message.key), size(message.key)};
      rd_kafka_vu_t& value = part(RD_KAFKA_VTYPE_VALUE);
      value.u.mem = {bytes(message.value), size(message.value)};
      part(RD_KAFKA_VTYPE_OPAQUE).u.ptr = &offsets_[index];
      if (headers) part(RD_KAFKA_VTYPE_HEADERS).u.headers = headers.get();
      rd_kafka_error_t* refused = rd_kafka_produceva(client_.get(), parts.data(), count);
      if (refused == nullptr) {
        (void)headers.release();  // the message's
        ++waiting_;
        return;
      }
      const rd_kafka_resp_err_t error = rd_kafka_error_code(refused);
      rd_kafka_error_destroy(refused);
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        // What was handed over before is still read from the caller's memory.
        while (waiting_ > 0) rd_kafka_flush(client_.get(), static_cast<int>(kStep.count()));
        fail("cannot write", options_, error);
      }
      rd_kafka_poll(client_.get(), static_cast<int>(kStep.count()));
    }
  }

  static void delivered(rd_kafka_t* /*client*/, const rd_kafka_message_t* message, void* opaque) {
    auto* self = static_cast<Impl*>(opaque);
    --self->waiting_;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      self->error_ = message->err;
    } else {
      *static_cast<std::int64_t*>(message->_private) = message->offset;
    }
  }

  const KafkaOptions options_;
  std::vector<std::int64_t> offsets_;
  std::size_t waiting_ = 0;
  rd_kafka_resp_err_t error_ = RD_KAFKA_RESP_ERR_NO_ERROR;
  Owned<rd_kafka_t> client_;
  Owned<rd_kafka_topic_t> topic_;
};

KafkaProducer::KafkaProducer(const KafkaOptions& options)
    : impl_(std::make_unique<Impl>(options)) {}
KafkaProducer::~KafkaProducer() = default;
std::vector<std::int64_t> KafkaProducer::send(const std::vector<KafkaMessage>& messages) {
  return impl_->send(messages);
}

// ---- consumer ----------------------------------------------------------------------------------

class KafkaConsumer::Impl {
 public:
  explicit Impl(const KafkaOptions& options) : options_(options) {
    Owned<rd_kafka_conf_t> conf = configuration();
    // No group: positions are ours. Which group it would be is needed all the same.
    set(conf.get(), "group.id", "tandem");
    set(conf.get(), "enable.auto.commit", "false");
    set(conf.get(), "auto.offset.reset", "error");
    set(conf.get(), "enable.partition.eof", "false");
    set(conf.get(), "fetch.wait.max.ms", "100");
    set(conf.get(), "queued.max.messages.kbytes", "16384");
    client_ = open_client(RD_KAFKA_CONSUMER, std::move(conf), options);
    rd_kafka_poll_set_consumer(client_.get());
    queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
  }
  ~Impl() {
    messages_.clear();
    rd_kafka_assign(client_.get(), nullptr);
    rd_kafka_consumer_close(client_.get());
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Range range() {
    check_partitions();
    Range range;
    const rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
        client_.get(), options_.topic.c_str(), 0, &range.first, &range.next, kPatienceMs);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) fail("the broker does not answer", options_, error);
    return range;
  }

  void seek(std::int64_t offset) {
    Owned<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), 0)->offset = offset;
    const rd_kafka_resp_err_t error = rd_kafka_assign(client_.get(), list.get());
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) fail("cannot read", options_, error);
  }

  const std::vector<Read>& read(std::size_t most, milliseconds wait, const std::stop_token& stop) {
    reads_.clear();
    messages_.clear();
    raw_.resize(most);
    const auto until = steady_clock::now() + wait;
    for (;;) {
      const auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now());
      const auto step = std::clamp(left, milliseconds(0), kStep);
      const ssize_t count = rd_kafka_consume_batch_queue(
          queue_.get(), static_cast<int>(step.count()), raw_.data(), raw_.size());
      for (ssize_t i = 0; i < count; ++i) {
        messages_.emplace_back(raw_[static_cast<std::size_t>(i)]);
      }
      for (const auto& message : messages_) take(*message);
      if (!reads_.empty() || left <= milliseconds(0) || stop.stop_requested()) return reads_;
      messages_.clear();
    }
  }

 private:
  void check_partitions() {
    Owned<rd_kafka_topic_t> topic(
        rd_kafka_topic_new(client_.get(), options_.topic.c_str(), nullptr));
    const rd_kafka_metadata_t* answer = nullptr;
    rd_kafka_resp_err_t error =
        rd_kafka_metadata(client_.get(), 0, topic.get(), &answer, kPatienceMs);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) fail("the brokers do not answer", options_, error);
    const Owned<const rd_kafka_metadata_t> metadata(answer);
    if (metadata->topic_cnt != 1 || metadata->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      fail("cannot read", options_,
           metadata->topic_cnt == 1 ? metadata->topics[0].err
                                    : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    }
    if (metadata->topics[0].partition_cnt == 1) return;
    throw Error("the topic has " + std::to_string(metadata->topics[0].partition_cnt) +
                    " partitions, and a log has one order",
                "Kafka topic " + options_.topic, "name a topic with one partition in `log.topic`");
  }

  void take(const rd_kafka_message_t& message) {
    if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
        message.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
      throw Error("the log no longer has the offset that is wanted",
                  "Kafka topic " + options_.topic,
                  "its retention is shorter than what was read lags behind; raise retention.ms");
    }
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      // librdkafka goes on by itself where it can.
      if (message.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
          message.err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
          message.err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
          message.err == RD_KAFKA_RESP_ERR__FATAL) {
        fail("cannot read", options_, message.err);
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

  const KafkaOptions options_;
  Owned<rd_kafka_t> client_;
  Owned<rd_kafka_queue_t> queue_;
  std::vector<rd_kafka_message_t*> raw_;
  std::vector<Owned<rd_kafka_message_t>> messages_;  // that reads_ point into
  std::vector<Read> reads_;
};

KafkaConsumer::KafkaConsumer(const KafkaOptions& options)
    : impl_(std::make_unique<Impl>(options)) {}
KafkaConsumer::~KafkaConsumer() = default;
KafkaConsumer::Range KafkaConsumer::range() { return impl_->range(); }
void KafkaConsumer::seek(std::int64_t offset) { impl_->seek(offset); }
const std::vector<KafkaConsumer::Read>& KafkaConsumer::read(std::size_t most, milliseconds wait,
                                                            const std::stop_token& stop) {
  return impl_->read(most, wait, stop);
}

// ---- topics ------------------------------------------------------------------------------------

bool make_kafka_topic(const KafkaOptions& options, const KafkaTopicSettings& settings) {
  const Owned<rd_kafka_t> client = open_client(RD_KAFKA_PRODUCER, configuration(), options);
  std::array<char, kReason> reason{};
  const Owned<rd_kafka_NewTopic_t> topic(rd_kafka_NewTopic_new(
      options.topic.c_str(), 1, settings.replication_factor, reason.data(), reason.size()));
  if (!topic) {
    throw Error(std::string("the topic cannot be made: ") + reason.data(),
                "Kafka topic " + options.topic, "correct `log.topic`");
  }
  for (const auto& [name, value] : settings.configs) {
    rd_kafka_NewTopic_set_config(topic.get(), name.c_str(), value.c_str());
  }
  const Owned<rd_kafka_queue_t> queue(rd_kafka_queue_new(client.get()));
  std::array<rd_kafka_NewTopic_t*, 1> topics{topic.get()};
  rd_kafka_CreateTopics(client.get(), topics.data(), topics.size(), nullptr, queue.get());
  const Owned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), kPatienceMs));
  if (!event) fail("the brokers do not answer", options, RD_KAFKA_RESP_ERR__TIMED_OUT);
  rd_kafka_resp_err_t error = rd_kafka_event_error(event.get());
  std::size_t count = 0;
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const rd_kafka_topic_result_t** results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(event.get()), &count);
    if (count == 1) error = rd_kafka_topic_result_error(results[0]);
  }
  if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) return false;
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) fail("the topic cannot be made", options, error);
  return true;
}

}  // namespace tandem::state
