// The control topic beside a log's topic: who writes to a pipeline's target, and what apply
// processes ask of the capture that writes the log. Drawn in control_topic.cc.
//
// Promise: a record that append() returned for is durable and is read by everyone in one order, so
// all agree on who came last. Threads: any. Errors: KafkaProducer's and KafkaConsumer's; Error for
// a topic that holds what Tandem did not write.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "state/kafka_client.h"
#include "state/record.h"

namespace tandem::state {

enum class ControlKind : std::uint8_t {
  kOwner,     // from here on `instance` writes to the target of `pipeline`
  kLeft,      // `instance` has ended and sends nothing more
  kLate,      // `instance` was succeeded, and may have sent something since
  kSnapshot,  // capture is to read the table `text` again
  kGap,       // capture is to read everything again, because of `text`
  kDone,      // capture has done what was asked before the offset `upto`
};

struct ControlRecord {
  ControlKind kind = ControlKind::kOwner;
  std::string pipeline, instance, text;
  Offset upto = 0;
  Offset offset = 0;  // given by append()
};

/// Of the log in this topic.
std::string control_topic_of(const std::string& topic);

class ControlTopic {
 public:
  /// `log`: of the log's own topic.
  explicit ControlTopic(const KafkaOptions& log);
  ~ControlTopic();

  /// All records at or after the offset, oldest first.
  std::vector<ControlRecord> read(Offset from = 0);
  /// Returns the record's offset.
  Offset append(const ControlRecord& record);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::state
