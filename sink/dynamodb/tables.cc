#include "sink/dynamodb/tables.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "sink/dynamodb/requests.h"
#include "sink/dynamodb/table_description.h"
#include "state/failpoint.h"

namespace tandem::sink {
namespace {

using Json = nlohmann::json;

Json key_schema(const std::vector<std::string>& key) {
  Json schema = Json::array();
  for (std::size_t i = 0; i < key.size(); i++) {
    schema.push_back({{"AttributeName", key[i]}, {"KeyType", i == 0 ? "HASH" : "RANGE"}});
  }
  return schema;
}

Json attribute_definitions(const std::map<std::string, std::string>& types) {
  Json definitions = Json::array();
  for (const auto& [name, type] : types) {
    definitions.push_back({{"AttributeName", name}, {"AttributeType", type}});
  }
  return definitions;
}

bool is_provisioned(const TargetTable& table) {
  return table.read_units > 0 || table.write_units > 0;
}

Json throughput(const TargetTable& table) {
  return {{"ReadCapacityUnits", std::max<std::int64_t>(1, table.read_units)},
          {"WriteCapacityUnits", std::max<std::int64_t>(1, table.write_units)}};
}

Json index_definition(const TargetTable& table, const TargetIndex& index) {
  Json definition = {{"IndexName", index.name},
                     {"KeySchema", key_schema(index.key)},
                     {"Projection", {{"ProjectionType", "ALL"}}}};
  if (is_provisioned(table)) definition["ProvisionedThroughput"] = throughput(table);
  return definition;
}

/// A key that no document makes, for requests that must change nothing.
Item probe_key(const TargetTable& table) {
  std::mt19937_64 random(std::random_device{}());
  const std::string number = std::to_string(random());
  Item key;
  for (std::size_t i = 0; i < table.key.size(); i++) {
    const AttributeType type =
        i < table.key_types.size() ? table.key_types[i] : AttributeType::kString;
    const std::string text = "tandem-check-" + number;
    if (type == AttributeType::kNumber) {
      key.emplace_back(table.key[i], Attribute::number("-" + number));
    } else if (type == AttributeType::kBinary) {
      key.emplace_back(table.key[i], Attribute::binary(text));
    } else {
      key.emplace_back(table.key[i], Attribute::string(text));
    }
  }
  sort_map(key);
  return key;
}

}  // namespace

Tables::Tables(Service& service, const std::vector<TargetTable>& tables,
               const TargetOptions& options)
    : service_(service), tables_(tables), options_(options) {}

std::vector<std::string> Tables::create_missing(
    const std::function<void(const std::string&)>& say) {
  std::vector<std::string> made;
  for (const TargetTable& table : tables_) {
    std::optional<TableDescription> description = describe_table(service_, table.name);
    if (!description.has_value()) {
      say("making table " + table.name);
      TANDEM_FAILPOINT("dynamodb.create.before");
      create(table);
      TANDEM_FAILPOINT("dynamodb.create.after");
      made.push_back(table.name);
    } else if (std::string wrong = key_difference(*description, table); !wrong.empty()) {
      throw state::Error("the table exists, but " + wrong, "table " + table.name,
                         "choose another name in target.tables, or delete the table");
    }
    add_indexes(table, say);
    if (options_.tombstones.count() > 0) turn_on_ttl(table, say);
  }
  return made;
}

void Tables::create(const TargetTable& table) {
  Json request = {{"TableName", table.name},
                  {"KeySchema", key_schema(table.key)},
                  {"AttributeDefinitions", attribute_definitions(wanted_types(table))}};
  if (is_provisioned(table)) {
    request["BillingMode"] = "PROVISIONED";
    request["ProvisionedThroughput"] = throughput(table);
  } else {
    request["BillingMode"] = "PAY_PER_REQUEST";
  }
  for (const TargetIndex& index : table.indexes) {
    request["GlobalSecondaryIndexes"].push_back(index_definition(table, index));
  }
  Service::Reply reply = service_.ask("CreateTable", request.dump());
  // "In use" is what a repeated request gets whose first answer was lost.
  if (reply.error.has_value() && reply.error->type != "ResourceInUseException") {
    throw explain(*reply.error, "CreateTable", "table " + table.name);
  }
}

void Tables::add_indexes(const TargetTable& table,
                         const std::function<void(const std::string&)>& say) {
  TableDescription description = wait_until_active(service_, table.name);
  for (const TargetIndex& index : table.indexes) {
    if (description.find_index(index.name) != nullptr) continue;
    say("adding index " + index.name + " to table " + table.name + "; a large table takes a while");
    const std::map<std::string, std::string> wanted = wanted_types(table);
    std::map<std::string, std::string> types;
    for (const std::string& name : table.key) types[name] = wanted.at(name);
    for (const std::string& name : index.key) types[name] = wanted.at(name);
    const Json request = {
        {"TableName", table.name},
        {"AttributeDefinitions", attribute_definitions(types)},
        {"GlobalSecondaryIndexUpdates", {{{"Create", index_definition(table, index)}}}}};
    service_.call("UpdateTable", request.dump(), "table " + table.name + " index " + index.name);
    description = wait_until_active(service_, table.name);  // one index at a time is allowed
  }
}

void Tables::turn_on_ttl(const TargetTable& table,
                         const std::function<void(const std::string&)>& say) {
  const std::string wanted = ttl_attribute(options_);
  const std::string there = ttl_attribute_of(service_, table.name);
  if (there == wanted) return;
  if (!there.empty()) {
    say("table " + table.name + " expires items by its attribute " + there +
        " already: tombstones of deleted items will stay");
    return;
  }
  const Json request = {
      {"TableName", table.name},
      {"TimeToLiveSpecification", {{"AttributeName", wanted}, {"Enabled", true}}}};
  service_.call("UpdateTimeToLive", request.dump(), "table " + table.name);
}

std::vector<TargetFinding> Tables::check(CheckDepth depth) {
  std::vector<TargetFinding> findings;
  const Endpoint& endpoint = service_.endpoint();
  findings.push_back(
      {true, "target",
       "DynamoDB at " + endpoint.url + ", region " + service_.region() +
           (endpoint.encrypted || endpoint.local ? "" : ", without encryption on the way"),
       ""});
  for (const TargetTable& table : tables_) {
    try {
      check_table(table, depth, findings);
    } catch (const TargetStopped&) {
      throw;
    } catch (const state::Error& error) {
      findings.push_back({false, "table " + table.name, error.message(), error.hint()});
    }
  }
  return findings;
}

void Tables::check_table(const TargetTable& table, CheckDepth depth,
                         std::vector<TargetFinding>& findings) {
  const std::string subject = "table " + table.name;
  std::optional<TableDescription> description = describe_table(service_, table.name);
  if (!description.has_value()) {
    findings.push_back({false, subject, "does not exist", "run tandem init", true});
    return;
  }
  if (std::string wrong = key_difference(*description, table); !wrong.empty()) {
    findings.push_back(
        {false, subject, wrong, "choose another name in target.tables, or delete the table"});
    return;
  }
  const std::size_t before = findings.size();
  if (description->status != "ACTIVE" && description->status != "UPDATING") {
    findings.push_back({false, subject, "is " + description->status, "wait until it is ACTIVE"});
  }
  const std::map<std::string, std::string> wanted = wanted_types(table);
  for (const TargetIndex& index : table.indexes) {
    const std::string index_subject = subject + " index " + index.name;
    const DescribedIndex* there = description->find_index(index.name);
    if (there == nullptr) {
      findings.push_back({false, index_subject, "does not exist", "run tandem init", true});
      continue;
    }
    if (there->key != index.key) {
      findings.push_back({false, index_subject, "has another key than the config",
                          "delete the index, then run tandem init"});
    } else if (!there->all_attributes) {
      findings.push_back({false, index_subject, "does not hold all attributes",
                          "delete the index, then run tandem init"});
    }
    for (const std::string& name : index.key) {
      auto type = description->types.find(name);
      if (type == description->types.end() || type->second == wanted.at(name)) continue;
      findings.push_back({false, index_subject,
                          "its attribute " + name + " has type " + type->second +
                              ", the documents give " + wanted.at(name),
                          "delete the index, then run tandem init"});
    }
  }
  if (options_.tombstones.count() > 0) check_ttl(table, findings);
  if (depth == CheckDepth::kPermissions) check_permissions(table, findings);
  if (findings.size() == before) {
    findings.push_back({true, subject,
                        depth == CheckDepth::kPermissions ? "key, indexes and permissions are right"
                                                          : "key and indexes are right",
                        ""});
  }
}

void Tables::check_ttl(const TargetTable& table, std::vector<TargetFinding>& findings) {
  const std::string there = ttl_attribute_of(service_, table.name);
  if (there == ttl_attribute(options_)) return;
  if (there.empty()) {
    findings.push_back({false, "table " + table.name, "does not expire tombstones",
                        "run tandem init, or set target.tombstones: none", true});
  } else {
    findings.push_back({false, "table " + table.name,
                        "expires items by its attribute " + there + ", so tombstones would stay",
                        "turn that off, or set target.tombstones: none"});
  }
}

void Tables::check_permissions(const TargetTable& table, std::vector<TargetFinding>& findings) {
  const Item key = probe_key(table);
  std::string key_json;
  append_key(key, table, key_json);
  // Each of these changes nothing: the writes ask for an item that is not there, the deletion of a
  // batch names one.
  const std::string name = Json(table.name).dump();
  std::string condition = ",\"ConditionExpression\":\"attribute_exists(#k)\"";
  condition += R"(,"ExpressionAttributeNames":{"#k":)" + Json(table.key.front()).dump() + "}}";
  const std::string table_part = R"({"TableName":)" + name;
  const std::vector<std::pair<const char*, std::string>> probes = {
      {"PutItem", table_part + R"(,"Item":)" + key_json + condition},
      {"DeleteItem", table_part + R"(,"Key":)" + key_json + condition},
      {"BatchWriteItem",
       R"({"RequestItems":{)" + name + R"(:[{"DeleteRequest":{"Key":)" + key_json + "}}]}}"},
      {"GetItem", table_part + R"(,"Key":)" + key_json + R"(,"ConsistentRead":true})"},
      {"BatchGetItem", R"({"RequestItems":{)" + name + R"(:{"Keys":[)" + key_json + "]}}}"},
      {"Scan", table_part + R"(,"Limit":1})"}};
  for (const auto& [operation, body] : probes) {
    Service::Reply reply = service_.ask(operation, body);
    if (!reply.error.has_value()) continue;
    if (judge(*reply.error) == Verdict::kConditionFailed) continue;
    const state::Error error = explain(*reply.error, operation, "table " + table.name);
    findings.push_back({false, "table " + table.name, error.message(), error.hint()});
  }
}

}  // namespace tandem::sink
