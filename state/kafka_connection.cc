#include "state/kafka_connection.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "state/change_log.h"
#include "state/error.h"
#include "state/rest.h"

namespace tandem::state {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A question is put again after so long: a stop is heeded between two.
constexpr int kFirstTurnMs = 1000, kTurnMs = 2000;
constexpr milliseconds kPause{100};
// Syslog's: a warning. Greater ones matter less.
constexpr int kWarning = 4;

constexpr std::size_t kReason = 512;

// What the log's promise rests on.
constexpr std::array<std::string_view, 15> kFixed = {"acks",
                                                     "request.required.acks",
                                                     "enable.idempotence",
                                                     "enable.gapless.guarantee",
                                                     "transactional.id",
                                                     "delivery.report.only.error",
                                                     "message.send.max.retries",
                                                     "retries",
                                                     "auto.offset.reset",
                                                     "isolation.level",
                                                     "enable.auto.commit",
                                                     "auto.commit.enable",
                                                     "enable.partition.eof",
                                                     "bootstrap.servers",
                                                     "metadata.broker.list"};

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

bool is_ours_to_wait(const std::string& name) {
  return name == "delivery.timeout.ms" || name == "message.timeout.ms";
}

bool waiting_mends(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
      return true;
    default:
      return false;
  }
}

const char* name_of(KafkaPermission permission) {
  switch (permission) {
    case KafkaPermission::kCreate:
      return "Create";
    case KafkaPermission::kWrite:
      return "Write";
    case KafkaPermission::kRead:
      break;
  }
  return "Read";
}

std::string hint_for(rd_kafka_resp_err_t error, KafkaPermission needed) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return "run `tandem init`, which makes the topic";
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return "correct `log.replication` and `log.settings`";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return std::string("grant the user of `log.properties` ") + name_of(needed) +
             " on this topic";
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      // What a producer is told that may write to no topic at all, and by old brokers.
      return std::string("grant the user of `log.properties` ") + name_of(needed) +
             " on this topic; brokers before 3.0 want IdempotentWrite on the cluster as well";
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return "correct `sasl.username`, `sasl.password` and `sasl.mechanisms` in `log.properties`";
    case RD_KAFKA_RESP_ERR__SSL:
      return "name the authority that signed the brokers' certificate in `ssl.ca.location` of "
             "`log.properties`";
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      return "raise the topic's `max.message.bytes`";
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
      return "start the brokers that are down: the topic's `min.insync.replicas` asks for more";
    default:
      return "start the brokers, or correct `log.brokers`";
  }
}

}  // namespace

KafkaConnection::KafkaConnection(rd_kafka_type_t type, const KafkaOptions& options,
                                 const std::vector<std::pair<std::string, std::string>>& ours,
                                 KafkaDelivery delivery)
    : options_(options),
      log_(options.log ? options.log
                       : std::make_shared<KafkaClientLog>(nullptr, options.properties)),
      delivery_(delivery) {
  KafkaOwned<rd_kafka_conf_t> conf(rd_kafka_conf_new());
  set(conf.get(), "bootstrap.servers", options_.brokers);
  // A broker that comes back is found soon, one that went away without a word as well.
  set(conf.get(), "reconnect.backoff.max.ms", "1000");
  set(conf.get(), "socket.timeout.ms", "30000");
  set(conf.get(), "socket.keepalive.enable", "true");
  set(conf.get(), "log_level", std::to_string(kWarning));
  for (const auto& [name, value] : ours) set(conf.get(), name, value);
  for (const auto& [name, value] : options_.properties) {
    if (is_ours_to_wait(name)) continue;
    if (std::find(kFixed.begin(), kFixed.end(), name) != kFixed.end()) {
      throw Error("the property `" + name + "` is not to be set: the log's promise rests on it",
                  "`log.properties`", "leave it out");
    }
    set(conf.get(), name, value);
  }
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_log_cb(conf.get(), log);
  rd_kafka_conf_set_error_cb(conf.get(), notice);
  if (delivery_.report != nullptr) {
    rd_kafka_conf_set_dr_msg_cb(
        conf.get(), [](rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
          const KafkaDelivery& its = static_cast<KafkaConnection*>(self)->delivery_;
          its.report(its.owner, *message);
        });
  }
  std::array<char, kReason> reason{};
  client_.reset(rd_kafka_new(type, conf.get(), reason.data(), reason.size()));
  if (!client_) {
    throw Error("librdkafka refuses its configuration: " + log_->masked(reason.data()),
                "`log.properties`", "see librdkafka's CONFIGURATION.md");
  }
  (void)conf.release();  // the client's
}

KafkaOwned<rd_kafka_topic_t> KafkaConnection::topic() const {
  return KafkaOwned<rd_kafka_topic_t>(
      rd_kafka_topic_new(client_.get(), options_.topic.c_str(), nullptr));
}

void KafkaConnection::log(const rd_kafka_t* client, int level, const char* facility,
                          const char* line) {
  const std::string_view of(facility);
  // Each property is given to each client, whether it is of use there or not; and a producer that
  // is ended with what it still had is what an Error tells of.
  if ((of == "CONFWARN" && level >= kWarning) || of == "TERMINATE") return;
  static_cast<KafkaConnection*>(rd_kafka_opaque(client))->log_->say(line);
}

void KafkaConnection::notice(rd_kafka_t* /*client*/, int error, const char* reason, void* opaque) {
  auto* self = static_cast<KafkaConnection*>(opaque);
  const auto trouble = static_cast<rd_kafka_resp_err_t>(error);
  // It tells nothing of its own.
  if (trouble == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) return;
  self->trouble_ = trouble;
  self->reason_ = self->log_->masked(reason);
}

void KafkaConnection::listen() {
  rd_kafka_poll(client_.get(), 0);
  if (trouble_ == RD_KAFKA_RESP_ERR__AUTHENTICATION || trouble_ == RD_KAFKA_RESP_ERR__SSL ||
      trouble_ == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED) {
    throw failure("the brokers cannot be spoken to", trouble_);
  }
}

void KafkaConnection::ask(const std::string& what,
                          const std::function<rd_kafka_resp_err_t(int timeout_ms)>& ask,
                          milliseconds patience, KafkaPermission needed) {
  if (was_stopped_) throw stopped();
  const auto until = steady_clock::now() + patience;
  const int most = static_cast<int>(patience.count());
  for (int turn = std::min(kFirstTurnMs, most);; turn = std::min(kTurnMs, most)) {
    // Who stops may still have to ask something: a broker that answers at once may do so.
    const rd_kafka_resp_err_t error = ask(turn);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      trouble_ = error;
      return;
    }
    if (options_.stop.stop_requested()) {
      was_stopped_ = true;
      throw stopped();
    }
    listen();
    if (!waiting_mends(error) || steady_clock::now() > until) throw failure(what, error, needed);
    rest(kPause, options_.stop);
  }
}

Error KafkaConnection::failure(const std::string& what, rd_kafka_resp_err_t error,
                               KafkaPermission needed) {
  rd_kafka_poll(client_.get(), 0);
  // Messages that a client has thrown away tell by nothing but this why it ended.
  if (error == RD_KAFKA_RESP_ERR__FATAL || error == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
      error == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) {
    std::array<char, kReason> reason{};
    const auto fatal = rd_kafka_fatal_error(client_.get(), reason.data(), reason.size());
    if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return {what + ": " + log_->masked(reason.data()), where(), hint_for(fatal, needed)};
    }
  }
  std::string text = what + ": " + rd_kafka_err2str(error);
  if (waiting_mends(error) && trouble_ != RD_KAFKA_RESP_ERR_NO_ERROR) error = trouble_;
  if (error == trouble_ && !reason_.empty()) text += " (" + reason_ + ")";
  return {text, where(), hint_for(error, needed)};
}

LogStopped KafkaConnection::stopped() const {
  return {"stopped before the brokers had answered", where(), "start it again"};
}

}  // namespace tandem::state
