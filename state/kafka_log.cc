#include "state/kafka_log.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <variant>

#include "state/error.h"
#include "state/failpoint.h"
#include "state/kafka_client_log.h"
#include "state/kafka_log_reader.h"
#include "state/message_reader.h"
#include "state/random_name.h"
#include "state/recent_batches.h"

namespace tandem::state {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// So many messages are read of the end first, and eight times as many each time after.
constexpr Offset kEnd = 64;
constexpr std::size_t kMessagesARead = 1000;
// How old an answer to where the topic begins and ends may be.
constexpr milliseconds kOldestStart{1000}, kOldestEnd{50};
// How long is asked what is only to be shown: an append waits meanwhile.
constexpr milliseconds kGlance{300};
// How many records are kept while the end is read.
constexpr std::size_t kRecordsKept = 1000;
// How long a broker may give nothing of what it said it has.
constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::seconds kStopPatience{1};

// Reads everything in [from, to) and hands each message to `take`.
template <typename Take>
void read_messages(KafkaConsumer& consumer, Offset from, Offset to, const std::string& where,
                   const std::stop_token& stop, const Take& take) {
  if (from >= to) return;
  consumer.seek(from);
  const auto began = steady_clock::now();
  auto deadline = began + kPatience;
  for (Offset at = from; at < to;) {
    const auto& reads = consumer.read(kMessagesARead, milliseconds(100), stop);
    for (const KafkaConsumer::Read& read : reads) {
      at = read.offset + 1;
      if (read.offset < to) take(read);
    }
    if (at >= to) break;
    const auto now = steady_clock::now();
    if (stop.stop_requested() && now - began > kStopPatience) {
      throw LogStopped("stopped before the log was read", where, "start it again");
    }
    if (!reads.empty()) deadline = now + kPatience;
    if (now > deadline) {
      throw Error(
          "the broker does not give what it said it has, from offset " + std::to_string(at) + " on",
          where, "see the broker's log; Tandem tries again");
    }
  }
  consumer.rest();
}

// How large a message may be for the topic, for librdkafka, and for who reads it.
std::size_t largest_message(std::int64_t topics_own, const KafkaOptions& options) {
  // What librdkafka takes if it is told nothing, and a little less than brokers do.
  constexpr std::int64_t kUnknown = 1'000'000;
  // Consumers fetch so much at once whatever they are told.
  constexpr std::int64_t kMost = 64'000'000;
  // Around the message in its batch.
  constexpr std::int64_t kFraming = 512;
  std::int64_t largest = std::min(topics_own > 0 ? topics_own : kUnknown, kMost);
  for (const auto& [name, value] : options.properties) {
    if (name != "message.max.bytes") continue;
    largest = std::min<std::int64_t>(largest, std::strtoll(value.c_str(), nullptr, 10));
  }
  return static_cast<std::size_t>(std::max<std::int64_t>(largest - kFraming, 0));
}

Error made_again(const std::string& where) {
  return {"the topic was deleted and made again", where,
          "start again: everything is read anew into the new log"};
}

// The row, for a record that does not fit.
std::string name_of(const Batch& batch, std::size_t record) {
  const auto* change = std::get_if<Change>(&batch.records[record]);
  if (change == nullptr) return "a record of its own";
  std::string name = "a row of " + batch.tables.at(change->table);
  const Row& key = change->key_before.empty() ? change->after : change->key_before;
  if (!key.empty()) name += " (" + to_display(key.front()) + ", …)";
  return name;
}

}  // namespace

KafkaLog::KafkaLog(KafkaLogOptions options)
    : options_(std::move(options)),
      consumer_(options_.kafka),
      writer_(options_.origin, options_.tombstones) {
  look_at_settings();
  const Tail tail = read_end();
  identity_ = tail.identity;
  next_ = tail.log.next;
  if (identity_.empty()) begin_topic();
  if (options_.writable) recent_ = std::make_shared<RecentBatches>(options_.memory_bytes, next_);
}

KafkaLog::~KafkaLog() = default;

void KafkaLog::look_at_settings() {
  const auto settings = consumer_.settings();
  if (settings.empty() && options_.kafka.log) {
    options_.kafka.log->say("the settings of " + where() +
                            " cannot be read, so it is taken for one that is not compacted and "
                            "that takes messages of 1 MB; grant DescribeConfigs on it");
  }
  if (const auto policy = settings.find("cleanup.policy");
      policy != settings.end() && policy->second.find("compact") != std::string::npos) {
    throw Error("the topic is compacted, so records between others would go", where(),
                "set its cleanup.policy to delete, or name another topic in `log.topic`");
  }
  if (const auto most = settings.find("max.message.bytes"); most != settings.end()) {
    max_message_bytes_ = std::strtoll(most->second.c_str(), nullptr, 10);
  }
  writer_.limit(largest_message(max_message_bytes_, options_.kafka));
}

KafkaConsumer::Range KafkaLog::range(milliseconds patience) {
  const KafkaConsumer::Range range = consumer_.range(patience);
  std::lock_guard lock(known_mutex_);
  known_.range = range;
  known_.asked = known_.answered = steady_clock::now();
  return range;
}

void KafkaLog::met(std::uint64_t messages, std::uint64_t bytes) {
  std::lock_guard lock(known_mutex_);
  known_.messages += messages;
  known_.bytes += bytes;
  known_.answered = steady_clock::now();
}

// Two that begin a topic at once agree: the message that came to lie first counts.
void KafkaLog::begin_topic() {
  if (!options_.writable) {
    throw LogNotBegun("the log is empty", where(), "start the capture that writes it");
  }
  writer_.write_log(random_name());
  const OutgoingMessage& message = writer_.messages().front();
  KafkaProducer(options_.kafka, max_message_bytes_)
      .send({{std::nullopt, writer_.value(message), &message.header}});
  writer_.clear();
  const KafkaConsumer::Range range = this->range();
  MessageReader reader(where());
  Batch batch;
  read_messages(consumer_, next_, range.next, where(), options_.kafka.stop,
                [&](const KafkaConsumer::Read& read) {
                  if (identity_.empty()) reader.read(read.message, read.offset, batch);
                  identity_ = reader.identity();
                });
  next_ = range.next;
}

KafkaLog::Tail KafkaLog::read_end() {
  const KafkaConsumer::Range range = this->range();
  for (Offset count = kEnd;; count *= 8) {
    const Offset from = std::max(range.first, range.next - count);
    if (auto tail = read_end(from, range)) return *tail;
  }
}

// Nothing: more must be read to tell.
std::optional<KafkaLog::Tail> KafkaLog::read_end(Offset from, const KafkaConsumer::Range& range) {
  Tail tail;
  tail.log.next = range.next;
  MessageReader reader(where());
  bool told = false, claimed = false;
  auto batch = std::make_unique<Batch>();
  auto look = [&] {
    for (const Record& record : batch->records) {
      claimed = claimed || std::holds_alternative<Epoch>(record);
      if (!is_tail_record(record)) continue;
      told = true;
      tail.log.checkpoint.reset();
      if (const End* end = std::get_if<End>(&record)) tail.log.checkpoint = end->checkpoint;
      if (const auto* beat = std::get_if<Heartbeat>(&record)) {
        tail.log.checkpoint = beat->checkpoint;
      }
    }
    batch = std::make_unique<Batch>();
  };
  read_messages(
      consumer_, from, range.next, where(), options_.kafka.stop,
      [&](const KafkaConsumer::Read& read) {
        met(1, read.message.key.value_or("").size() + read.message.value.value_or("").size());
        if (batch->records.size() >= kRecordsKept) look();
        if (reader.read(read.message, read.offset, *batch)) return;
        look();
        reader.read(read.message, read.offset, *batch);
      });
  look();
  tail.log.epoch = reader.epoch();
  tail.identity = reader.identity();
  // Messages of a capture that has been succeeded are known by the Epoch before them, and that
  // there may be one by their not being where they were to lie.
  const bool certain = told && (claimed || !reader.misplaced());
  if (from > range.first && !certain) return std::nullopt;
  return tail;
}

LogTail KafkaLog::read_tail() {
  std::lock_guard lock(mutex_);
  return read_end().log;
}

void KafkaLog::claim(std::uint64_t epoch) {
  std::lock_guard lock(mutex_);
  const Tail tail = read_end();
  if (tail.identity != identity_) throw made_again(where());
  if (epoch <= tail.log.epoch) {
    throw Fenced(
        "another agent has taken over the log with epoch " + std::to_string(tail.log.epoch),
        where(), "let only one agent run for this pipeline");
  }
  auto batch = std::make_shared<Batch>();
  batch->records = {Epoch{epoch}};
  TANDEM_FAILPOINT("log.claim.before");
  // What an earlier producer still had to send it sends no more.
  producer_ = std::make_unique<KafkaProducer>(options_.kafka, max_message_bytes_);
  next_ = tail.log.next;
  epoch_ = epoch;
  write(batch);
  grammar_.claimed();
  TANDEM_FAILPOINT("log.claim.after");
}

void KafkaLog::append(std::shared_ptr<Batch> batch) {
  if (batch->records.empty()) return;
  std::lock_guard lock(mutex_);
  if (epoch_ == 0) {
    throw Error("the log was not claimed before it was written", where(),
                "this is a fault in Tandem; please report it");
  }
  grammar_.check(*batch, where());
  TANDEM_FAILPOINT("log.append.before");
  write(batch);
  grammar_.wrote(*batch);
  TANDEM_FAILPOINT("log.append.after");
}

void KafkaLog::write(const std::shared_ptr<Batch>& batch) {
  writer_.clear();
  writer_.write(*batch, identity_, next_);
  std::vector<KafkaMessage> messages;
  std::size_t bytes = batch->records.size() * sizeof(Record);
  messages.reserve(writer_.messages().size());
  for (const OutgoingMessage& message : writer_.messages()) {
    KafkaMessage& made = messages.emplace_back();
    if (message.value > message.key) made.key = writer_.key(message);
    if (message.has_value) made.value = writer_.value(message);
    made.header = &message.header;
    bytes += message.end - message.key;
  }
  std::vector<std::int64_t> offsets;
  try {
    offsets = producer_->send(messages);
    TANDEM_FAILPOINT("kafka.send.after");
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      const Offset expected = i == 0 ? next_ : offsets[i - 1] + 1;
      if (offsets[i] != expected) look_between(expected, offsets[i]);
    }
  } catch (const KafkaTooLarge& error) {
    epoch_ = 0;
    producer_.reset();
    const OutgoingMessage& message = writer_.messages().at(error.message());
    throw Error(name_of(*batch, message.record) + " takes " +
                    std::to_string(message.end - message.key) +
                    " bytes as a message, which is more than the topic takes",
                where(), error.hint());
  } catch (...) {
    epoch_ = 0;
    producer_.reset();
    throw;
  }
  met(messages.size(), bytes - batch->records.size() * sizeof(Record));
  const Offset from = offsets.front();
  next_ = offsets.back() + 1;
  batch->epoch = epoch_;
  batch->from = from;
  batch->offsets.assign(batch->records.size(), 0);
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    batch->offsets[writer_.messages()[i].record] = offsets[i];
  }
  recent_->publish(batch, from, bytes);
}

// What was written did not come to lie where it was to: somebody else wrote from `from` up to `to`,
// or the topic is not what it was.
void KafkaLog::look_between(Offset from, Offset to) {
  if (to < from) {
    if (read_end().identity != identity_) throw made_again(where());
    throw Error("the topic has lost its end: what was written came to lie at offset " +
                    std::to_string(to) + " instead of " + std::to_string(from),
                where(), "keep unclean.leader.election.enable off; what is missing is read anew");
  }
  MessageReader reader(where());
  bool claimed = false;
  read_messages(consumer_, from, to, where(), options_.kafka.stop,
                [&](const KafkaConsumer::Read& read) {
                  Batch batch;
                  reader.read(read.message, read.offset, batch);
                  claimed = claimed || (!batch.records.empty() && batch.epoch >= epoch_ &&
                                        std::holds_alternative<Epoch>(batch.records.front()));
                });
  if (reader.epoch() > epoch_ || claimed) {
    throw Fenced("another agent has taken over the log with epoch " +
                     std::to_string(reader.epoch()) + ", this one had " + std::to_string(epoch_),
                 where(), "let only one agent run for this pipeline");
  }
  if (reader.epoch() == epoch_) {
    throw Error("the topic has messages twice", where(),
                "see the brokers' log; Tandem tries again");
  }
  if (!reader.identity().empty() && reader.identity() != identity_) throw made_again(where());
}

std::unique_ptr<LogReader> KafkaLog::reader(Offset from) {
  return std::make_unique<KafkaLogReader>(options_.kafka, identity_, recent_, from);
}

Offset KafkaLog::first() { return recent_range(kOldestStart).first; }

Offset KafkaLog::next() { return recent_ ? recent_->next() : recent_range(kOldestEnd).next; }

Offset KafkaLog::at(std::int64_t unix_ms) {
  std::lock_guard lock(mutex_);
  return consumer_.at(unix_ms);
}

KafkaConsumer::Range KafkaLog::recent_range(milliseconds oldest) {
  std::lock_guard lock(mutex_);
  if (const Known now = known(); steady_clock::now() - now.asked <= oldest) return now.range;
  return range();
}

LogExtent KafkaLog::extent() {
  const milliseconds oldest = recent_ ? kOldestStart : kOldestEnd;
  // Beside an append that waits for the brokers, what was known before.
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock.owns_lock() && steady_clock::now() - std::max(known().asked, glanced_) > oldest) {
    try {
      range(kGlance);
    } catch (const Error&) {
      // Whoever reads or writes finds out as well, and says so.
    }
    glanced_ = steady_clock::now();
  }
  const Known now = known();
  const double average = static_cast<double>(now.bytes) /
                         static_cast<double>(std::max<std::uint64_t>(1, now.messages));
  const Offset next = recent_ ? recent_->next() : now.range.next;
  const Offset kept = std::max<Offset>(0, next - now.range.first);
  return {now.range.first, next, static_cast<std::uint64_t>(average * static_cast<double>(kept)),
          std::chrono::duration_cast<milliseconds>(steady_clock::now() - now.answered)};
}

KafkaLog::Known KafkaLog::known() {
  std::lock_guard lock(known_mutex_);
  return known_;
}

}  // namespace tandem::state
