// What the change log carries: records in batches. The seam carries changes, not bytes; each log
// has its own bytes (embedded: log_format.h; Kafka: Debezium's JSON).
//
// The grammar of a log:
//   log         := { Epoch | Heartbeat | Gap | transaction }
//   transaction := Begin { Schema | Change | Chunk } End
// A transaction cut off half-way (an Epoch, or another Begin, comes before its End) never happened;
// it is published again whole. A transaction published twice has a position that is not past the
// last folded one: readers drop it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "state/schema.h"
#include "state/value.h"

namespace tandem::state {

/// A place in the log. Grows by at least one per record; dense in the embedded log only.
using Offset = std::int64_t;
inline constexpr Offset kFirstOffset = 1;

/// A place in the source's order of commits. SQLite: (largest trigger-log seq drained, 0 + n for
/// the n-th transaction published at that seq, e.g. snapshot chunks while nothing changes).
/// PostgreSQL: (commit end LSN, ordinal).
struct SourcePosition {
  std::uint64_t commit = 0;
  std::uint64_t ordinal = 0;
  friend auto operator<=>(const SourcePosition&, const SourcePosition&) = default;
};

/// How far capture has come with one table.
struct TableProgress {
  std::string table;
  std::uint64_t fingerprint = 0;  // of the schema last logged
  bool snapshotting = false;      // a snapshot is under way (or due, if next_from is empty)
  Row next_from;                  // the next chunk's exclusive lower key; empty: from the start
  friend bool operator==(const TableProgress&, const TableProgress&) = default;
};

/// All that capture remembers. It rides in every End and Heartbeat, so the newest one in the tail
/// of the log is capture's only memory.
struct Checkpoint {
  SourcePosition position;
  std::vector<TableProgress> tables;
  std::string
      source_state;  // opaque to all but the source (SQLite: which file this was, what was pruned)
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

enum class Op : std::uint8_t { kCreate, kUpdate, kDelete, kTruncate };

/// A capture began to write here. Records of lower epochs after it are to be ignored.
struct Epoch {
  std::uint64_t epoch = 0;
};
struct Begin {
  SourcePosition position;
  std::int64_t ts_ms = 0;  // Unix milliseconds of the commit, as well as the source knows it
  // What is told to those who read the log with other tools; the embedded log leaves it out.
  std::uint32_t micros = 0;  // of the commit, beyond ts_ms
  std::uint64_t xid = 0;     // the source's own number of the transaction; 0: none
};
/// One row, upserted or deleted. `table` indexes Batch::tables.
struct Change {
  Op op = Op::kUpdate;
  std::uint32_t table = 0;
  Row key_before;  // the key before: for kDelete, and for an update that changed the key; else
                   // empty
  Row after;       // the whole row; empty for kDelete and kTruncate
  /// Told where rows may share a key until their transaction ends (PostgreSQL's deferrable keys):
  /// how many rows that came to the key later than this one stand there with it. Of a changed or
  /// deleted row the key before is meant; a created row has none above it.
  std::optional<std::uint32_t> above = std::nullopt;
};
/// "Of this table, in the key range (from, to], there are exactly these rows." An empty `from` is
/// the table's start, an empty `to` its end (the table is whole then). Rows are in key order.
struct Chunk {
  std::uint32_t table = 0;
  Row from, to;
  std::vector<Row> rows;
  std::vector<Row>
      touched;  // PostgreSQL: keys that the snapshot could not see; neither deleted nor overwritten
};
/// The table's schema from here on. `reread`: its rows are not whole until a last chunk comes.
/// No columns: the table is gone.
struct SchemaRecord {
  TableSchema schema;
  bool reread = true;
};
struct End {
  Checkpoint checkpoint;
};
struct Heartbeat {
  Checkpoint checkpoint;
  std::int64_t ts_ms = 0;
};
/// Changes may be missing here: no table is whole until it has been read again.
struct Gap {
  std::string reason;
};

using Record = std::variant<Epoch, Begin, Change, Chunk, SchemaRecord, End, Heartbeat, Gap>;

/// Consecutive records. `offsets[i]` is the offset of `records[i]`; the log fills it on append.
struct Batch {
  std::vector<std::string> tables;  // names that Change::table and Chunk::table point to
  std::vector<Record> records;
  std::vector<Offset> offsets;
  /// All that the log has from this offset on up to the last record's is here.
  Offset from = 0;
  std::uint64_t epoch = 0;  // of the capture that wrote it

  /// Index of the name in `tables`, added if new.
  std::uint32_t table_index(const std::string& name);
};

}  // namespace tandem::state
