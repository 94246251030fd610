#include "sink/dynamodb/table_description.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tandem::sink {
namespace {

using Json = nlohmann::json;

std::string text_of(const Json& object, const char* name) {
  auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

const Json& array_of(const Json& object, const char* name) {
  static const Json empty = Json::array();
  auto member = object.find(name);
  return member != object.end() && member->is_array() ? *member : empty;
}

/// Partition key first.
std::vector<std::string> key_of(const Json& object) {
  std::vector<std::string> key;
  for (const Json& element : array_of(object, "KeySchema")) {
    std::string name = text_of(element, "AttributeName");
    if (text_of(element, "KeyType") == "HASH") {
      key.insert(key.begin(), std::move(name));
    } else {
      key.push_back(std::move(name));
    }
  }
  return key;
}

Json parse(const std::string& body, const std::string& table) {
  Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) {
    throw state::Error("an answer that is none of DynamoDB's", "table " + table,
                       "check target.endpoint and what stands between");
  }
  return json;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

}  // namespace

const DescribedIndex* TableDescription::find_index(const std::string& name) const {
  auto index = std::find_if(indexes.begin(), indexes.end(), [&](const DescribedIndex& candidate) {
    return candidate.name == name;
  });
  return index == indexes.end() ? nullptr : &*index;
}

std::optional<TableDescription> describe_table(Service& service, const std::string& table) {
  Service::Reply reply = service.ask("DescribeTable", Json{{"TableName", table}}.dump());
  if (reply.error.has_value()) {
    if (reply.error->type == "ResourceNotFoundException") return std::nullopt;
    throw explain(*reply.error, "DescribeTable", "table " + table);
  }
  const Json answer = parse(reply.body, table);
  const Json described = answer.value("Table", Json::object());
  TableDescription description;
  description.status = text_of(described, "TableStatus");
  description.key = key_of(described);
  for (const Json& attribute : array_of(described, "AttributeDefinitions")) {
    description.types[text_of(attribute, "AttributeName")] = text_of(attribute, "AttributeType");
  }
  for (const Json& index : array_of(described, "GlobalSecondaryIndexes")) {
    const Json projection = index.value("Projection", Json::object());
    description.indexes.push_back({text_of(index, "IndexName"), text_of(index, "IndexStatus"),
                                   key_of(index), text_of(projection, "ProjectionType") == "ALL"});
  }
  return description;
}

TableDescription wait_until_active(Service& service, const std::string& table) {
  constexpr std::chrono::minutes kPatience{10};
  constexpr std::chrono::milliseconds kLongestPause{2'000};
  std::chrono::milliseconds pause{20};
  auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::string last_state;
  for (;;) {
    std::optional<TableDescription> description = describe_table(service, table);
    if (description.has_value()) {
      std::string state = description->status;
      bool active = description->status == "ACTIVE";
      for (const DescribedIndex& index : description->indexes) {
        state.append(" ").append(index.name).append(" ").append(index.status);
        active = active && index.status == "ACTIVE";
      }
      if (active) return std::move(*description);
      if (state != last_state) deadline = std::chrono::steady_clock::now() + kPatience;
      last_state = std::move(state);
    }
    if (std::chrono::steady_clock::now() > deadline) {
      throw state::Error("the table does not become active (" + last_state + ")", "table " + table,
                         "look at it in the AWS console, then run tandem init again");
    }
    service.pause(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

const char* key_type_letter(AttributeType type) {
  switch (type) {
    case AttributeType::kNumber:
      return "N";
    case AttributeType::kBinary:
      return "B";
    default:
      return "S";
  }
}

std::map<std::string, std::string> wanted_types(const TargetTable& table) {
  std::map<std::string, std::string> types;
  for (std::size_t i = 0; i < table.key.size(); i++) {
    types[table.key[i]] =
        key_type_letter(i < table.key_types.size() ? table.key_types[i] : AttributeType::kString);
  }
  for (const TargetIndex& index : table.indexes) {
    for (const std::string& name : index.key) {
      auto known = std::find_if(table.index_types.begin(), table.index_types.end(),
                                [&](const auto& entry) { return entry.first == name; });
      types.emplace(name, key_type_letter(known == table.index_types.end() ? AttributeType::kString
                                                                           : known->second));
    }
  }
  return types;
}

std::string key_difference(const TableDescription& description, const TargetTable& wanted) {
  if (description.key != wanted.key) {
    return "its key is (" + joined(description.key) + "), the config says (" + joined(wanted.key) +
           ")";
  }
  const std::map<std::string, std::string> types = wanted_types(wanted);
  for (const std::string& name : wanted.key) {
    auto there = description.types.find(name);
    const std::string& wanted_type = types.at(name);
    if (there != description.types.end() && there->second != wanted_type) {
      std::string text = "its key attribute ";
      text.append(name).append(" has type ").append(there->second);
      return text.append(", the documents give ").append(wanted_type);
    }
  }
  return "";
}

std::string ttl_attribute_of(Service& service, const std::string& table) {
  const std::string body =
      service.call("DescribeTimeToLive", Json{{"TableName", table}}.dump(), "table " + table);
  const Json description = parse(body, table).value("TimeToLiveDescription", Json::object());
  const std::string status = text_of(description, "TimeToLiveStatus");
  const bool on = status == "ENABLED" || status == "ENABLING";
  return on ? text_of(description, "AttributeName") : "";
}

}  // namespace tandem::sink
