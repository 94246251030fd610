#include "state/kafka_log.h"

#include <algorithm>
#include <random>
#include <utility>
#include <variant>

#include "state/error.h"
#include "state/failpoint.h"
#include "state/kafka_log_reader.h"
#include "state/message_reader.h"
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
// How long a broker may take to give what it said it has.
constexpr std::chrono::seconds kPatience{60};

std::string random_identity() {
  std::random_device random;
  std::string identity;
  for (int i = 0; i < 32; ++i) identity += "0123456789abcdef"[random() % 16];
  return identity;
}

// Reads everything in [from, to) and hands each message to `take`.
template <typename Take>
void read_messages(KafkaConsumer& consumer, Offset from, Offset to, const std::string& where,
                   const Take& take) {
  if (from >= to) return;
  consumer.seek(from);
  const auto deadline = steady_clock::now() + kPatience;
  for (Offset at = from; at < to;) {
    for (const KafkaConsumer::Read& read :
         consumer.read(kMessagesARead, milliseconds(100), std::stop_token())) {
      at = read.offset + 1;
      if (read.offset < to) take(read);
    }
    if (at < to && steady_clock::now() > deadline) {
      throw Error(
          "the broker does not give what it said it has, from offset " + std::to_string(at) + " on",
          where, "see the broker's log; Tandem tries again");
    }
  }
}

}  // namespace

KafkaLog::KafkaLog(KafkaLogOptions options)
    : options_(std::move(options)),
      consumer_(options_.kafka),
      writer_(options_.origin, options_.tombstones) {
  const Tail tail = read_end();
  identity_ = tail.identity;
  next_ = tail.log.next;
  if (identity_.empty()) begin_topic();
  if (options_.writable) recent_ = std::make_shared<RecentBatches>(options_.memory_bytes, next_);
}

KafkaLog::~KafkaLog() = default;

// Two that begin a topic at once agree: the message that came to lie first counts.
void KafkaLog::begin_topic() {
  if (!options_.writable) {
    throw LogNotBegun("the log is empty", where(), "start the capture that writes it");
  }
  writer_.write_log(random_identity());
  const OutgoingMessage& message = writer_.messages().front();
  KafkaProducer(options_.kafka).send({{std::nullopt, writer_.value(message), &message.header}});
  writer_.clear();
  const KafkaConsumer::Range range = consumer_.range();
  MessageReader reader(where());
  Batch batch;
  read_messages(consumer_, next_, range.next, where(), [&](const KafkaConsumer::Read& read) {
    if (identity_.empty()) reader.read(read.message, read.offset, batch);
    identity_ = reader.identity();
  });
  next_ = range.next;
}

KafkaLog::Tail KafkaLog::read_end() {
  const KafkaConsumer::Range range = consumer_.range();
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
  read_messages(consumer_, from, range.next, where(), [&](const KafkaConsumer::Read& read) {
    ++met_messages_;
    met_bytes_ += read.message.key.value_or("").size() + read.message.value.value_or("").size();
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
  if (tail.identity != identity_) {
    throw Error("the topic was deleted and made again", where(),
                "start again: everything is read anew into the new log");
  }
  if (epoch <= tail.log.epoch) {
    throw Fenced(
        "another agent has taken over the log with epoch " + std::to_string(tail.log.epoch),
        where(), "let only one agent run for this pipeline");
  }
  auto batch = std::make_shared<Batch>();
  batch->records = {Epoch{epoch}};
  TANDEM_FAILPOINT("log.claim.before");
  // What an earlier producer still had to send it sends no more.
  producer_ = std::make_unique<KafkaProducer>(options_.kafka);
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
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      const Offset expected = i == 0 ? next_ : offsets[i - 1] + 1;
      if (offsets[i] != expected) look_between(expected, offsets[i]);
    }
  } catch (...) {
    epoch_ = 0;
    producer_.reset();
    throw;
  }
  met_messages_ += messages.size();
  met_bytes_ += bytes - batch->records.size() * sizeof(Record);
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

// Somebody else wrote there. Throws Fenced if another capture has claimed the log.
void KafkaLog::look_between(Offset from, Offset to) {
  MessageReader reader(where());
  read_messages(consumer_, from, to, where(), [&](const KafkaConsumer::Read& read) {
    Batch batch;
    reader.read(read.message, read.offset, batch);
  });
  if (reader.epoch() <= epoch_) return;
  throw Fenced("another agent has taken over the log with epoch " + std::to_string(reader.epoch()) +
                   ", this one had " + std::to_string(epoch_),
               where(), "let only one agent run for this pipeline");
}

std::unique_ptr<LogReader> KafkaLog::reader(Offset from) {
  return std::make_unique<KafkaLogReader>(options_.kafka, recent_, from);
}

Offset KafkaLog::first() {
  std::lock_guard lock(mutex_);
  return range(kOldestStart).first;
}

Offset KafkaLog::next() {
  if (recent_) return recent_->next();
  std::lock_guard lock(mutex_);
  return range(kOldestEnd).next;
}

std::uint64_t KafkaLog::size_bytes() {
  std::lock_guard lock(mutex_);
  const KafkaConsumer::Range& kept = range(kOldestStart);
  const double average = static_cast<double>(met_bytes_) /
                         static_cast<double>(std::max<std::uint64_t>(1, met_messages_));
  return static_cast<std::uint64_t>(average * static_cast<double>(kept.next - kept.first));
}

// Asking costs a round trip, and whoever writes waits meanwhile.
const KafkaConsumer::Range& KafkaLog::range(milliseconds oldest) {
  const auto now = steady_clock::now();
  if (range_at_ == steady_clock::time_point() || now - range_at_ > oldest) {
    range_ = consumer_.range();
    range_at_ = now;
  }
  return range_;
}

}  // namespace tandem::state
