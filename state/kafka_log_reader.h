// Reads a log out of a Kafka topic: docs/kafka-log.md.
//
// Promise, threads: LogReader's. Beside the writer of the same process, what became durable last
// comes out of memory. Errors: LogReader's; Error for a topic that was made again.
#pragma once

#include <memory>
#include <string>

#include "state/change_log.h"
#include "state/kafka_client.h"
#include "state/message_reader.h"

namespace tandem::state {

class RecentBatches;

class KafkaLogReader : public LogReader {
 public:
  /// `recent`: of the writer of this process; may be null.
  KafkaLogReader(const KafkaOptions& options, std::string identity,
                 std::shared_ptr<RecentBatches> recent, Offset from);
  ~KafkaLogReader() override;

  std::shared_ptr<const Batch> next(std::chrono::milliseconds wait, std::stop_token stop) override;
  Offset position() const override { return next_; }

 private:
  std::shared_ptr<const Batch> read(std::chrono::steady_clock::time_point deadline,
                                    const std::stop_token& stop);

  const KafkaOptions options_;
  const std::string identity_;  // of the log that is read
  const std::shared_ptr<RecentBatches> recent_;
  MessageReader messages_;
  std::unique_ptr<KafkaConsumer> consumer_;                    // opened when first needed
  const std::vector<KafkaConsumer::Read>* fetched_ = nullptr;  // of consumer_
  std::size_t taken_ = 0;                                      // of fetched_
  Offset wanted_;                                              // behind what was handed out
  Offset next_;                                                // of the message that is wanted
  Offset position_ = -1;  // of the message that comes next out of the topic; -1: none is fetched
};

}  // namespace tandem::state
