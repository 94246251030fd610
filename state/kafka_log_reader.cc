#include "state/kafka_log_reader.h"

#include <algorithm>
#include <utility>

#include "state/error.h"
#include "state/recent_batches.h"

namespace tandem::state {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMessagesARead = 2000;
// A longer wait would overflow the clock.
constexpr milliseconds kLongestWait{3'600'000};

}  // namespace

KafkaLogReader::KafkaLogReader(const KafkaOptions& options, std::string identity,
                               std::shared_ptr<RecentBatches> recent, Offset from)
    : options_(options),
      identity_(std::move(identity)),
      recent_(std::move(recent)),
      messages_("Kafka topic " + options.topic),
      wanted_(from),
      next_(from) {}

KafkaLogReader::~KafkaLogReader() = default;

std::shared_ptr<const Batch> KafkaLogReader::next(milliseconds wait, std::stop_token stop) {
  const auto deadline = steady_clock::now() + std::min(wait, kLongestWait);
  // Between two records there may be messages that are none, and a batch must tell that it has all
  // from the record before on: only read() knows those.
  if (!recent_ || next_ != wanted_) return read(deadline, stop);
  RecentBatches::Found found = recent_->wait_for(next_, deadline, stop);
  if (found.batch == nullptr) return found.durable ? read(deadline, stop) : nullptr;
  next_ = wanted_ = found.batch->offsets.back() + 1;
  if (consumer_ && position_ >= 0) {
    consumer_->rest();
    position_ = -1;
  }
  return found.batch;
}

// A record whose last message has not come yet is kept by messages_.
std::shared_ptr<const Batch> KafkaLogReader::read(steady_clock::time_point deadline,
                                                  const std::stop_token& stop) {
  if (!consumer_) consumer_ = std::make_unique<KafkaConsumer>(options_);
  if (position_ != next_) {
    consumer_->seek(next_);
    messages_.jump();
    fetched_ = nullptr;
    position_ = next_;
  }
  auto batch = std::make_shared<Batch>();
  while (batch->records.empty() && !stop.stop_requested()) {
    if (fetched_ == nullptr || taken_ == fetched_->size()) {
      const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
      fetched_ = &consumer_->read(kMessagesARead, std::max(left, milliseconds(0)), stop);
      taken_ = 0;
      if (fetched_->empty()) break;
    }
    while (taken_ < fetched_->size()) {
      const KafkaConsumer::Read& read = (*fetched_)[taken_];
      if (!messages_.read(read.message, read.offset, *batch)) break;
      const std::string_view kind = read.message.record;
      const std::string& told = messages_.identity();
      if (!kind.empty() && kind != "log" && !told.empty() && told != identity_) {
        throw Error("the topic was deleted and made again", "Kafka topic " + options_.topic,
                    "start again: everything is read anew into the new log");
      }
      ++taken_;
      next_ = position_ = read.offset + 1;
    }
  }
  if (batch->records.empty()) return nullptr;
  batch->from = wanted_;
  wanted_ = batch->offsets.back() + 1;
  return batch;
}

}  // namespace tandem::state
