#include "agent/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config_text.h"

namespace tandem::agent {
namespace {

const char kItem[] = "  d: {table: Items, root: Root, item: {PK: a, SK: b}}\n";

TEST(ConfigTest, DefaultsHoldWhereNothingIsSaid) {
  Config config = parse(with_documents(kItem));
  EXPECT_EQ(config.name, "t");
  EXPECT_EQ(config.source.type, SourceType::kSqlite);
  EXPECT_EQ(config.source.path, "legacy.db");
  EXPECT_EQ(config.source.heartbeat, std::chrono::seconds(10));
  EXPECT_EQ(config.log.type, LogType::kEmbedded);
  EXPECT_EQ(config.log.retention_age, std::chrono::hours(7 * 24));
  EXPECT_EQ(config.log.retention_size, 10'000'000'000U);
  EXPECT_EQ(config.state, ".tandem");
  EXPECT_EQ(config.target.options.attribute, "_tandem");
  EXPECT_EQ(config.target.options.tombstones, std::chrono::hours(7 * 24));
  EXPECT_EQ(config.target.tables[0].read_units, 0);
}

TEST(ConfigTest, EveryKeyIsRead) {
  Config config = parse(R"(
name: shop
source:
  type: sqlite
  path: legacy.db
  heartbeat: 500ms
  tables: {Log: {key: [Day, Number], replace_victims: off}}
log:
  type: embedded
  retention: {age: 2h, size: 3GiB}
state: /var/lib/tandem
target:
  type: dynamodb
  region: eu-central-1
  endpoint: "http://127.0.0.1:8000"
  attribute: _sync
  tombstones: none
  billing: {read: 5, write: 10}
  tables:
    Items: {key: [PK, SK], indexes: {ByMail: [Mail], ByDate: [Day, Number]}}
documents:
  d: {table: Items, root: Log, volatile: [SyncedAt], item: {PK: a, SK: b}}
)");
  EXPECT_EQ(config.name, "shop");
  EXPECT_EQ(config.source.heartbeat, std::chrono::milliseconds(500));
  const capture::TableRequest& request = config.source.tables.at("Log");
  EXPECT_EQ(request.name, "Log");
  EXPECT_EQ(request.key, (std::vector<std::string>{"Day", "Number"}));
  EXPECT_FALSE(request.replace_victims);
  EXPECT_EQ(config.log.retention_age, std::chrono::hours(2));
  EXPECT_EQ(config.log.retention_size, 3ULL << 30U);
  EXPECT_EQ(config.state, "/var/lib/tandem");
  EXPECT_EQ(config.target.type, TargetType::kDynamodb);
  EXPECT_EQ(config.target.region, "eu-central-1");
  EXPECT_EQ(config.target.endpoint, "http://127.0.0.1:8000");
  EXPECT_EQ(config.target.options.attribute, "_sync");
  EXPECT_EQ(config.target.options.tombstones.count(), 0);
  ASSERT_EQ(config.target.tables.size(), 1U);
  const sink::TargetTable& table = config.target.tables[0];
  EXPECT_EQ(table.key, (std::vector<std::string>{"PK", "SK"}));
  EXPECT_EQ(table.read_units, 5);
  EXPECT_EQ(table.write_units, 10);
  ASSERT_EQ(table.indexes.size(), 2U);
  EXPECT_EQ(table.indexes[1].name, "ByDate");
  EXPECT_EQ(table.indexes[1].key, (std::vector<std::string>{"Day", "Number"}));
  EXPECT_EQ(config.documents[0].volatile_names, (std::vector<std::string>{"SyncedAt"}));
  EXPECT_EQ(config.documents[0].line, 22);
}

TEST(ConfigTest, JsonIsYaml) {
  Config config = parse(R"({"source": {"type": "sqlite", "path": "a.db"},
    "target": {"type": "local", "path": "b.db", "tables": {"Items": {"key": ["PK"]}}},
    "documents": {"d": {"table": "Items", "root": "R", "item": {"PK": "{Id}"}}}})");
  EXPECT_EQ(config.documents[0].root, "R");
}

TEST(ConfigTest, PostgresHasDefaults) {
  Config config = parse(R"(
name: My-Shop.2
source: {type: postgres, url: "postgres://u:secret@h/d"}
target: {type: local, path: i.db, tables: {Items: {key: [PK]}}}
documents: {d: {table: Items, root: R, item: {PK: a}}}
)");
  EXPECT_EQ(config.source.type, SourceType::kPostgres);
  EXPECT_EQ(config.source.slot, "tandem_my_shop_2");
  EXPECT_EQ(config.source.publication, "tandem_my_shop_2");
  EXPECT_EQ(config.source.snapshot_tables, 2);
  EXPECT_EQ(config.source.credentials.file, "");
  EXPECT_EQ(shown_source(config.source), "postgresql://u@h:5432/d");
}

TEST(ConfigTest, EveryKeyOfPostgresIsRead) {
  Config config = parse(R"(
source:
  type: postgres
  url: "dbname=shop"
  credentials: {file: ~/.aws/credentials, section: "shop creds"}
  slot: shop_slot
  publication: Shop Publication
  snapshot_tables: 16
  tables: {sales.events: {insert_only: true, key: [id]}}
target: {type: local, path: i.db, tables: {Items: {key: [PK]}}}
documents: {d: {table: Items, root: sales.events, item: {PK: a}}}
)");
  EXPECT_EQ(config.source.credentials.file, "~/.aws/credentials");
  EXPECT_EQ(config.source.credentials.section, "shop creds");
  EXPECT_EQ(config.source.slot, "shop_slot");
  EXPECT_EQ(config.source.publication, "Shop Publication");
  EXPECT_EQ(config.source.snapshot_tables, 16);
  ASSERT_EQ(captured_tables(config).size(), 1U);
  EXPECT_TRUE(captured_tables(config)[0].insert_only);
}

TEST(ConfigTest, DefaultNamesFitIntoPostgres) {
  std::string text = with_documents(kItem);
  Config config = parse("name: " + std::string(100, 'x') + "\n" + text);
  EXPECT_EQ(config.source.slot, "tandem_" + std::string(48, 'x'));
  EXPECT_LE((config.source.publication + "_inserts").size(), 63U);
}

TEST(ConfigTest, ConnectionStringsAreTold) {
  for (const char* text : {"postgres://h/d", "postgresql://", "host=h", "dbname = d user=u"}) {
    EXPECT_TRUE(is_connection_string(text)) << text;
  }
  for (const char* text : {"", "shop.db", "/data/a=b.db", "shop db", "=", "mysql://h/d"}) {
    EXPECT_FALSE(is_connection_string(text)) << text;
  }
}

TEST(ConfigTest, EveryKeyOfKafkaIsRead) {
  Config config = parse(R"(
source: {type: postgres, url: "postgres://u:secret@h/d"}
log: {type: kafka, brokers: ["a:9092", "b:9092"], properties: {linger.ms: 5, sasl.password: x}}
target: {type: local, path: i.db, tables: {Items: {key: [PK]}}}
documents: {d: {table: Items, root: R, item: {PK: a}}}
)");
  EXPECT_EQ(config.source.url, "postgres://u:secret@h/d");
  EXPECT_EQ(config.log.brokers.size(), 2U);
  EXPECT_EQ(config.log.topic, "t");
  EXPECT_EQ(config.log.properties.at("linger.ms"), "5");
}

TEST(ConfigTest, CapturedTablesAreThoseOfTheDocumentsEachOnce) {
  Config config = parse(
      "source: {type: sqlite, path: l.db, tables: {Line: {key: [No]}, Unused: {key: [A]}}}\n"
      "target: {type: local, path: i.db, tables: {Items: {key: [PK]}}}\n"
      "documents:\n"
      "  a: {table: Items, root: Order, item: {PK: a}, many: {lines: {table: Line, on: X,\n"
      "      one: {thing: {table: Thing, on: Y}}}}}\n"
      "  b: {table: Items, root: Thing, item: {PK: a}}\n");
  auto tables = captured_tables(config);
  ASSERT_EQ(tables.size(), 3U);
  EXPECT_EQ(tables[0].name, "Line");
  EXPECT_EQ(tables[0].key, (std::vector<std::string>{"No"}));
  EXPECT_EQ(tables[1].name, "Order");
  EXPECT_TRUE(tables[1].replace_victims);
  EXPECT_EQ(tables[2].name, "Thing");
}

TEST(ConfigTest, LinesOfKeysAreKept) {
  Config config = parse(with_documents(kItem));
  EXPECT_EQ(config.line_of("target.path"), 4);
  EXPECT_EQ(config.line_of("documents.d.item.PK"), 7);
  EXPECT_EQ(config.line_of("target.tables.Items.key[1]"), 5);
  EXPECT_EQ(config.line_of("log.type"), 0);
}

TEST(ConfigTest, LoadsFilesAndNamesThePipelineAfterThem) {
  const auto directory =
      std::filesystem::temp_directory_path() / ("tandem-config-test-" + std::to_string(::getpid()));
  std::filesystem::create_directories(directory);
  const std::string path = (directory / "my shop.yaml").string();
  std::ofstream(path) << with_documents(kItem);
  EXPECT_EQ(load_config(path).name, "my-shop");
  std::ofstream(path, std::ios::trunc) << "";
  EXPECT_THROW(load_config(path), ConfigError);
  EXPECT_THROW(load_config(directory.string()), state::Error);
  EXPECT_THROW(load_config((directory / "none.yaml").string()), state::Error);
  std::filesystem::remove_all(directory);
}

TEST(ConfigTest, SecretsAreMasked) {
  EXPECT_EQ(mask_secrets("postgres://me:s3c@ret@host:5432/db"), "postgres://me:***@host:5432/db");
  EXPECT_EQ(mask_secrets("postgres://host:5432/db"), "postgres://host:5432/db");
  EXPECT_EQ(mask_secrets("host=h password=s3cret user=u"), "host=h password=*** user=u");
  EXPECT_EQ(mask_secrets("host=h Password = 'a \\' b' user=u"), "host=h Password = *** user=u");
  EXPECT_EQ(mask_secrets("postgres://h/d?password=abc&sslmode=x"),
            "postgres://h/d?password=***&sslmode=x");
  EXPECT_EQ(mask_secrets("legacy.db"), "legacy.db");
  EXPECT_EQ(mask_secrets("postgresql://u:it's@h:1,g:2/d and host=x"),
            "postgresql://u:***@h:1,g:2/d and host=x");
  EXPECT_EQ(mask_secrets("host=h\tpassword=a\tuser=u"), "host=h\tpassword=***\tuser=u");
  EXPECT_EQ(mask_secrets("user=u password=a\\ b c"), "user=u password=*** c");
  EXPECT_EQ(mask_secrets("sslpassword=x oauth_client_secret='y z'"),
            "sslpassword=*** oauth_client_secret=***");
  EXPECT_EQ(mask_secrets("[postgres-creds]\npg_password = hush\npg_host = h"),
            "[postgres-creds]\npg_password = ***\npg_host = h");
  EXPECT_EQ(mask_secrets("PGPASSWORD=hush psql"), "PGPASSWORD=*** psql");
}

}  // namespace
}  // namespace tandem::agent
