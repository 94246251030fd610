// Every kind of mistake, all at once, with line, key and the nearest right name.
#include <gtest/gtest.h>

#include "config_text.h"

namespace tandem::agent {
namespace {

TEST(ConfigMistakesTest, AllAreReportedAtOnceInTheOrderOfTheirLines) {
  auto mistakes = mistakes_of(R"(
sorce: {type: sqlite}
source:
  type: sqlit
  pth: legacy.db
  heartbeat: 10
target:
  type: dynamo
  tables:
    Items: {key: [PK, SK, X]}
documents:
  d:
    table: Item
    root: {tabel: T}
    many: {lines: {table: L, on: Id, oder_by: [x]}}
    item: {PK: {$evry: lines, item: x}, $coluns: all, $count: lines}
)");
  EXPECT_EQ(mistake_at(mistakes, "sorce").substr(0, 14), "2 unknown key;");
  EXPECT_EQ(mistake_at(mistakes, "source.type"),
            "4 must be sqlite or postgres, but is \"sqlit\" [sqlite]");
  EXPECT_EQ(mistake_at(mistakes, "source.pth"),
            "5 unknown key; here stand type, path, url, credentials, slot, publication, "
            "snapshot_tables, heartbeat or tables [path]");
  EXPECT_EQ(mistake_at(mistakes, "source.heartbeat").substr(0, 11), "6 must be a");
  EXPECT_EQ(mistake_at(mistakes, "target.type"),
            "8 must be local or dynamodb, but is \"dynamo\" [dynamodb]");
  EXPECT_EQ(mistake_at(mistakes, "target.tables.Items.key"),
            "10 a key has one or two attributes, not 3");
  EXPECT_EQ(mistake_at(mistakes, "documents.d.table"),
            "13 target.tables declares no table \"Item\" [Items]");
  EXPECT_NE(mistake_at(mistakes, "documents.d.root.tabel").find("[table]"), std::string::npos);
  EXPECT_NE(mistake_at(mistakes, "documents.d.many.lines.oder_by").find("[order_by]"),
            std::string::npos);
  EXPECT_NE(mistake_at(mistakes, "documents.d.item.PK.$evry").find("[$each]"), std::string::npos);
  EXPECT_NE(mistake_at(mistakes, "documents.d.item.$coluns").find("[$columns]"), std::string::npos);
  EXPECT_NE(mistake_at(mistakes, "documents.d.item.$count").find("stands for one value"),
            std::string::npos);
  for (std::size_t i = 1; i < mistakes.size(); ++i) {
    EXPECT_LE(mistakes[i - 1].line, mistakes[i].line);
  }
}

TEST(ConfigMistakesTest, TheErrorNamesFileLineKeyAndNearestName) {
  try {
    parse(with_documents("  d: {tabel: Items, root: T}\n"));
    FAIL() << "this config is wrong";
  } catch (const ConfigError& error) {
    EXPECT_EQ(std::string(error.what()),
              "t.yaml:7: documents.d.tabel: unknown key; here stand table, root, one, many, item, "
              "pages or volatile (did you mean table?)\n"
              "t.yaml:7: documents.d: the key item is missing");
    EXPECT_EQ(error.message(), "2 mistakes in the config");
  }
}

TEST(ConfigMistakesTest, AnEmptyFileNamesWhatItNeeds) {
  EXPECT_EQ(mistakes_of("").size(), 1U);
  auto mistakes = mistakes_of("{}");
  ASSERT_EQ(mistakes.size(), 3U);
  EXPECT_EQ(mistakes[0].text, "the key source is missing");
}

struct WrongCase {
  const char* item;     // lines of an item
  const char* key;      // below documents.d.item
  const char* expects;  // part of the message
};

TEST(ConfigMistakesTest, WrongValues) {
  const WrongCase cases[] = {
      {"      A: {$each: lines}\n", "A", "the key item is missing"},
      {"      A: {$each: lines, item: x, itm: y}\n", "A.itm", "[item]"},
      {"      A: {$sum: orders}\n", "A.$sum", "a relation and its column"},
      {"      A: {$sum: [a]}\n", "A.$sum", "must be a text, but is a list"},
      {"      A: {$count: lines, item: x}\n", "A.item", "unknown key"},
      {"      A: {$with: one, item: x}\n", "A.item", "must be a map of attributes"},
      {"      A: {$value: \"{X}\", as: numbr}\n", "A.as", "[number]"},
      {"      A: {$value: \"{X}\", null: keeep}\n", "A.null", "[keep]"},
      {"      A: {$value: \"{X}\", map: [1]}\n", "A.map", "but is a list"},
      {"      A: {$value: \"{X}\", map: {1: a, 0x1: b}}\n", "A.map.0x1", "stands here twice"},
      {"      A: {$value: \"{X}\", map: {1: a, \"1\": b}}\n", "A.map.1", "twice"},
      {"      A: \"{X\"\n", "A", "{"},
      {"      A: \"X}\"\n", "A", "}"},
      {"      A: \"{X:uper}\"\n", "A", "uper"},
      {"      A: 123456789012345678901234567890123456789\n", "A", "38 digits"},
      {"      A: .nan\n", "A", "no number"},
      {"      $columns: al\n", "$columns", "[all]"},
      {"      $columns: {exept: [a]}\n", "$columns.exept", "[except]"},
      {"      $columns: [a, a]\n", "$columns[1]", "stands here twice"},
      {"      $columns: []\n", "$columns", "at least one"},
      {"      _tandem: x\n", "_tandem", "Tandem's own"},
      {"      _tandem_ttl: x\n", "_tandem_ttl", "Tandem's own"},
      {"      \"\": x\n", "", "needs a name"},
      {"      $page: x\n", "$page", "written $$page"},
      {"      A: x\n      A: y\n", "A", "twice"},
  };
  for (const WrongCase& wrong : cases) {
    std::string key = std::string("documents.d.item.") + wrong.key;
    auto mistakes = mistakes_of(with_item(wrong.item));
    EXPECT_NE(mistake_at(mistakes, key).find(wrong.expects), std::string::npos)
        << wrong.item << (mistakes.empty() ? "no mistake" : mistakes[0].key + mistakes[0].text);
    EXPECT_EQ(mistakes.size(), 1U) << wrong.item;
  }
}

TEST(ConfigMistakesTest, WrongDocuments) {
  const WrongCase cases[] = {
      {"{table: Items, item: {PK: a}}", "", "the key root is missing"},
      {"{table: Items, root: T}", "", "the key item is missing"},
      {"{table: Items, root: [T], item: {PK: a}}", ".root", "must be a text, but is a list"},
      {"{table: Items, root: {table: T, by: topic}, item: {PK: a}}", ".root.by", "list of columns"},
      {"{table: Items, root: T, item: [a]}", ".item", "must be a map of attributes"},
      {"{table: Items, root: T, item: {PK: a}, one: {r: {table: U}}}", ".one.r", "key on"},
      {"{table: Items, root: T, item: {PK: a}, one: {r: {table: U, on: X, order_by: [a]}}}",
       ".one.r.order_by", "unknown key"},
      {"{table: Items, root: T, item: {PK: a}, one: {r: {table: U, on: [X]}}}", ".one.r.on",
       "{THEIRS: OURS}"},
      {"{table: Items, root: T, item: {PK: a}, one: {r: {table: U, on: {}}}}", ".one.r.on",
       "at least one"},
      {"{table: Items, root: T, item: {PK: a}, one: {r: {table: U, on: {X: a..b}}}}", ".one.r.on.X",
       "missing in a path"},
      {"{table: Items, root: T, item: {PK: a}, one: {root: {table: U, on: X}}}", ".one.root",
       "own row"},
      {"{table: Items, root: T, item: {PK: a}, one: {r: {table: U, on: X}},"
       " many: {r: {table: U, on: X}}}",
       ".many.r", "another relation"},
      {"{table: Items, root: T, item: {PK: a}, many: {r: {table: U, on: X, order_by: x}}}",
       ".many.r.order_by", "must be a list"},
      {"{table: Items, root: T, item: {PK: a}, pages: {of: r, size: 0, over: 1, item: {PK: b}}}",
       ".pages.size", "at least 1"},
      {"{table: Items, root: T, item: {PK: a}, pages: {of: r, size: 5, item: {PK: b}}}", ".pages",
       "the key over is missing"},
      {"{table: Items, root: T, item: {PK: a}, volatile: x}", ".volatile", "list of attributes"},
      {"{table: Items, root: {table: T, where: {A: {lt: null}}}, item: {PK: a}}",
       ".root.where.A.lt", "null"},
      {"{table: Items, root: {table: T, where: {A: [1, null]}}, item: {PK: a}}", ".root.where.A[1]",
       "null"},
      {"{table: Items, root: {table: T, where: {A: {gte: 1}}}, item: {PK: a}}", ".root.where.A.gte",
       "[ge]"},
      {"{table: Items, root: {table: T, where: {A: {not: [1]}}}, item: {PK: a}}",
       ".root.where.A.not", "plain value"},
      {"{table: Items, root: {table: T, where: {any: {A: 1}}}, item: {PK: a}}", ".root.where.any",
       "list of conditions"},
      {"{table: Items, root: {table: T, where: {}}, item: {PK: a}}", ".root.where", "at least one"},
  };
  for (const WrongCase& wrong : cases) {
    auto mistakes = mistakes_of(with_documents(std::string("  d: ") + wrong.item + "\n"));
    std::string key = std::string("documents.d") + wrong.key;
    EXPECT_NE(mistake_at(mistakes, key).find(wrong.expects), std::string::npos)
        << wrong.item << (mistakes.empty() ? " no mistake" : mistakes[0].key + mistakes[0].text);
    EXPECT_EQ(mistakes.size(), 1U) << wrong.item;
  }
  EXPECT_EQ(mistakes_of(with_documents("  a/b: {table: Items, root: T, item: {PK: a}}\n")).size(),
            1U);
  EXPECT_EQ(mistakes_of(with_documents("  {}\n")).size(), 1U);
}

/// A config of one line a part, with one part replaced.
std::vector<sink::Mistake> with_part(const std::string& name, const std::string& part) {
  std::map<std::string, std::string> parts = {
      {"source", "{type: sqlite, path: l.db}"},
      {"target", "{type: local, path: i.db, tables: {Items: {key: [PK]}}}"},
      {"documents", "{d: {table: Items, root: T, item: {PK: a}}}"}};
  parts[name] = part;
  std::string text;
  for (const auto& [key, value] : parts) text.append(key).append(": ").append(value).append("\n");
  return mistakes_of(text);
}

TEST(ConfigMistakesTest, WrongEnds) {
  const char* cases[][3] = {
      {"source", "{type: sqlite}", "the key path is missing"},
      {"source", "{type: postgres}", "the key url is missing"},
      {"source", "{path: x}", "the key type is missing"},
      {"source", "{type: sqlite, path: ''}", "must not be empty"},
      {"source", "{type: sqlite, path: x, heartbeat: 0s}", "must be a time"},
      {"source", "{type: sqlite, path: x, heartbeat: 99999999999999999999d}", "must be a time"},
      {"source", "{type: sqlite, path: x, tables: {T: {key: a}}}", "list of columns"},
      {"source", "{type: sqlite, path: x, tables: {T: {replace_victims: yes}}}", "on, off"},
      {"source", "{type: postgres, url: h, slot: Shop}", "a-z 0-9 _"},
      {"source", "{type: postgres, url: h, slot: \"\"}", "must not be empty"},
      {"source", "{type: postgres, url: h, publication: [p]}", "must be a text"},
      {"source",
       "{type: postgres, url: h, publication: "
       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}",
       "at most 55 bytes"},
      {"source", "{type: postgres, url: h, snapshot_tables: 0}", "at least 1"},
      {"source", "{type: postgres, url: h, snapshot_tables: 17}", "16 at most"},
      {"source", "{type: postgres, url: h, credentials: {section: s}}", "the key file is missing"},
      {"source", "{type: postgres, url: h, credentials: c.ini}",
       "must be a map of file or section"},
      {"source", "{type: postgres, url: h, tables: {T: {insert_only: maybe}}}", "on, off"},
      {"log", "{type: kafka}", "the key brokers is missing"},
      {"log", "{type: embedded, retention: {age: 7d, size: 10}}", "must be a size"},
      {"log", "{type: embedded, retention: 7d}", "must be a map of age or size"},
      {"log", "{type: embedded, properties: [a]}", "librdkafka"},
      {"state", "''", "must not be empty"},
      {"name", "a/b", "characters"},
      {"target", "{type: local, tables: {Items: {key: [PK]}}}", "the key path is missing"},
      {"target", "{type: local, path: i, tables: {Items: {}}}", "the key key is missing"},
      {"target", "{type: local, path: i, tables: {Items: {key: [PK], indexes: {By: [a]}}}}",
       "3 to 255"},
      {"target", "{type: local, path: i, tables: {Items: {key: [PK]}, \"a b\": {key: [PK]}}}",
       "3 to 255"},
      {"target", "{type: local, path: i, tables: {Items: {key: [PK]}}, tombstones: never}",
       "must be a time"},
      {"target", "{type: local, path: i, tables: {Items: {key: [PK]}}, tombstones: 5ms}",
       "at least a second"},
      {"target", "{type: local, path: i, tables: {Items: {key: [PK]}}, billing: {read: 1}}",
       "the key write is missing"},
      {"target", "{type: local, path: i, tables: {Items: {key: [PK]}}, billing: ondemand}",
       "on_demand"},
      {"target", "{type: local, path: i, tables: {Items: {key: [PK]}}, attribute: PK}",
       "Tandem's own"},
      {"documents", "[a]", "must be a map of documents"},
  };
  for (const auto& [part, text, expects] : cases) {
    auto mistakes = with_part(part, text);
    ASSERT_FALSE(mistakes.empty()) << text;
    EXPECT_NE(mistakes[0].text.find(expects), std::string::npos) << text << mistakes[0].text;
  }
  EXPECT_TRUE(with_part("log", "{type: embedded, retention: {age: 4w, size: 1TB}}").empty());
}

TEST(ConfigMistakesTest, SecretsStayOutOfMessages) {
  const Variables variables = {{"SECRET", "s3cr{et"}};
  const std::string text = R"(
source: {type: "${SECRET}", path: a, heartbeat: "${SECRET}"}
log: {type: kafka, brokers: a, properties: {sasl.password: ["s3cr{et"]}}
target: {type: local, path: a, tables: {Items: {key: [PK]}}}
documents:
  d: {table: "${SECRET}", root: T, item: {PK: "${SECRET}", $columns: "${SECRET}"}}
)";
  try {
    parse(text, variables);
    FAIL() << "this config is wrong";
  } catch (const ConfigError& error) {
    EXPECT_GE(error.mistakes().size(), 5U);
    EXPECT_EQ(std::string(error.what()).find("s3cr"), std::string::npos) << error.what();
  }
}

TEST(ConfigMistakesTest, AMissingVariableIsOneMistake) {
  auto mistakes = mistakes_of(
      "source: {type: sqlite, path: \"${LEGACY_DB}\"}\n"
      "state: \"${STATE}\"\n"
      "target: {type: local, path: \"${ITEMS:-items.db}\", tables: {Items: {key: [PK]}}}\n"
      "documents: {d: {table: Items, root: T, item: {PK: a}}}\n");
  ASSERT_EQ(mistakes.size(), 2U);
  EXPECT_EQ(mistakes[0].line, 1);
  EXPECT_NE(mistakes[0].text.find("LEGACY_DB is not set"), std::string::npos);
  EXPECT_EQ(mistakes[1].key, "state");
}

TEST(ConfigMistakesTest, BytesThatAreNoTextAreAMistake) {
  EXPECT_EQ(mistakes_of("a: 1\nb: \xff\n").at(0).line, 2);
  EXPECT_EQ(mistakes_of(std::string("a: 1\0", 5)).size(), 1U);
  EXPECT_EQ(mistakes_of("a: \xC3").size(), 1U);
}

}  // namespace
}  // namespace tandem::agent
