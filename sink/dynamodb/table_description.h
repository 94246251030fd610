// What DescribeTable says of a table, as far as it matters here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sink/dynamodb/service.h"
#include "sink/target.h"

namespace tandem::sink {

struct DescribedIndex {
  std::string name, status;
  std::vector<std::string> key;
  bool all_attributes = false;
};
struct TableDescription {
  std::string status;  // CREATING, ACTIVE, UPDATING, …
  std::vector<std::string> key;
  std::map<std::string, std::string> types;  // attribute → S, N, B
  std::vector<DescribedIndex> indexes;
  const DescribedIndex* find_index(const std::string& name) const;
};

/// Nothing if there is no such table. Throws Error for every other refusal.
std::optional<TableDescription> describe_table(Service& service, const std::string& table);

/// Waits until the table and all its indexes are usable; throws Error after ten minutes of a table
/// that does not change its state.
TableDescription wait_until_active(Service& service, const std::string& table);

/// DynamoDB's letter for a key attribute's type; a string where the documents do not tell.
const char* key_type_letter(AttributeType type);
/// The types wanted of the table's key and index attributes.
std::map<std::string, std::string> wanted_types(const TargetTable& table);
/// Why a table as described cannot serve as `wanted` at all; "" if its key is right.
std::string key_difference(const TableDescription& description, const TargetTable& wanted);

/// The attribute by which the table expires items, "" for none.
std::string ttl_attribute_of(Service& service, const std::string& table);

}  // namespace tandem::sink
