// Our own records' parts as JSON: values that say their own form, positions, checkpoints, schemas.
// Drawn in message_writer.cc. Plain functions that append.
#pragma once

#include <string>

#include "state/record.h"

namespace tandem::state {

/// null | number | true | "text" | {form:"…"}
void append_telling(const Value& value, std::string& out);
void append_telling(const std::string& text, std::string& out);
void append_telling(const Row& row, std::string& out);
/// [commit,ordinal]
void append_position(const SourcePosition& position, std::string& out);
/// The members of a checkpoint.
void append_checkpoint(const Checkpoint& checkpoint, std::string& out);
/// {"type":…,"id":…,"table":{…}}
void append_schema(const TableSchema& schema, std::string& out);

}  // namespace tandem::state
