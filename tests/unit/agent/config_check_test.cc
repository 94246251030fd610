// The config against the source's tables: names, keys, types.
#include <gtest/gtest.h>
#include <unistd.h>

#include "capture/sqlite/sqlite_source.h"
#include "config_text.h"
#include "state/sqlite.h"

namespace tandem::agent {
namespace {

using sink::AttributeType;

class ConfigCheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = (std::filesystem::temp_directory_path() /
             ("tandem-check-" + std::to_string(::getpid()) + ".db"))
                .string();
    std::filesystem::remove(path_);
    state::Database(path_, state::OpenMode::kReadWriteCreate).execute(R"(
      CREATE TABLE Customer (CustomerId INTEGER PRIMARY KEY, Email TEXT, Photo BLOB);
      CREATE TABLE Invoice (InvoiceId INTEGER PRIMARY KEY, CustomerId INTEGER, Total NUMERIC);
      CREATE TABLE Journal (Day TEXT NOT NULL, Number INTEGER NOT NULL, UNIQUE (Day, Number));
      CREATE VIEW Seen AS SELECT 1 AS x;
    )");
  }
  void TearDown() override { std::filesystem::remove(path_); }

  std::vector<sink::Mistake> check(const std::string& text) {
    config_ = parse(text);
    return check_config(config_,
                        capture::open_sqlite_source(path_, captured_tables(config_))->catalog());
  }

  std::string path_;
  Config config_;
};

const char kEnds[] =
    "source: {type: sqlite, path: l.db}\n"
    "target: {type: local, path: i.db, tables: {Items: {key: [PK, SK], indexes: {ByMail: [Mail, "
    "PK]}}}}\n";

TEST_F(ConfigCheckTest, RightDocumentsGiveTheKeysTheirTypes) {
  auto mistakes = check(std::string(kEnds) +
                        "documents:\n"
                        "  a: {table: Items, root: Customer, item: {PK: \"C#{CustomerId}\",\n"
                        "      SK: \"{CustomerId}\", Mail: \"{Photo}\"}}\n");
  EXPECT_TRUE(mistakes.empty()) << ConfigError("t", mistakes).what();
  const sink::TargetTable& table = config_.target.tables[0];
  EXPECT_EQ(table.key_types,
            (std::vector<AttributeType>{AttributeType::kString, AttributeType::kNumber}));
  ASSERT_EQ(table.index_types.size(), 2U);
  EXPECT_EQ(table.index_types[0], std::pair(std::string("Mail"), AttributeType::kBinary));
  EXPECT_EQ(table.index_types[1], std::pair(std::string("PK"), AttributeType::kString));
}

TEST_F(ConfigCheckTest, EveryUnknownNameIsReportedAtOnceWithItsLineAndTheNearest) {
  auto mistakes = check(std::string(kEnds) +
                        "documents:\n"
                        "  a:\n"
                        "    table: Items\n"
                        "    root: Custmer\n"
                        "    item: {PK: a, SK: b}\n"
                        "  b:\n"
                        "    table: Items\n"
                        "    root: Customer\n"
                        "    many:\n"
                        "      orders: {table: Invoice, on: CustomerId}\n"
                        "    item:\n"
                        "      PK: \"{CustomrId}\"\n"
                        "      SK: \"{Email}\"\n"
                        "      N: {$count: order}\n"
                        "      T: {$sum: orders.Totl}\n");
  auto nearest = [&mistakes](int line) {
    for (const sink::Mistake& mistake : mistakes) {
      if (mistake.line == line) return mistake.nearest;
    }
    return std::string("nothing at this line");
  };
  EXPECT_EQ(nearest(6), "Customer");
  EXPECT_EQ(nearest(14), "CustomerId");
  EXPECT_EQ(nearest(16), "orders");
  EXPECT_EQ(nearest(17), "Total");
  for (const sink::Mistake& mistake : mistakes) {
    EXPECT_EQ(mistake.key.rfind("documents.", 0), 0U) << mistake.key;
  }
}

TEST_F(ConfigCheckTest, DocumentsMustAgreeOnAKeysType) {
  auto mistakes = check(std::string(kEnds) +
                        "documents:\n"
                        "  a: {table: Items, root: Customer, item: {PK: a, SK: \"{CustomerId}\"}}\n"
                        "  b:\n"
                        "    table: Items\n"
                        "    root: Invoice\n"
                        "    item:\n"
                        "      PK: b\n"
                        "      SK: \"INVOICE#{InvoiceId}\"\n");
  ASSERT_EQ(mistakes.size(), 1U);
  EXPECT_EQ(mistakes[0].line, 10);
  EXPECT_EQ(mistakes[0].key, "documents.b.item.SK");
  EXPECT_NE(mistakes[0].text.find("in document a it is a number"), std::string::npos);
}

TEST_F(ConfigCheckTest, WhatComparesOtherwiseThanAtTheSourceIsAWarningWithItsLine) {
  state::TableSchema schema;
  schema.name = "Customer";
  schema.columns = {{"CustomerId", "integer"}, {"Email", "text"}};
  schema.columns[0].form = state::ColumnForm::kInteger;
  schema.columns[1].form = state::ColumnForm::kText;
  schema.columns[1].comparison = state::Comparison::kEquality;
  schema.key = {0};
  schema.unique_keys = {{0}};
  config_ = parse(std::string(kEnds) +
                  "documents:\n"
                  "  a:\n"
                  "    table: Items\n"
                  "    root: {table: Customer, where: {Email: {lt: m}}}\n"
                  "    many:\n"
                  "      same: {table: Customer, on: CustomerId, order_by: [Email]}\n"
                  "    item: {PK: \"{CustomerId}\", SK: A, L: {$each: same, item: \"{Email}\"}}\n");
  auto mistakes =
      check_config(config_, [&schema](const std::string&) { return &schema; }, {"Customer"});
  EXPECT_TRUE(mistakes.empty()) << ConfigError("t", mistakes).what();
  ASSERT_EQ(config_.warnings.size(), 2U);
  EXPECT_EQ(config_.warnings[0].line, 8);
  EXPECT_EQ(config_.warnings[0].key, "documents.a.many.same.order_by");
  EXPECT_EQ(config_.warnings[1].line, 6);
  EXPECT_EQ(config_.warnings[1].key, "documents.a.root.where");
}

TEST_F(ConfigCheckTest, TablesThatCannotBeCapturedAreMistakes) {
  const std::string documents =
      "documents:\n"
      "  a: {table: Items, root: Journal, item: {PK: \"{Day}\", SK: \"{Number}\"}}\n";
  auto mistakes = check(kEnds + documents);
  ASSERT_EQ(mistakes.size(), 1U);
  EXPECT_EQ(mistakes[0].line, 4);
  EXPECT_EQ(mistakes[0].key, "documents.a.root");
  EXPECT_NE(mistakes[0].text.find("Journal cannot be captured"), std::string::npos);
  const std::string keyed =
      "source: {type: sqlite, path: l.db, tables: {Journal: {key: [Day, Number]}}}\n"
      "target: {type: local, path: i.db, tables: {Items: {key: [PK, SK]}}}\n";
  mistakes = check(keyed + documents);
  EXPECT_TRUE(mistakes.empty()) << ConfigError("t", mistakes).what();
  mistakes = check(kEnds + std::string("documents: {a: {table: Items, root: Seen, item: {PK: a, "
                                       "SK: b}}}\n"));
  ASSERT_EQ(mistakes.size(), 1U) << ConfigError("t", mistakes).what();
  EXPECT_NE(mistakes[0].text.find("view"), std::string::npos);
}

TEST_F(ConfigCheckTest, SettingsOfUnknownTablesAndColumnsAreMistakes) {
  auto mistakes = check(
      "source:\n"
      "  type: sqlite\n"
      "  path: l.db\n"
      "  tables:\n"
      "    Jurnal: {key: [Day]}\n"
      "    Journal: {key: [Day, Numbr]}\n"
      "target: {type: local, path: i.db, tables: {Items: {key: [PK]}}}\n"
      "documents: {a: {table: Items, root: Customer, item: {PK: \"{Email}\"}}}\n");
  ASSERT_EQ(mistakes.size(), 2U) << ConfigError("t", mistakes).what();
  EXPECT_EQ(mistakes[0].line, 5);
  EXPECT_EQ(mistakes[1].line, 6);
  EXPECT_EQ(mistakes[1].nearest, "Number");
}

}  // namespace
}  // namespace tandem::agent
