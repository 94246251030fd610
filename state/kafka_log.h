// The change log in a Kafka topic of one partition: docs/kafka-log.md. Offsets are Kafka's own; a
// record that takes several messages has the last one's.
//
// Promise: ChangeLog's. append() returns when every broker that must have the batch has it. An
// append that failed may be in the topic in part: the log must then be claimed again, and readers
// drop the part. first() may be a second old. extent() is at most that old where the broker
// answers, and waits for no append. Threads: ChangeLog's. Errors: KafkaProducer's and
// KafkaConsumer's; Fenced; Error for a topic that holds what Tandem did not write, that is
// compacted, that was made again, or that lost its end.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "state/change_log.h"
#include "state/kafka_client.h"
#include "state/log_grammar.h"
#include "state/message_writer.h"

namespace tandem::state {

class RecentBatches;

struct KafkaLogOptions {
  KafkaOptions kafka;
  MessageOrigin origin;
  bool writable = true;
  bool tombstones = false;  // as MessageWriter has them
  /// Durable batches kept for readers in this process, in bytes of memory.
  std::size_t memory_bytes = std::size_t{16} << 20U;
};

class KafkaLog : public ChangeLog {
 public:
  /// Opens the topic, which must be there. An empty one is begun, if it is opened to write.
  explicit KafkaLog(KafkaLogOptions options);
  ~KafkaLog() override;

  const std::string& identity() const override { return identity_; }
  LogTail read_tail() override;
  void claim(std::uint64_t epoch) override;
  void append(std::shared_ptr<Batch> batch) override;
  std::unique_ptr<LogReader> reader(Offset from) override;
  Offset first() override;
  Offset next() override;
  Offset at(std::int64_t unix_ms) override;
  /// The topic's own retention lets go.
  void prune(Offset /*needed_from*/) override {}
  /// Its bytes are estimated: as many messages as there are, of the size of those that were met.
  LogExtent extent() override;

 private:
  struct Tail {
    LogTail log;
    std::string identity;  // empty: nobody told it
  };
  std::string where() const { return "Kafka topic " + options_.kafka.topic; }
  void look_at_settings();
  Tail read_end();
  std::optional<Tail> read_end(Offset from, const KafkaConsumer::Range& range);
  void begin_topic();
  void write(const std::shared_ptr<Batch>& batch);
  void look_between(Offset from, Offset to);
  KafkaConsumer::Range range(std::chrono::milliseconds patience = std::chrono::seconds(30));
  KafkaConsumer::Range recent_range(std::chrono::milliseconds oldest);
  void met(std::uint64_t messages, std::uint64_t bytes);

  const KafkaLogOptions options_;
  std::mutex mutex_;  // guards the members below but for recent_, which guards itself
  KafkaConsumer consumer_;
  std::unique_ptr<KafkaProducer> producer_;
  std::int64_t max_message_bytes_ = 0;  // of the topic; 0: not known
  MessageWriter writer_;
  LogGrammar grammar_;
  std::uint64_t epoch_ = 0;                        // 0: to be claimed
  Offset next_ = 0;                                // where our next message must come to lie
  std::chrono::steady_clock::time_point glanced_;  // when extent() asked last
  std::string identity_;
  std::shared_ptr<RecentBatches> recent_;  // null: not opened to write

  // What was asked last, and how large the messages were that were met.
  struct Known {
    KafkaConsumer::Range range;
    std::chrono::steady_clock::time_point asked;     // for range
    std::chrono::steady_clock::time_point answered;  // anything at all
    std::uint64_t messages = 0, bytes = 0;
  };
  Known known();
  std::mutex known_mutex_;  // taken last
  Known known_;             // guarded by it
};

}  // namespace tandem::state
