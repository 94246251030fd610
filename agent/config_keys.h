// Every key that a config may have, by the shape it stands in. The parser can look up no other key
// (MapReader refuses), and the JSON Schema is held against this list by a test.
#pragma once

#include <array>
#include <string_view>

namespace tandem::agent {

/// A map with fixed keys. The list ends at the first empty one.
struct Shape {
  std::string_view name;  // as in the schema's $defs
  std::array<std::string_view, 9> keys;
};

inline constexpr Shape kConfigShape{"config",
                                    {"name", "source", "log", "state", "target", "documents"}};
inline constexpr Shape kSourceShape{"source",
                                    {"type", "path", "url", "credentials", "slot", "publication",
                                     "snapshot_tables", "heartbeat", "tables"}};
inline constexpr Shape kCredentialsShape{"credentials", {"file", "section"}};
inline constexpr Shape kSourceTableShape{"sourceTable", {"key", "replace_victims", "insert_only"}};
inline constexpr Shape kLogShape{"log",
                                 {"type", "retention", "brokers", "topic", "properties",
                                  "tombstones", "replication", "settings"}};
inline constexpr Shape kRetentionShape{"retention", {"age", "size"}};
inline constexpr Shape kTargetShape{
    "target",
    {"type", "path", "region", "endpoint", "tables", "attribute", "tombstones", "billing"}};
inline constexpr Shape kTargetTableShape{"targetTable", {"key", "indexes"}};
inline constexpr Shape kBillingShape{"billing", {"read", "write"}};
inline constexpr Shape kDocumentShape{
    "document", {"table", "root", "one", "many", "item", "pages", "volatile"}};
inline constexpr Shape kRootShape{"root", {"table", "where", "by"}};
inline constexpr Shape kOneShape{"one", {"table", "on", "where", "one", "many"}};
inline constexpr Shape kManyShape{"many", {"table", "on", "where", "order_by", "one", "many"}};
inline constexpr Shape kPagesShape{"pages", {"of", "size", "over", "item"}};
inline constexpr Shape kComparisonShape{"comparison", {"not", "lt", "le", "gt", "ge"}};
inline constexpr Shape kColumnsShape{"columnsExcept", {"except"}};
inline constexpr Shape kEachShape{"each", {"$each", "item"}};
inline constexpr Shape kCountShape{"count", {"$count"}};
inline constexpr Shape kSumShape{"sum", {"$sum"}};
inline constexpr Shape kMinShape{"min", {"$min"}};
inline constexpr Shape kMaxShape{"max", {"$max"}};
inline constexpr Shape kWithShape{"with", {"$with", "item"}};
inline constexpr Shape kValueShape{"value", {"$value", "map", "default", "as", "null"}};

inline constexpr std::array kShapes{
    &kConfigShape,    &kSourceShape, &kCredentialsShape, &kSourceTableShape, &kLogShape,
    &kRetentionShape, &kTargetShape, &kTargetTableShape, &kBillingShape,     &kDocumentShape,
    &kRootShape,      &kOneShape,    &kManyShape,        &kPagesShape,       &kComparisonShape,
    &kColumnsShape,   &kEachShape,   &kCountShape,       &kSumShape,         &kMinShape,
    &kMaxShape,       &kWithShape,   &kValueShape};

}  // namespace tandem::agent
