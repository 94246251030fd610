// Config texts for the tests of agent/config: a small right one, and what a wrong one complains of.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/config.h"

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

}  // namespace tandem::agent
