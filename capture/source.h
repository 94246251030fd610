// The seam to a source database: a stream of whole transactions and snapshot chunks.
//
// Delivery promise: every committed change of a captured table is delivered at least once, in
// commit order, until release() says that the log holds it durably; the checkpoint handed back to
// start() continues exactly there. What cannot be continued (another file, a lost slot, a fenced
// owner) is said by the result of start() or by an exception, never passed over. Threads: one
// thread drives a Source; wake() may be called from any thread. Errors: Error ends the unit of work
// and may be retried by calling start() again; Fenced must not.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "state/error.h"
#include "state/record.h"

namespace tandem::capture {

/// Another program keeps the source locked, or a stop was asked for while it did. Trying again
/// later may well succeed.
class SourceLocked : public state::Error {
 public:
  using Error::Error;
};

/// The source is not what it was when it was claimed (restored, replaced, reset). Not an end: claim
/// it again and resume; resume() finds out what was lost and reports a gap.
class SourceReplaced : public state::Error {
 public:
  using Error::Error;
};

/// A table to capture, as configured.
struct TableRequest {
  std::string name;
  std::vector<std::string> key;  // for a table that declares none; empty: its primary key
  bool replace_victims = true;   // SQLite: log the keys that a REPLACE is about to displace
  bool insert_only = false;      // PostgreSQL: its rows are only ever inserted, or truncated
};

/// What the source's catalog says, for `check`, `init` and the config's checks.
struct ForeignKey {
  std::vector<std::string> columns;
  std::string parent;
  std::vector<std::string> parent_columns;
};
struct CatalogTable {
  state::TableSchema schema;  // key empty: no usable key
  std::string refusal;        // why it cannot be captured, "" if it can
  std::vector<ForeignKey> foreign_keys;
  std::vector<std::string> primary_key;
  std::int64_t estimated_rows = 0;
};
struct Catalog {
  std::vector<CatalogTable> tables;
  const CatalogTable* find(std::string_view name) const;
};

/// One line of a preflight.
struct Finding {
  enum class Level { kOk, kWarning, kFailure } level = Level::kOk;
  std::string subject;  // "table Track", "source"
  std::string text;     // what is so
  std::string advice;   // what to do; "" for kOk
  int urgency = 0;      // of warnings that come again: the worse, the higher
};

/// How the source bears being captured while it is.
struct SourceHealth {
  /// What it keeps of its own log until capture has read it.
  struct Retained {
    std::string by;  // the name of what makes it keep that
    std::int64_t bytes = 0;
    std::optional<double> bytes_per_second;  // by which that grows; nothing: too early to say
    std::string state;                       // in the source's own words
    std::optional<std::int64_t> safe_bytes;  // until it may give up keeping it; nothing: no limit
    std::optional<std::chrono::seconds> until_lost;  // at this rate; nothing: not to be foreseen
  };
  std::optional<Retained> retained;
  std::string waits_for;  // what capture waits for, a sentence; "" if for nothing
  std::vector<Finding> warnings;
};

/// Where a source puts what it found. Implemented by the publisher, which appends to the log.
/// A transaction may be handed over in many calls; it exists for readers only after end().
class Transactions {
 public:
  virtual ~Transactions() = default;
  virtual void begin(const state::Begin& begin) = 0;
  virtual void schema(state::TableSchema schema, bool reread) = 0;
  /// `above` as state::Change tells it.
  virtual void change(const std::string& table, state::Op op, state::Row key_before,
                      state::Row after, std::optional<std::uint32_t> above) = 0;
  void change(const std::string& table, state::Op op, state::Row key_before, state::Row after) {
    change(table, op, std::move(key_before), std::move(after), std::nullopt);
  }
  virtual void chunk(const std::string& table, state::Row from, state::Row to,
                     std::vector<state::Row> rows, std::vector<state::Row> touched) = 0;
  virtual void end(state::Checkpoint checkpoint) = 0;
  /// Changes may be missing from here on; the source starts to snapshot every table again.
  virtual void gap(std::string reason) = 0;
};

/// Where a call takes a stop token, it waits for a locked source for half a minute at most, and
/// ends by SourceLocked soon after a stop was asked for.
class Source {
 public:
  virtual ~Source() = default;

  virtual Catalog catalog(std::stop_token stop = {}) = 0;
  virtual std::vector<Finding> check() = 0;
  /// Makes / removes what capture needs at the source. Idempotent. uninstall() returns what it left
  /// there and why, a sentence each.
  virtual void install(std::stop_token stop = {}) = 0;
  virtual std::vector<std::string> uninstall(std::stop_token stop = {}) = 0;

  /// Claims the source for this log and returns the epoch to write with: 1 + the largest of the
  /// log's newest, the owner's, and Unix milliseconds. The caller claims the log with it, reads the
  /// tail again, and calls resume(), which heeds the same stop.
  virtual std::uint64_t claim(const std::string& log_identity, std::uint64_t log_epoch,
                              std::stop_token stop = {}) = 0;
  /// Whether the last claim took the source from another agent, which may not know it yet.
  virtual bool took_over() const = 0;
  /// Continues behind the checkpoint (none: a first snapshot). Reports a gap by itself if it must.
  /// From here on, a table's schema is handed over before its first change or chunk, though the log
  /// may have it: a log that names columns in its records knows them then.
  virtual void resume(std::optional<state::Checkpoint> checkpoint, Transactions& out) = 0;

  /// Waits up to `wait` for something to do, and publishes at most one transaction or snapshot
  /// chunk. Returns false when there was nothing.
  virtual bool poll(std::chrono::milliseconds wait, std::stop_token stop, Transactions& out) = 0;
  /// Whether a poll since resume() has looked at the source. Before that, nobody knows what has
  /// become of its tables since the last agent: checkpoint() says what that one left.
  virtual bool has_looked() const = 0;
  /// Everything up to and including this checkpoint is durable in the log: let go of it.
  virtual void release(const state::Checkpoint& checkpoint) = 0;
  /// The checkpoint as of now, for a heartbeat.
  virtual state::Checkpoint checkpoint() const = 0;
  /// Whether the source waits to let go of something that only a heartbeat would release.
  virtual bool wants_heartbeat() const { return false; }
  /// Reads the table again from its start.
  virtual void request_snapshot(const std::string& table) = 0;
  /// May this agent still write to the target? Throws Fenced if another has taken over.
  /// Thread-safe.
  virtual void assert_owner(std::stop_token stop = {}) = 0;
  /// This agent was fenced, and what it sent last may have reached the target after its successor
  /// looked there: tells the successor, which then reads both ends anew. Does nothing if no other
  /// agent has taken over. Thread-safe.
  virtual void report_late_writes() = 0;

  /// How the source bears being captured. Thread-safe.
  virtual SourceHealth health(const std::stop_token& /*stop*/ = {}) { return {}; }
  /// How far this capture has read the source, if everything up to `logged` is in the log: up to
  /// there, or further where it met nothing that is captured. Thread-safe.
  virtual state::SourcePosition read_up_to(const state::SourcePosition& logged) const {
    return logged;
  }
  /// The same where no agent captures from the source: asks the source, which may take seconds.
  /// `logged` if the source cannot tell.
  virtual state::SourcePosition unchanged_up_to(const state::SourcePosition& logged,
                                                const std::stop_token& /*stop*/ = {}) {
    return logged;
  }

  /// The newest position committed at the source, for lag and for `run --once`. Waits so long for
  /// a locked source; an answer to one who waits less than a second may be a second old.
  /// Thread-safe.
  virtual state::SourcePosition newest(
      std::chrono::milliseconds patience = std::chrono::milliseconds(250),
      std::stop_token stop = {}) = 0;
};

/// Reads a table of the source in chunks, for verify. A connection of its own; one thread.
class SourceReader {
 public:
  virtual ~SourceReader() = default;
  struct Page {
    std::vector<state::Row> rows;
    state::Row to;                   // empty: this was the last page
    state::SourcePosition position;  // of the read transaction
  };
  virtual Page read(const state::TableSchema& table, const state::Row& from, std::size_t limit) = 0;
  /// The rows that have one of these keys, in any order; `to` stays empty.
  virtual Page read_rows(const state::TableSchema& table, const std::vector<state::Row>& keys) = 0;
  /// One row by key and the position of the read transaction.
  std::pair<std::optional<state::Row>, state::SourcePosition> read_row(
      const state::TableSchema& table, const state::Row& key);
};

}  // namespace tandem::capture
