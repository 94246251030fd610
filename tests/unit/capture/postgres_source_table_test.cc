// How a row of a PostgreSQL table is identified, and what is refused with which choices.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "capture/postgres/source_table.h"

namespace tandem::capture::postgres {
namespace {

using Index = TableFacts::UniqueIndex;

TableFacts facts_of(std::vector<std::string> columns) {
  TableFacts facts;
  facts.oid = 16'400;
  facts.schema = "public";
  facts.name = "track";
  int number = 0;
  for (std::string& name : columns) {
    TableFacts::Column column;
    column.name = std::move(name);
    column.declared_type = "integer";
    column.number = ++number;
    column.type = 23;
    column.not_null = true;
    facts.columns.push_back(std::move(column));
  }
  return facts;
}

Index index(std::string name, std::vector<int> numbers, bool primary = false) {
  Index made;
  made.name = std::move(name);
  made.numbers = std::move(numbers);
  made.primary = primary;
  return made;
}

SourceTable describe(const TableFacts& facts, const TableRequest& request = {}) {
  return describe_table(facts, TypeCatalog(), request);
}

void expect_refusal(const TableFacts& facts, const std::vector<std::string>& pieces,
                    const TableRequest& request = {}) {
  const SourceTable made = describe(facts, request);
  EXPECT_TRUE(made.table.schema.key.empty());
  for (const std::string& piece : pieces) {
    EXPECT_NE(made.table.refusal.find(piece), std::string::npos)
        << "no '" << piece << "' in: " << made.table.refusal;
  }
}

TEST(PostgresSourceTable, NamesArePublicsUnlessTheySayOtherwise) {
  EXPECT_EQ(table_name("public", "Track"), "Track");
  EXPECT_EQ(table_name("app", "Track"), "app.Track");
  EXPECT_EQ(table_name("public", "a.b"), "public.a.b");
  EXPECT_EQ(canonical_table_name("public.Track"), "Track");
  EXPECT_EQ(canonical_table_name("app.Track"), "app.Track");
  EXPECT_EQ(canonical_table_name("Track"), "Track");
  EXPECT_EQ(canonical_table_name("public.a.b"), "public.a.b");
}

TEST(PostgresSourceTable, PrimaryKeyInItsOwnOrder) {
  TableFacts facts = facts_of({"a", "sum", "b"});
  facts.columns[1].generated = true;
  facts.unique_indexes = {index("track_pkey", {3, 1}, true), index("other", {1})};
  const SourceTable made = describe(facts);
  EXPECT_EQ(made.table.refusal, "");
  ASSERT_EQ(made.table.schema.columns.size(), 2U);
  EXPECT_EQ(made.generated, std::vector<std::string>{"sum"});
  EXPECT_EQ(made.table.schema.key, (std::vector<int>{1, 0}));
  EXPECT_EQ(made.table.primary_key, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(made.table.schema.unique_keys, (std::vector<std::vector<int>>{{1, 0}, {0}}));
  EXPECT_EQ(made.from_clause(), "ONLY \"public\".\"track\"");
}

TEST(PostgresSourceTable, IdentityByIndex) {
  TableFacts facts = facts_of({"a", "b"});
  facts.unique_indexes = {index("track_pkey", {1}, true), index("by_b", {2})};
  facts.unique_indexes[1].identity = true;
  facts.identity = 'i';
  EXPECT_EQ(describe(facts).table.schema.key, std::vector<int>{1});
  // The stream does not name the old `a`.
  expect_refusal(facts, {"[a]", "[b]", "REPLICA IDENTITY FULL"}, {"track", {"a"}});
  facts.unique_indexes.pop_back();
  expect_refusal(facts, {"the index of its replica identity is gone", "IDENTITY DEFAULT"});
}

TEST(PostgresSourceTable, FullTakesADeclaredKeyThatIsUniqueAndNeverNull) {
  TableFacts facts = facts_of({"a", "b"});
  facts.identity = 'f';
  expect_refusal(facts, {"no primary key", "source.tables.track.key"});
  facts.unique_indexes = {index("by_b", {2})};
  expect_refusal(facts, {"source.tables.track.key to [b]", "by_b"});
  expect_refusal(facts, {"no unique index makes its key [a] unique"}, {"track", {"a"}});
  expect_refusal(facts, {"key names c, which is not a column"}, {"track", {"c"}});
  EXPECT_EQ(describe(facts, {"track", {"b"}}).table.schema.key, std::vector<int>{1});
  EXPECT_EQ(describe(facts, {"track", {"a", "b"}}).table.schema.key, (std::vector<int>{0, 1}));
  facts.columns[1].not_null = false;
  expect_refusal(facts, {"b may be null", "SET NOT NULL"}, {"track", {"b"}});
  facts.unique_indexes = {index("track_pkey", {1}, true)};
  facts.unique_indexes[0].immediate = false;
  EXPECT_EQ(describe(facts).table.schema.key, std::vector<int>{0});
}

TEST(PostgresSourceTable, RefusesWhatTheStreamWouldNotIdentify) {
  TableFacts facts = facts_of({"a", "b"});
  expect_refusal(facts, {"no primary key", "insert_only", "leave it out"});
  facts.unique_indexes = {index("by b", {2})};
  expect_refusal(facts, {"REPLICA IDENTITY USING INDEX \"by b\""});
  facts.unique_indexes = {index("track_pkey", {1}, true)};
  facts.unique_indexes[0].immediate = false;
  expect_refusal(facts, {"deferrable", "REPLICA IDENTITY FULL"});
  facts.unique_indexes[0].immediate = true;
  facts.identity = 'n';
  expect_refusal(facts, {"NOTHING", "REPLICA IDENTITY DEFAULT", "insert_only"});
  facts.identity = 'd';
  facts.columns[0].generated = true;
  expect_refusal(facts, {"a is generated"});
}

TEST(PostgresSourceTable, InsertOnlyNeedsNoIdentity) {
  TableFacts facts = facts_of({"a", "b"});
  facts.identity = 'n';
  facts.unique_indexes = {index("track_pkey", {1}, true)};
  TableRequest request{"track"};
  request.insert_only = true;
  EXPECT_EQ(describe(facts, request).table.schema.key, std::vector<int>{0});
  facts.unique_indexes.clear();
  expect_refusal(facts, {"no primary key"}, request);
}

TEST(PostgresSourceTable, RefusesTablesThatAreNotInTheLog) {
  TableFacts facts = facts_of({"a"});
  facts.unique_indexes = {index("track_pkey", {1}, true)};
  facts.persistence = 'u';
  expect_refusal(facts, {"unlogged", "ALTER TABLE \"public\".\"track\" SET LOGGED"});
  facts.persistence = 't';
  expect_refusal(facts, {"temporary"});
  facts.persistence = 'p';
  facts.kind = 'f';
  expect_refusal(facts, {"foreign table"});
  facts.kind = 'v';
  expect_refusal(facts, {"view"});
  facts.kind = 'r';
  facts.root = "sales";
  expect_refusal(facts, {"partition", "name its table sales"});
}

TEST(PostgresSourceTable, RefusesNamesThatTheReplicaCannotHold) {
  TableFacts facts = facts_of({"Id", "id"});
  facts.unique_indexes = {index("track_pkey", {1}, true)};
  expect_refusal(facts, {"Id and id differ by the case"});
  facts.columns.pop_back();
  facts.name = "_Tandem_x";
  expect_refusal(facts, {"_tandem_"});
  facts.name = "sqlite_stat";
  expect_refusal(facts, {"sqlite_"});
  facts.columns.clear();
  facts.unique_indexes.clear();
  facts.name = "empty";
  expect_refusal(facts, {"no columns"});
}

TEST(PostgresSourceTable, PartitionsMustNameRowsAsTheirTableDoes) {
  TableFacts facts = facts_of({"a", "b"});
  facts.kind = 'p';
  facts.unique_indexes = {index("track_pkey", {1, 2}, true)};
  facts.partitions = {{"part_1", 1, 1, 'r', 'p', 'd', {"a", "b"}},
                      {"part_2", 2, 2, 'r', 'p', 'f', {}}};
  EXPECT_EQ(describe(facts).table.refusal, "");
  EXPECT_EQ(describe(facts).from_clause(), "\"public\".\"track\"");
  facts.partitions[0].identity_columns = {"a"};
  expect_refusal(facts, {"part_1", "does not say b"});
  facts.partitions[0].identity_columns = {"a", "b"};
  facts.identity = 'f';
  expect_refusal(facts, {"part_1", "ALTER TABLE part_1 REPLICA IDENTITY FULL"});
  facts.partitions[0].identity = 'f';
  EXPECT_EQ(describe(facts).table.refusal, "");
  facts.partitions[0].persistence = 'u';
  expect_refusal(facts, {"part_1", "unlogged"});
  facts.partitions[0] = {"part_1", 1, 1, 'f', 'p', 'd', {}};
  expect_refusal(facts, {"part_1", "foreign"});
}

}  // namespace
}  // namespace tandem::capture::postgres
