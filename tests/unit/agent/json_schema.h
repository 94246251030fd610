// A small checker for the part of JSON Schema that config/tandem.schema.json uses. A keyword that
// it does not know is an error of the test, never passed over.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>

namespace tandem::agent {

class JsonSchema {
 public:
  explicit JsonSchema(nlohmann::json root) : root_(std::move(root)) {}

  bool accepts(const nlohmann::json& value) const { return holds(root_, value); }
  const nlohmann::json& definitions() const { return root_.at("$defs"); }

 private:
  using Json = nlohmann::json;

  static bool is_type(const Json& value, const std::string& type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "number") return value.is_number();
    if (type == "integer") return value.is_number_integer();
    if (type == "boolean") return value.is_boolean();
    if (type == "null") return value.is_null();
    throw std::logic_error("unknown type " + type);
  }

  bool holds(const Json& schema, const Json& value) const {
    if (schema.is_boolean()) return schema.get<bool>();
    for (const auto& [keyword, rule] : schema.items()) {
      if (!keyword_holds(schema, keyword, rule, value)) return false;
    }
    return true;
  }

  bool keyword_holds(const Json& schema, const std::string& keyword, const Json& rule,
                     const Json& value) const {
    static const std::set<std::string> kNotes = {"$schema",     "$id",      "$defs", "title",
                                                 "description", "examples", "then"};
    auto holds_one = [this, &value](const Json& one) { return holds(one, value); };
    if (kNotes.contains(keyword)) return true;
    if (keyword == "$ref") return holds(referenced(rule.get<std::string>()), value);
    if (keyword == "allOf") return std::all_of(rule.begin(), rule.end(), holds_one);
    if (keyword == "anyOf") return std::any_of(rule.begin(), rule.end(), holds_one);
    if (keyword == "oneOf") return std::count_if(rule.begin(), rule.end(), holds_one) == 1;
    if (keyword == "not") return !holds(rule, value);
    if (keyword == "if") return !holds(rule, value) || holds(schema.at("then"), value);
    if (keyword == "const") return value == rule;
    if (keyword == "enum") return std::find(rule.begin(), rule.end(), value) != rule.end();
    if (keyword == "type") {
      if (rule.is_string()) return is_type(value, rule);
      return std::any_of(rule.begin(), rule.end(),
                         [&value](const Json& type) { return is_type(value, type); });
    }
    if (keyword == "minimum") return !value.is_number() || value >= rule;
    if (keyword == "maximum") return !value.is_number() || value <= rule;
    if (keyword == "minLength") {
      return !value.is_string() || value.get<std::string>().size() >= rule.get<std::size_t>();
    }
    if (keyword == "pattern") {
      return !value.is_string() ||
             std::regex_search(value.get<std::string>(), std::regex(rule.get<std::string>()));
    }
    if (value.is_array()) return array_keyword_holds(keyword, rule, value);
    return object_keyword_holds(schema, keyword, rule, value);
  }

  bool array_keyword_holds(const std::string& keyword, const Json& rule, const Json& value) const {
    if (keyword == "minItems") return value.size() >= rule.get<std::size_t>();
    if (keyword == "maxItems") return value.size() <= rule.get<std::size_t>();
    if (keyword == "uniqueItems")
      return std::set<Json>(value.begin(), value.end()).size() == value.size();
    if (keyword == "items") {
      return std::all_of(value.begin(), value.end(),
                         [&](const Json& element) { return holds(rule, element); });
    }
    return is_object_keyword(keyword);
  }

  static bool is_object_keyword(const std::string& keyword) {
    static const std::set<std::string> kKeywords = {"properties", "additionalProperties",
                                                    "propertyNames", "required", "minProperties"};
    if (kKeywords.contains(keyword)) return true;
    throw std::logic_error("unknown keyword " + keyword);
  }

  bool object_keyword_holds(const Json& schema, const std::string& keyword, const Json& rule,
                            const Json& value) const {
    static const std::set<std::string> kOfArrays = {"minItems", "maxItems", "uniqueItems", "items"};
    if (kOfArrays.contains(keyword)) return true;
    if (!is_object_keyword(keyword) || !value.is_object()) return true;
    if (keyword == "required") {
      return std::all_of(rule.begin(), rule.end(),
                         [&](const Json& name) { return value.contains(name.get<std::string>()); });
    }
    if (keyword == "minProperties") return value.size() >= rule.get<std::size_t>();
    for (const auto& [name, member] : value.items()) {
      const bool named = schema.contains("properties") && schema.at("properties").contains(name);
      if (keyword == "propertyNames" && !holds(rule, Json(name))) return false;
      if (keyword == "properties" && named && !holds(rule.at(name), member)) return false;
      if (keyword == "additionalProperties" && !named && !holds(rule, member)) return false;
    }
    return true;
  }

  const Json& referenced(const std::string& reference) const {
    const std::string prefix = "#/$defs/";
    if (!reference.starts_with(prefix)) throw std::logic_error("unknown reference " + reference);
    return root_.at("$defs").at(reference.substr(prefix.size()));
  }

  Json root_;
};

}  // namespace tandem::agent
