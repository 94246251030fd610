// Records out of the messages of a topic: the other way round of message_writer.h.
//
// Messages come in their order; a record is there when its last message is. What was written by
// others (a value that is no JSON object of ours, a tombstone) is an Error or is passed over, as
// stated. Input is hostile until read. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "state/message.h"
#include "state/record.h"

namespace tandem::state {

class MessageReader {
 public:
  /// `where` names the topic in errors.
  explicit MessageReader(std::string where);
  ~MessageReader();

  /// Adds the record that the message ends, if it ends one, to the batch. A message without a value
  /// (a tombstone) is passed over. Throws Error for anything that MessageWriter did not write.
  void read(const IncomingMessage& message, Offset offset, Batch& batch);
  /// Of the newest Epoch, Begin or Heartbeat that was read; 0: none yet.
  std::uint64_t epoch() const;
  /// Of the newest Epoch that was read; empty: none yet.
  const std::string& identity() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::state
