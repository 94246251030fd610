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

  /// Adds the record that the message ends, if it ends one, to the batch. False, and nothing was
  /// read: the batch has records of another epoch, so the message belongs to the next. What was
  /// written by a capture that had been succeeded, what has lost messages before it, and a
  /// tombstone, are passed over. Throws Error
  /// for anything that MessageWriter did not write.
  bool read(const IncomingMessage& message, Offset offset, Batch& batch);
  /// What is read next does not follow what was read before.
  void jump();
  /// The highest so far; 0: none yet.
  std::uint64_t epoch() const;
  /// The log's, as it was last told; empty: not yet.
  const std::string& identity() const;
  /// A message was not where its writer wanted it: another wrote before it.
  bool misplaced() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::state
