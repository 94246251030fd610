// docs/config.md: every example in it loads and fits the tables that the page declares, and every
// key of the config has one.
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "agent/config_keys.h"
#include "capture/sqlite/sqlite_source.h"
#include "config_text.h"
#include "json_schema.h"
#include "state/sqlite.h"

namespace tandem::agent {
namespace {

struct Block {
  int line = 0;
  std::string text;
};

/// The blocks of the page in the language.
std::vector<Block> blocks_of(const std::string& language) {
  std::vector<Block> blocks;
  std::istringstream page(repository_text("docs/config.md"));
  std::string line;
  bool inside = false;
  for (int number = 1; std::getline(page, line); ++number) {
    if (!inside && line == "```" + language) {
      blocks.push_back({number, ""});
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      blocks.back().text += line + "\n";
    }
  }
  return blocks;
}

/// An example shows the keys it is about; the rest of a config is added.
std::string completed(const std::string& text) {
  static const std::map<std::string, std::string> kRest = {
      {"source", "{type: sqlite, path: shop.db}"},
      {"target", "{type: local, path: items.db, tables: {Items: {key: [PK, SK]}}}"},
      {"documents",
       "{d: {table: Items, root: Artist, item: {PK: \"{Name}\", SK: \"{ArtistId:pad(9)}\"}}}"}};
  std::string whole = text;
  for (const auto& [key, value] : kRest) {
    if (("\n" + text).find("\n" + key + ":") == std::string::npos) {
      whole.append(key).append(": ").append(value).append("\n");
    }
  }
  return whole;
}

void gather_keys(const ConfigNode& node, std::set<std::string>& keys) {
  for (const auto& [name, value] : node.entries) {
    keys.insert(name.text);
    gather_keys(value, keys);
  }
  for (const ConfigNode& element : node.elements) gather_keys(element, keys);
}

TEST(ConfigDocsTest, EveryExampleLoadsAndFitsTheTables) {
  const std::string path = (std::filesystem::temp_directory_path() /
                            ("tandem-docs-" + std::to_string(::getpid()) + ".db"))
                               .string();
  std::filesystem::remove(path);
  std::vector<Block> schema = blocks_of("sql");
  ASSERT_EQ(schema.size(), 1U);
  state::Database(path, state::OpenMode::kReadWriteCreate).execute(schema[0].text);
  const JsonSchema json_schema(nlohmann::json::parse(repository_text("config/tandem.schema.json")));
  std::vector<Block> examples = blocks_of("yaml");
  examples.push_back({0, repository_text("config/local.yaml")});
  EXPECT_GT(examples.size(), 15U);
  for (const Block& block : examples) {
    const std::string where = "docs/config.md:" + std::to_string(block.line);
    try {
      Config config = parse(completed(block.text), {{"LEGACY_DB", "shop.db"}});
      EXPECT_TRUE(json_schema.accepts(json_of(completed(block.text)))) << where;
      auto mistakes = check_config(
          config, capture::open_sqlite_source(path, captured_tables(config))->catalog());
      EXPECT_TRUE(mistakes.empty()) << where << "\n" << ConfigError(where, mistakes).what();
    } catch (const ConfigError& error) {
      ADD_FAILURE() << where << "\n" << error.what();
    }
  }
  std::filesystem::remove(path);
}

TEST(ConfigDocsTest, EveryKeyHasAnExample) {
  std::set<std::string> keys;
  for (const Block& block : blocks_of("yaml")) gather_keys(nodes_of(block.text), keys);
  for (const Shape* shape : kShapes) {
    for (std::string_view key : shape->keys) {
      if (!key.empty()) {
        EXPECT_TRUE(keys.contains(std::string(key))) << shape->name << " " << key;
      }
    }
  }
}

}  // namespace
}  // namespace tandem::agent
