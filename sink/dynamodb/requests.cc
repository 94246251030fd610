#include "sink/dynamodb/requests.h"

#include <algorithm>

#include "state/json_string.h"

namespace tandem::sink {
namespace {

using state::append_json_string;

/// {"M": {…}} of the stamp, without building an Attribute on the way.
void append_stamp(const Stamp& stamp, std::string& out) {
  out += R"({"M":{)";
  if (stamp.deleted) out += R"("d":{"BOOL":true},)";
  out += R"("h":{"S":")";
  out += state::to_hex(stamp.hash);
  out += R"("},"n":{"S":)";
  append_json_string(stamp.name, out);
  out += R"(},"v":{"N":")";
  out += stamp.version.to_number();
  out += R"("}}})";
}

void append_table(const TargetTable& table, std::string& out) {
  out += R"({"TableName":)";
  append_json_string(table.name, out);
}

void append_condition(const Write& write, const TargetOptions& options,
                      const std::optional<Attribute>& seen, std::string& out) {
  out += R"(,"ConditionExpression":")";
  if (seen.has_value()) {
    out += "#a = :s";
  } else {
    out += "attribute_not_exists(#a.v) OR #a.v < :v";
    if (write.predecessor.has_value()) out += " OR (#a.v = :v AND #a.h = :p)";
  }
  out += R"(","ExpressionAttributeNames":{"#a":)";
  append_json_string(options.attribute, out);
  out += R"(},"ExpressionAttributeValues":{)";
  if (seen.has_value()) {
    out += R"(":s":)";
    write_dynamodb_json(*seen, out);
  } else {
    out += R"(":v":{"N":")";
    out += write.stamp.version.to_number();
    out += "\"}";
    if (write.predecessor.has_value()) {
      out += R"(,":p":{"S":")";
      out += state::to_hex(*write.predecessor);
      out += "\"}";
    }
  }
  out += R"(},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"})";
}

}  // namespace

std::string ttl_attribute(const TargetOptions& options) { return options.attribute + "_ttl"; }

void append_stamped_item(const Write& write, const TargetOptions& options, std::time_t now,
                         std::string& out) {
  write_dynamodb_json(write.item, out);
  out.back() = ',';  // in place of the closing brace: a key attribute is always there
  append_json_string(options.attribute, out);
  out.push_back(':');
  append_stamp(write.stamp, out);
  if (write.deletion) {
    out.push_back(',');
    append_json_string(ttl_attribute(options), out);
    out += R"(:{"N":")";
    out += std::to_string(now + options.tombstones.count());
    out += "\"}";
  }
  out.push_back('}');
}

std::size_t stamp_size(const Stamp& stamp, const TargetOptions& options) {
  return item_size({{options.attribute, stamp_to_attribute(stamp)}});
}

void append_conditional_put(const Write& write, const TargetTable& table,
                            const TargetOptions& options, const std::optional<Attribute>& seen,
                            std::time_t now, std::string& out) {
  append_table(table, out);
  out += R"(,"Item":)";
  append_stamped_item(write, options, now, out);
  append_condition(write, options, seen, out);
}

void append_conditional_delete(const Write& write, const TargetTable& table,
                               const TargetOptions& options, const std::optional<Attribute>& seen,
                               std::string& out) {
  append_table(table, out);
  out += R"(,"Key":)";
  append_key(write.item, table, out);
  append_condition(write, options, seen, out);
}

void append_unconditional_put(const Write& write, const TargetTable& table,
                              const TargetOptions& options, std::time_t now, std::string& out) {
  append_table(table, out);
  out += R"(,"Item":)";
  append_stamped_item(write, options, now, out);
  out.push_back('}');
}

void append_batch_start(const TargetTable& table, std::string& out) {
  out += R"({"RequestItems":{)";
  append_json_string(table.name, out);
  out += ":[";
}

void append_batch_put(const Write& write, bool first, const TargetOptions& options, std::time_t now,
                      std::string& out) {
  if (!first) out.push_back(',');
  out += R"({"PutRequest":{"Item":)";
  append_stamped_item(write, options, now, out);
  out += "}}";
}

void append_batch_end(std::string& out) { out += "]}}"; }

void append_key(const Item& item, const TargetTable& table, std::string& out) {
  out.push_back('{');
  bool first = true;
  for (const std::string& name : table.key) {
    const Attribute* value = find_attribute(item, name);
    if (value == nullptr) continue;
    if (!first) out.push_back(',');
    first = false;
    append_json_string(name, out);
    out.push_back(':');
    write_dynamodb_json(*value, out);
  }
  out.push_back('}');
}

void append_get(const Item& key, const TargetTable& table, std::string& out) {
  append_table(table, out);
  out += R"(,"Key":)";
  append_key(key, table, out);
  out += R"(,"ConsistentRead":true})";
}

void append_batch_get(const std::vector<const Item*>& keys, const TargetTable& table,
                      std::string& out) {
  out += R"({"RequestItems":{)";
  append_json_string(table.name, out);
  out += R"(:{"ConsistentRead":true,"Keys":[)";
  bool first = true;
  for (const Item* key : keys) {
    if (!first) out.push_back(',');
    first = false;
    append_key(*key, table, out);
  }
  out += "]}}}";
}

void append_scan(const TargetTable& table, const TargetOptions& options, bool keys_only,
                 const std::optional<Item>& start, std::string& out) {
  append_table(table, out);
  out += R"(,"ConsistentRead":true)";
  if (keys_only) {
    std::vector<std::string> names = table.key;
    names.push_back(options.attribute);
    std::string projection;
    std::string meanings;
    for (std::size_t i = 0; i < names.size(); i++) {
      const std::string placeholder = "#n" + std::to_string(i);
      projection += (i > 0 ? "," : "") + placeholder;
      meanings += (i > 0 ? ",\"" : "\"") + placeholder + "\":";
      append_json_string(names[i], meanings);
    }
    out += R"(,"ProjectionExpression":")" + projection + R"(","ExpressionAttributeNames":{)" +
           meanings + "}";
  }
  if (start.has_value()) {
    out += R"(,"ExclusiveStartKey":)";
    write_dynamodb_json(*start, out);
  }
  out.push_back('}');
}

}  // namespace tandem::sink
