// Config texts for the tests of agent/config: a small right one, and what a wrong one complains of.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/config_reader.h"

namespace tandem::agent {

using Variables = std::map<std::string, std::string>;

inline Config parse(const std::string& text, const Variables& variables = {}) {
  return parse_config(text, "t.yaml", [&variables](const std::string& name) -> const char* {
    auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

/// The mistakes of the text; none if it is right.
inline std::vector<sink::Mistake> mistakes_of(const std::string& text,
                                              const Variables& variables = {}) {
  try {
    parse(text, variables);
  } catch (const ConfigError& error) {
    return error.mistakes();
  }
  return {};
}

/// The first mistake at the key, as "line text [nearest]"; "" if there is none.
inline std::string mistake_at(const std::vector<sink::Mistake>& mistakes, const std::string& key) {
  for (const sink::Mistake& mistake : mistakes) {
    if (mistake.key != key) continue;
    return std::to_string(mistake.line) + " " + mistake.text +
           (mistake.nearest.empty() ? "" : " [" + mistake.nearest + "]");
  }
  return "";
}

/// Five lines before the documents, so that `documents:` stands in line 6.
inline std::string with_documents(const std::string& documents) {
  return "source: {type: sqlite, path: legacy.db}\n"
         "target:\n"
         "  type: local\n"
         "  path: items.db\n"
         "  tables: {Items: {key: [PK, SK]}, Others: {key: [PK]}}\n"
         "documents:\n" +
         documents;
}

/// A document over table Root with the given lines of its item, which begin in line 11.
inline std::string with_item(const std::string& item) {
  return with_documents(
      "  d:\n"
      "    table: Items\n"
      "    root: Root\n"
      "    item:\n" +
      item);
}

/// The tests are built somewhere below the repository: it is the first folder upwards that has the
/// schema. (`__FILE__` may be relative to a folder that is long gone.)
inline std::filesystem::path repository_file(const std::string& name) {
  std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  while (!std::filesystem::exists(folder / "config" / "tandem.schema.json") &&
         folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  return folder / name;
}

inline std::string repository_text(const std::string& name) {
  std::ifstream file(repository_file(name), std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The shared data lies beside the repository, or where the variable says.
inline std::string chinook_path() {
  const char* named = std::getenv("CHINOOK_DB");
  return named != nullptr ? named
                          : repository_file("../shared/data/Chinook_Sqlite.sqlite").string();
}

/// The text as an editor sees it that reads YAML as JSON: the environment is not filled in.
inline nlohmann::json json_of(const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      return nullptr;
    case ConfigNode::Kind::kList: {
      nlohmann::json list = nlohmann::json::array();
      for (const ConfigNode& element : node.elements) list.push_back(json_of(element));
      return list;
    }
    case ConfigNode::Kind::kMap: {
      nlohmann::json map = nlohmann::json::object();
      for (const auto& [name, value] : node.entries) map[name.text] = json_of(value);
      return map;
    }
    case ConfigNode::Kind::kScalar:
      break;
  }
  switch (scalar_type(node)) {
    case ScalarType::kBool:
      return node.text == "true";
    case ScalarType::kInteger:
    case ScalarType::kFloat:
      return nlohmann::json::parse(node.text);
    case ScalarType::kText:
      break;
  }
  return node.written;
}
inline ConfigNode nodes_of(const std::string& text) {
  std::map<std::string, int> lines;
  MistakeList mistakes;
  return parse_config_nodes(
      text, [](const std::string&) { return "filled"; }, lines, mistakes);
}
inline nlohmann::json json_of(const std::string& text) { return json_of(nodes_of(text)); }

}  // namespace tandem::agent
