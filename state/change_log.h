// The seam to the change log: one ordered, durable log of whole transactions.
//
// Delivery promise: what append() returned for is durable (power loss included) and is read in the
// order of its offsets, by every reader, from any offset still kept. Nothing is delivered to a
// reader before it is durable. Readers see batches whose grouping means nothing; the grammar in
// record.h is the only structure. One writer at a time: append() by an older epoch throws Fenced.
// Threads: append, prune and readers may run at once, each reader on a thread of its own.
// Errors: Error (disk full, broken file, lost broker), Fenced, LogStopped.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "state/error.h"
#include "state/record.h"

namespace tandem::state {

/// The log was made to heed a stop, and one was asked for while it was waited for.
class LogStopped : public Error {
 public:
  using Error::Error;
};

/// What capture learns from the log's tail when it starts.
struct LogTail {
  std::uint64_t epoch = 0;  // newest in the log; 0: none
  std::optional<Checkpoint>
      checkpoint;   // of the newest whole End or Heartbeat (after the newest Gap: none)
  Offset next = 0;  // the offset that the next record will get
};

/// Thrown where a log is opened to be read that no capture has begun yet.
class LogNotBegun : public Error {
 public:
  using Error::Error;
};

/// What of the log is kept, for showing.
struct LogExtent {
  Offset first = 0;  // oldest offset kept
  Offset next = 0;   // after the newest record
  std::uint64_t bytes = 0;
  std::chrono::milliseconds silent{0};  // since the log's brokers answered last, if it has any
};

class LogReader {
 public:
  virtual ~LogReader() = default;
  /// The next records, in order; null when none came in time or a stop was asked for.
  /// Throws Error if the wanted offset is gone by retention (the message says so).
  virtual std::shared_ptr<const Batch> next(std::chrono::milliseconds wait,
                                            std::stop_token stop) = 0;
  /// All before this offset has been handed out, or does not count: it was written by a capture
  /// that had been succeeded, or belongs to a record of which the rest has not come.
  virtual Offset position() const = 0;
};

class ChangeLog {
 public:
  virtual ~ChangeLog() = default;

  /// Random, made with the log (32 hexadecimal digits). Another identity means: fold anew.
  virtual const std::string& identity() const = 0;
  virtual LogTail read_tail() = 0;
  /// Begins to write as `epoch` (which must be above every epoch in the log): appends the Epoch
  /// record. From here on an append by an older writer throws Fenced.
  virtual void claim(std::uint64_t epoch) = 0;
  /// Appends all records of the batch and makes them durable; fills `offsets` and `epoch`.
  virtual void append(std::shared_ptr<Batch> batch) = 0;
  /// Reads from the first record at or after `from`.
  virtual std::unique_ptr<LogReader> reader(Offset from) = 0;
  /// Oldest offset kept, and the offset after the newest record.
  virtual Offset first() = 0;
  virtual Offset next() = 0;
  /// An offset before which nothing was appended at this time (Unix milliseconds) or later, as near
  /// to the first such record as the log can tell.
  virtual Offset at(std::int64_t /*unix_ms*/) { return first(); }
  /// Lets go of whole blocks before `needed_from` that are beyond the configured age and size.
  virtual void prune(Offset needed_from) = 0;
  /// For showing, and so at once: where the log lies elsewhere, as it was a moment ago, or when it
  /// answered last.
  virtual LogExtent extent() = 0;
};

}  // namespace tandem::state
