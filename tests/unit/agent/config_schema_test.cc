// Holds config/tandem.schema.json against the parser, both ways.
#include <gtest/gtest.h>

#include <fstream>

#include "agent/config_keys.h"
#include "agent/config_reader.h"
#include "config_text.h"
#include "json_schema.h"

namespace tandem::agent {
namespace {

const JsonSchema& schema() {
  static const JsonSchema kSchema = [] {
    std::ifstream file(repository_file("config/tandem.schema.json"));
    return JsonSchema(nlohmann::json::parse(file));
  }();
  return kSchema;
}

bool schema_accepts(const std::string& text) { return schema().accepts(json_of(text)); }

std::set<std::string> keys_of(const Shape& shape) {
  std::set<std::string> keys;
  for (std::string_view key : shape.keys) {
    if (!key.empty()) keys.emplace(key);
  }
  return keys;
}

TEST(ConfigSchemaTest, TheSchemaKnowsTheParsersKeysAndNoOthers) {
  for (const Shape* shape : kShapes) {
    ASSERT_TRUE(schema().definitions().contains(shape->name)) << shape->name;
    std::set<std::string> known;
    for (const auto& [key, rule] :
         schema().definitions().at(std::string(shape->name)).at("properties").items()) {
      known.insert(key);
    }
    EXPECT_EQ(known, keys_of(*shape)) << shape->name;
  }
}

TEST(ConfigSchemaTest, EveryClosedMapOfTheSchemaIsAShapeOfTheParser) {
  std::set<std::string> shapes;
  for (const Shape* shape : kShapes) shapes.emplace(shape->name);
  for (const auto& [name, rule] : schema().definitions().items()) {
    if (rule.value("additionalProperties", nlohmann::json(true)) != nlohmann::json(false)) continue;
    EXPECT_TRUE(shapes.contains(name)) << name;
  }
}

TEST(ConfigSchemaTest, TheExamplesValidate) {
  for (const char* file :
       {"config/chinook.yaml", "config/local.yaml", "config/chinook-postgres.yaml",
        "config/lessons.yaml", "config/registry.yaml"}) {
    EXPECT_TRUE(schema_accepts(repository_text(file))) << file;
  }
}

TEST(ConfigSchemaTest, ParserAndSchemaAcceptTheSame) {
  const std::string items[] = {
      "      PK: \"A#{Id}\"\n      SK: 1\n      L: [1, {a: null}]\n      $columns: {except: [a]}\n",
      "      $$each: x\n      N: {$value: \"{X}\", map: {1: a}, default: [1], as: json, null: "
      "keep}\n",
      "      A: {$each: lines, item: {$each: inner, item: \"{X}\"}}\n      B: {$with: one, item: "
      "{}}\n",
  };
  for (const std::string& item : items) {
    EXPECT_TRUE(mistakes_of(with_item(item)).empty()) << item;
    EXPECT_TRUE(schema_accepts(with_item(item))) << item;
  }
}

TEST(ConfigSchemaTest, ParserAndSchemaRefuseTheSame) {
  const std::string items[] = {
      "      A: {$evry: lines, item: x}\n",
      "      A: {$each: lines}\n",
      "      A: {$each: lines, item: x, other: y}\n",
      "      A: {$sum: orders}\n",
      "      A: {$with: one, item: x}\n",
      "      A: {$value: \"{X}\", as: date}\n",
      "      $columns: some\n",
      "      $columns: {only: [a]}\n",
      "      $count: lines\n",
      "      A: {b: {$max: [x]}}\n",
  };
  for (const std::string& item : items) {
    EXPECT_FALSE(mistakes_of(with_item(item)).empty()) << item;
    EXPECT_FALSE(schema_accepts(with_item(item))) << item;
  }
  const std::string documents[] = {
      "{root: T, item: {PK: a}}",
      "{table: Items, item: {PK: a}}",
      "{table: Items, root: {tabel: T}, item: {PK: a}}",
      "{table: Items, root: {table: T, where: {A: {gte: 1}}}, item: {PK: a}}",
      "{table: Items, root: {table: T, where: {A: [null]}}, item: {PK: a}}",
      "{table: Items, root: {table: T, where: {any: {A: 1}}}, item: {PK: a}}",
      "{table: Items, root: {table: T, by: a}, item: {PK: a}}",
      "{table: Items, root: T, item: {PK: a}, one: {r: {table: U}}}",
      "{table: Items, root: T, item: {PK: a}, one: {root: {table: U, on: X}}}",
      "{table: Items, root: T, item: {PK: a}, one: {r: {table: U, on: X, order_by: [a]}}}",
      "{table: Items, root: T, item: {PK: a}, many: {r: {table: U, on: [X]}}}",
      "{table: Items, root: T, item: {PK: a}, pages: {of: r, size: 0, over: 1, item: {}}}",
      "{table: Items, root: T, item: {PK: a}, volatile: []}",
  };
  for (const std::string& document : documents) {
    const std::string text = with_documents("  d: " + document + "\n");
    EXPECT_FALSE(mistakes_of(text).empty()) << document;
    EXPECT_FALSE(schema_accepts(text)) << document;
  }
  const std::string rest =
      "target: {type: local, path: i.db, tables: {Items: {key: [PK]}}}\n"
      "documents: {d: {table: Items, root: T, item: {PK: a}}}\n";
  const std::string source = "source: {type: sqlite, path: l.db}\n";
  EXPECT_TRUE(schema_accepts(source + rest));
  const std::string starts[] = {
      "",
      "source: {type: sqlite}\n",
      "source: {type: postgres, path: x}\n",
      "source: {type: mysql, path: x}\n",
      "source: {type: sqlite, path: l.db, heartbeat: 10}\n",
      "source: {type: sqlite, path: l.db, tables: {T: {keys: [a]}}}\n",
      source + "log: {type: kafka}\n",
      source + "log: {type: embedded, retention: {age: 7 days}}\n",
      source + "log: {type: embedded, retention: {size: 10gb}}\n",
      source + "state: \"\"\n",
      source + "name: a/b\n",
      source + "unknown: 1\n",
  };
  for (const std::string& start : starts) {
    EXPECT_FALSE(mistakes_of(start + rest).empty()) << start;
    EXPECT_FALSE(schema_accepts(start + rest)) << start;
  }
}

}  // namespace
}  // namespace tandem::agent
