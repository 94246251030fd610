// Request bodies of the data operations, appended to a buffer that the caller reuses.
//
// A conditional write (docs/architecture.md, "From marks to items"):
//
//   {"TableName": "T", "Item": {…, "_tandem": {"M": {"h", "n", "v"[, "d"]}}},
//    "ConditionExpression": "attribute_not_exists(#a.v) OR #a.v < :v [OR (#a.v = :v AND #a.h =
//    :p)]", "ExpressionAttributeNames": {"#a": "_tandem"}, "ExpressionAttributeValues": {":v":
//    {"N": version}[, ":p": {"S": predecessor's hash}]}, "ReturnValuesOnConditionCheckFailure":
//    "ALL_OLD"}
//
// What stands there with a stamp that nobody can read is replaced on `#a = :s`, s being that stamp.
#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "sink/target.h"

namespace tandem::sink {

/// The attribute that holds a tombstone's time to live.
std::string ttl_attribute(const TargetOptions& options);

/// The item as it is to stand in the table: with its stamp, or as a tombstone that lives until
/// `now` + options.tombstones.
void append_stamped_item(const Write& write, const TargetOptions& options, std::time_t now,
                         std::string& out);
/// Bytes that the stamp adds to the item's size.
std::size_t stamp_size(const Stamp& stamp, const TargetOptions& options);

/// `seen`: our attribute as it was found, unreadable; then the write passes only over it.
void append_conditional_put(const Write& write, const TargetTable& table,
                            const TargetOptions& options, const std::optional<Attribute>& seen,
                            std::time_t now, std::string& out);
void append_conditional_delete(const Write& write, const TargetTable& table,
                               const TargetOptions& options, const std::optional<Attribute>& seen,
                               std::string& out);
void append_unconditional_put(const Write& write, const TargetTable& table,
                              const TargetOptions& options, std::time_t now, std::string& out);

/// {"RequestItems": {"T": [{"PutRequest": {"Item": …}}, …]}}
void append_batch_start(const TargetTable& table, std::string& out);
void append_batch_put(const Write& write, bool first, const TargetOptions& options, std::time_t now,
                      std::string& out);
void append_batch_end(std::string& out);

/// The key attributes alone.
void append_key(const Item& item, const TargetTable& table, std::string& out);
void append_get(const Item& key, const TargetTable& table, std::string& out);
void append_batch_get(const std::vector<const Item*>& keys, const TargetTable& table,
                      std::string& out);
void append_scan(const TargetTable& table, const TargetOptions& options, bool keys_only,
                 const std::optional<Item>& start, std::string& out);

}  // namespace tandem::sink
