// The producer of kafka_client.h.
#include <algorithm>
#include <array>

#include "state/change_log.h"
#include "state/failpoint.h"
#include "state/kafka_connection.h"

namespace tandem::state {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How soon a stop is noticed, and how long what is on its way may take then.
constexpr int kStepMs = 100;
constexpr std::chrono::seconds kStopPatience{2};
constexpr milliseconds kDeliveryPatience{120'000};
// What a message and its batch need beside key and value.
constexpr std::int64_t kFraming = 512;
// The same for a message within a batch, its header included.
constexpr std::size_t kWithinBatch = 192;
// As much as the publisher appends at once, as JSON.
constexpr std::int64_t kBatch = 4'000'000;
// That librdkafka can be told.
constexpr std::int64_t kMostBytes = 1'000'000'000;

milliseconds patience_of(const KafkaOptions& options) {
  for (const auto& [name, value] : options.properties) {
    if (name != "delivery.timeout.ms" && name != "message.timeout.ms") continue;
    const bool digits = !value.empty() && value.size() <= 9 &&
                        value.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || std::stol(value) == 0) {
      throw Error("the property `" + name + "` is no count of milliseconds", "`log.properties`",
                  "write a number above 0");
    }
    return milliseconds(std::stol(value));
  }
  return kDeliveryPatience;
}

// The largest batch that the topic takes, even if nothing of it can be compressed.
std::int64_t batch_bytes(std::int64_t max_message_bytes) {
  if (max_message_bytes <= 2 * kFraming) return 1'000'000;
  return std::min(kBatch, std::max<std::int64_t>(max_message_bytes - kFraming, 1000));
}

std::vector<std::pair<std::string, std::string>> properties(std::int64_t max_message_bytes) {
  std::vector<std::pair<std::string, std::string>> made = {
      {"acks", "all"},
      {"enable.idempotence", "true"},
      // None after one that was lost: a transaction with a hole in it would be read as a whole one.
      {"enable.gapless.guarantee", "true"},
      // For the same reason no message is given up by itself; send() gives up all that are left.
      {"message.timeout.ms", "0"},
      {"compression.type", "lz4"},
      // What send() hands over is flushed together; nothing of it is to go by itself before.
      {"linger.ms", "20"},
      {"batch.size", std::to_string(batch_bytes(max_message_bytes))},
      {"batch.num.messages", "100000"},
      {"queue.buffering.max.messages", "200000"},
      {"queue.buffering.max.kbytes", "131072"},
  };
  if (max_message_bytes > 2 * kFraming) {
    const std::int64_t most = std::max<std::int64_t>(max_message_bytes - kFraming, 1000);
    made.emplace_back("message.max.bytes", std::to_string(std::min(most, kMostBytes)));
  }
  return made;
}

}  // namespace

KafkaTooLarge::KafkaTooLarge(std::size_t message, const std::string& where)
    : Error("a message is larger than the topic takes", where,
            "raise the topic's `max.message.bytes`"),
      message_(message) {}

class KafkaProducer::Impl {
 public:
  Impl(const KafkaOptions& options, std::int64_t max_message_bytes)
      : patience_(patience_of(options)),
        batch_bytes_(static_cast<std::size_t>(batch_bytes(max_message_bytes))),
        connection_(std::make_unique<KafkaConnection>(RD_KAFKA_PRODUCER, options,
                                                      properties(max_message_bytes),
                                                      KafkaDelivery{delivered, this})),
        topic_(connection_->topic()) {}

  std::vector<std::int64_t> send(const std::vector<KafkaMessage>& messages) {
    if (!connection_) {
      throw Error("a producer that had given up was used again", "Kafka",
                  "this is a fault in Tandem; please report it");
    }
    offsets_.assign(messages.size(), -1);
    progress_ = steady_clock::now();
    // librdkafka gets no more than one batch at a time: while messages wait behind one that is on
    // its way, its thread looks without a pause whether they may go.
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      bytes += bytes_of(messages[i]);
      if (bytes > batch_bytes_) {
        wait_for_brokers();
        bytes = bytes_of(messages[i]);
      }
      if (i == messages.size() / 2) TANDEM_FAILPOINT("kafka.send.half");
      produce(messages[i], i);
    }
    wait_for_brokers();
    return std::move(offsets_);
  }

 private:
  static std::size_t bytes_of(const KafkaMessage& message) {
    return kWithinBatch + message.key.value_or("").size() + message.value.value_or("").size();
  }

  void wait_for_brokers() {
    while (waiting_ > 0) {
      // It sends what lingers.
      take_turn([](rd_kafka_t* client) { rd_kafka_flush(client, kStepMs); });
    }
  }

  static void delivered(void* owner, const rd_kafka_message_t& message) {
    auto* self = static_cast<Impl*>(owner);
    auto* offset = static_cast<std::int64_t*>(message._private);
    --self->waiting_;
    if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      *offset = message.offset;
    } else if (self->error_ == RD_KAFKA_RESP_ERR_NO_ERROR) {
      self->error_ = message.err;
      self->failed_ = static_cast<std::size_t>(offset - self->offsets_.data());
    }
  }

  // A turn of waiting for the brokers. Ends the attempt when a message has failed, or when it has
  // come to nothing for long.
  template <typename Turn>
  void take_turn(const Turn& turn) {
    const std::size_t before = waiting_;
    turn(connection_->client());
    const auto now = steady_clock::now();
    if (waiting_ < before) progress_ = now;
    if (error_ != RD_KAFKA_RESP_ERR_NO_ERROR) give_up(error_);
    if (waiting_ == 0) return;
    if (connection_->options().stop.stop_requested()) {
      if (!stopped_) stopped_ = now;
      if (now - *stopped_ <= kStopPatience) return;
      const LogStopped stopped = connection_->stopped();
      end();
      throw stopped;
    }
    if (now - progress_ > patience_) give_up(RD_KAFKA_RESP_ERR__TIMED_OUT);
  }

  [[noreturn]] void give_up(rd_kafka_resp_err_t error) {
    const std::string where = connection_->where();
    const Error failure = connection_->failure("the brokers did not take what was written", error,
                                               KafkaPermission::kWrite);
    end();
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) throw KafkaTooLarge(failed_, where);
    throw failure;
  }

  // Ends the client with all that it still had: nothing is sent after a message that was not. Its
  // threads have let go of the caller's memory then.
  void end() {
    topic_.reset();
    connection_.reset();
  }

  void produce(const KafkaMessage& message, std::size_t index) {
    KafkaOwned<rd_kafka_headers_t> headers;
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
      const KafkaOwned<rd_kafka_error_t> refused(
          rd_kafka_produceva(connection_->client(), parts.data(), count));
      if (!refused) {
        (void)headers.release();  // the message's
        ++waiting_;
        return;
      }
      const rd_kafka_resp_err_t error = rd_kafka_error_code(refused.get());
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        failed_ = index;
        give_up(error);
      }
      // The queue holds what there is memory for: the brokers set the pace.
      take_turn([](rd_kafka_t* client) { rd_kafka_poll(client, kStepMs); });
    }
  }

  const milliseconds patience_;
  const std::size_t batch_bytes_;
  std::vector<std::int64_t> offsets_;
  std::size_t waiting_ = 0;
  rd_kafka_resp_err_t error_ = RD_KAFKA_RESP_ERR_NO_ERROR;  // of the first message that failed
  std::size_t failed_ = 0;                                  // its index
  steady_clock::time_point progress_;                       // when a message was last heard of
  std::optional<steady_clock::time_point> stopped_;         // when a stop was noticed
  std::unique_ptr<KafkaConnection> connection_;             // null: it has given up
  KafkaOwned<rd_kafka_topic_t> topic_;
};

KafkaProducer::KafkaProducer(const KafkaOptions& options, std::int64_t max_message_bytes)
    : impl_(std::make_unique<Impl>(options, max_message_bytes)) {}
KafkaProducer::~KafkaProducer() = default;
std::vector<std::int64_t> KafkaProducer::send(const std::vector<KafkaMessage>& messages) {
  return impl_->send(messages);
}

}  // namespace tandem::state
