// The example configs load, each with nothing but the variables that its own comments name.
#include <gtest/gtest.h>

#include "capture/sqlite/sqlite_source.h"
#include "config_text.h"

namespace tandem::agent {
namespace {

TEST(ConfigExamplesTest, ChinookTakesItsThreeVariables) {
  Config config =
      parse(repository_text("config/chinook.yaml"), {{"LEGACY_DB", "/data/c.db"},
                                                     {"DYNAMODB_ENDPOINT", "http://127.0.0.1:8000"},
                                                     {"TANDEM_STATE", "/data/state"}});
  EXPECT_EQ(config.name, "chinook");
  EXPECT_EQ(config.source.path, "/data/c.db");
  EXPECT_EQ(config.target.type, TargetType::kDynamodb);
  EXPECT_EQ(config.target.endpoint, "http://127.0.0.1:8000");
  EXPECT_EQ(config.state, "/data/state");
  EXPECT_EQ(config.target.tables.size(), 4U);
  EXPECT_EQ(config.documents.size(), 7U);
  EXPECT_EQ(captured_tables(config).size(), 11U);
  for (const sink::TargetTable& table : config.target.tables) {
    EXPECT_EQ(table.key, (std::vector<std::string>{"PK", "SK"}));
  }
}

TEST(ConfigExamplesTest, ChinookFitsTheRealDatabase) {
  const std::string path = chinook_path();
  if (!std::filesystem::exists(path)) {
    ASSERT_EQ(std::getenv("CI"), nullptr) << "the Chinook database is not here";
    GTEST_SKIP() << "the Chinook database is not here: CHINOOK_DB=FILE names it";
  }
  Config config = parse(repository_text("config/chinook.yaml"), {{"LEGACY_DB", path}});
  auto mistakes =
      check_config(config, capture::open_sqlite_source(path, captured_tables(config))->catalog());
  EXPECT_TRUE(mistakes.empty()) << ConfigError("chinook.yaml", mistakes).what();
  for (const sink::TargetTable& table : config.target.tables) {
    for (sink::AttributeType type : table.key_types) {
      EXPECT_EQ(type, sink::AttributeType::kString);
    }
    for (const auto& [name, type] : table.index_types) {
      EXPECT_EQ(type, sink::AttributeType::kString);
    }
  }
}

TEST(ConfigExamplesTest, ChinookGoesToAwsWithoutAnEndpoint) {
  Config config = parse(repository_text("config/chinook.yaml"), {{"LEGACY_DB", "c.db"}});
  EXPECT_EQ(config.target.endpoint, "");
  EXPECT_EQ(config.target.region, "us-east-1");
  EXPECT_EQ(config.state, ".tandem");
}

TEST(ConfigExamplesTest, ThoseOfPostgresTakeTheirConnectionString) {
  for (const char* name : {"chinook-postgres", "lessons", "registry"}) {
    Config config = parse(repository_text(std::string("config/") + name + ".yaml"),
                          {{"DATABASE_URL", "postgresql:///d"}});
    EXPECT_EQ(config.name, name);
    EXPECT_EQ(config.source.type, SourceType::kPostgres);
    EXPECT_EQ(config.source.url, "postgresql:///d");
    EXPECT_EQ(config.target.endpoint, "");
  }
}

TEST(ConfigExamplesTest, BothChinooksHaveTheSameTargets) {
  Config sqlite = parse(repository_text("config/chinook.yaml"), {{"LEGACY_DB", "c.db"}});
  Config postgres =
      parse(repository_text("config/chinook-postgres.yaml"), {{"DATABASE_URL", "dbname=c"}});
  ASSERT_EQ(sqlite.target.tables.size(), postgres.target.tables.size());
  for (std::size_t i = 0; i < sqlite.target.tables.size(); ++i) {
    EXPECT_EQ(sqlite.target.tables[i].name, postgres.target.tables[i].name);
    EXPECT_EQ(sqlite.target.tables[i].key, postgres.target.tables[i].key);
    EXPECT_EQ(sqlite.target.tables[i].indexes.size(), postgres.target.tables[i].indexes.size());
  }
  EXPECT_EQ(captured_tables(sqlite).size(), captured_tables(postgres).size());
}

TEST(ConfigExamplesTest, LocalLoads) {
  Config config = parse(repository_text("config/local.yaml"), {{"LEGACY_DB", "c.db"}});
  EXPECT_EQ(config.target.type, TargetType::kLocal);
  EXPECT_EQ(config.target.path, "items.db");
}

}  // namespace
}  // namespace tandem::agent
