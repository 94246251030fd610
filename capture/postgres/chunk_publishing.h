// A chunk whose message came by in the stream, as records of the log: rows of a range, or the rows
// under keys that were asked for. docs/postgres-capture.md, "Chunks".
//
// Called by the thread that reads the stream. No errors.
#pragma once

#include "capture/postgres/chunk_reader.h"
#include "capture/postgres/recent_changes.h"
#include "capture/postgres/snapshot_table.h"
#include "capture/source.h"

namespace tandem::capture::postgres {

/// Publishes the chunk that the table's reader gave, or has it read again. `unseen` is what the
/// stream did since the chunk's view. True if the table is whole by it.
bool publish_chunk(SnapshotTable& table, ReadChunk chunk, const RecentChanges::Unseen& unseen,
                   Transactions& out);

}  // namespace tandem::capture::postgres
