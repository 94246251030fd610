// The catalog of a real server.
#include <algorithm>

#include "capture/postgres/catalog.h"
#include "postgres_server.h"

namespace tandem::capture::postgres {
namespace {

using state::ColumnForm;
using state::Comparison;

class PostgresCatalog : public PostgresServer {
 protected:
  const SourceTable* find(const std::string& name) {
    auto found = std::find_if(tables_.begin(), tables_.end(),
                              [&](const auto& each) { return each.table.schema.name == name; });
    return found == tables_.end() ? nullptr : &*found;
  }
  void read(const std::vector<TableRequest>& requests = {}) {
    tables_ = read_tables(sql(), types_, requests);
  }

  TypeCatalog types_;
  std::vector<SourceTable> tables_;
};

TEST_F(PostgresCatalog, TablesWithKeysAndForeignKeys) {
  play(
      "CREATE SCHEMA app; CREATE TABLE app.artist (id int PRIMARY KEY, \"Odd \"\"name\" text);"
      "CREATE TABLE album (a int, b int, artist int REFERENCES app.artist, gone int, "
      "twice int GENERATED ALWAYS AS (a * 2) STORED, code text UNIQUE, "
      "PRIMARY KEY (b, a) INCLUDE (code), UNIQUE (a, code), UNIQUE (twice));"
      "CREATE UNIQUE INDEX part ON album (artist) WHERE artist > 5;"
      "CREATE UNIQUE INDEX low ON album (lower(code)); ALTER TABLE album DROP COLUMN gone;"
      "CREATE TABLE track (b int, a int, n int, FOREIGN KEY (b, a) REFERENCES album (b, a), "
      "PRIMARY KEY (n));"
      "CREATE VIEW seen AS SELECT 1 AS x; CREATE TABLE _tandem_x (a int);"
      "INSERT INTO app.artist SELECT generate_series(1, 100); ANALYZE app.artist");
  read();
  ASSERT_EQ(tables_.size(), 3U);
  const SourceTable* album = find("album");
  ASSERT_NE(album, nullptr);
  EXPECT_EQ(album->table.refusal, "");
  std::vector<std::string> names;
  for (const auto& column : album->table.schema.columns) names.push_back(column.name);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "artist", "code"}));
  EXPECT_EQ(album->generated, std::vector<std::string>{"twice"});
  EXPECT_EQ(album->table.schema.key, (std::vector<int>{1, 0}));
  EXPECT_EQ(album->table.primary_key, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(album->table.schema.unique_keys, (std::vector<std::vector<int>>{{1, 0}, {0, 3}, {3}}));
  ASSERT_EQ(album->table.foreign_keys.size(), 1U);
  EXPECT_EQ(album->table.foreign_keys[0].parent, "app.artist");
  EXPECT_EQ(album->table.foreign_keys[0].parent_columns, std::vector<std::string>{"id"});
  const SourceTable* track = find("track");
  ASSERT_NE(track, nullptr);
  ASSERT_EQ(track->table.foreign_keys.size(), 1U);
  EXPECT_EQ(track->table.foreign_keys[0].columns, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(track->table.foreign_keys[0].parent_columns, (std::vector<std::string>{"b", "a"}));
  const SourceTable* artist = find("app.artist");
  ASSERT_NE(artist, nullptr);
  EXPECT_EQ(artist->table.estimated_rows, 100);
  EXPECT_EQ(artist->table.schema.columns[1].name, "Odd \"name");
  EXPECT_EQ(sql().query("SELECT count(*) FROM " + artist->from_clause()).integer(0, 0), 100);
}

TEST_F(PostgresCatalog, OneTableByNameAndByOid) {
  play(
      "CREATE TABLE \"Track\" (id int PRIMARY KEY, t text); CREATE SCHEMA a; "
      "CREATE TABLE a.b (id int PRIMARY KEY)");
  EXPECT_FALSE(read_table(sql(), types_, TableRequest{"nothing"}).has_value());
  EXPECT_FALSE(read_table(sql(), types_, TableRequest{"track"}).has_value());
  std::optional<SourceTable> track = read_table(sql(), types_, TableRequest{"public.Track"});
  ASSERT_TRUE(track.has_value());
  EXPECT_EQ(track->table.schema.name, "Track");
  EXPECT_TRUE(read_table(sql(), types_, TableRequest{"a.b"}).has_value());
  play("ALTER TABLE \"Track\" RENAME TO song");
  std::optional<SourceTable> song = read_table(sql(), types_, track->oid, TableRequest{"Track"});
  ASSERT_TRUE(song.has_value());
  EXPECT_EQ(song->table.schema.name, "song");
}

TEST_F(PostgresCatalog, RequestedTablesUnderWhateverName) {
  play(
      "CREATE SCHEMA a; CREATE SCHEMA \"a.b\"; CREATE TABLE a.\"b.c\" (id int PRIMARY KEY); "
      "CREATE TABLE \"a.x\" (id int PRIMARY KEY); CREATE TABLE \"q\"\"u\\o\" (id int PRIMARY KEY); "
      "CREATE TABLE plain (id int PRIMARY KEY)");
  std::vector<std::string> names;
  for (const SourceTable& table :
       read_requested(sql(), types_,
                      {TableRequest{"plain"}, TableRequest{"a.x"}, TableRequest{"public.a.x"},
                       TableRequest{"a.b.c"}, TableRequest{"q\"u\\o"}, TableRequest{"a.b"},
                       TableRequest{std::string(70, 'p')}, TableRequest{""}})) {
    names.push_back(table.table.schema.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"plain", "public.a.x", "a.b.c", "q\"u\\o"}));
  EXPECT_TRUE(read_requested(sql(), types_, {}).empty());
}

TEST_F(PostgresCatalog, WhatTypesMean) {
  play(
      "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN small AS int CHECK (VALUE < 9);"
      "CREATE DOMAIN smaller AS small; CREATE DOMAIN code AS char(3); CREATE DOMAIN tags AS int[];"
      "CREATE TYPE pair AS (a int, b text);"
      "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
      "CREATE COLLATION german (provider = icu, locale = 'de');"
      "CREATE TABLE t (id smaller PRIMARY KEY, e mood, c code, a int[], d tags, v int2vector, "
      "p pair, r int4range, x text, l text COLLATE loose, g varchar(9) COLLATE german, "
      "n name, i information_schema.cardinal_number, b bpchar)");
  read();
  ASSERT_EQ(tables_.size(), 1U);
  const state::TableSchema& schema = tables_[0].table.schema;
  auto expect = [&](const char* name, ColumnForm form, Comparison comparison,
                    const char* declared) {
    const state::Column& column = schema.columns[static_cast<std::size_t>(schema.find(name))];
    EXPECT_EQ(column.form, form) << name;
    EXPECT_EQ(column.comparison, comparison) << name;
    EXPECT_EQ(column.declared_type, declared) << name;
  };
  expect("id", ColumnForm::kInteger, Comparison::kOrder, "public.smaller");
  expect("e", ColumnForm::kText, Comparison::kEquality, "public.mood");
  expect("c", ColumnForm::kText, Comparison::kEquality, "public.code");
  expect("a", ColumnForm::kArray, Comparison::kNone, "integer[]");
  expect("d", ColumnForm::kArray, Comparison::kNone, "integer[]");
  expect("v", ColumnForm::kText, Comparison::kNone, "int2vector");
  expect("p", ColumnForm::kText, Comparison::kNone, "public.pair");
  expect("r", ColumnForm::kText, Comparison::kNone, "int4range");
  expect("x", ColumnForm::kText, Comparison::kOrder, "text");
  expect("l", ColumnForm::kText, Comparison::kNone, "text");
  expect("g", ColumnForm::kText, Comparison::kEquality, "character varying(9)");
  expect("n", ColumnForm::kText, Comparison::kOrder, "name");
  expect("i", ColumnForm::kInteger, Comparison::kOrder, "information_schema.cardinal_number");
  expect("b", ColumnForm::kText, Comparison::kNone, "bpchar");
}

TEST_F(PostgresCatalog, PartitionsBelongToTheirTable) {
  play(
      "CREATE TABLE sale (id int, day date, n int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);"
      "CREATE TABLE sale_1 PARTITION OF sale FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');"
      "CREATE TABLE sale_2 PARTITION OF sale FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') "
      "PARTITION BY LIST (id); CREATE TABLE sale_2_1 PARTITION OF sale_2 FOR VALUES IN (1);"
      "CREATE TABLE line (id int PRIMARY KEY, sale int, day date, "
      "FOREIGN KEY (sale, day) REFERENCES sale);"
      "INSERT INTO sale SELECT i, '2020-02-02' FROM generate_series(1, 50) i; "
      "INSERT INTO sale VALUES (1, '2021-01-01'); ANALYZE");
  read();
  ASSERT_EQ(tables_.size(), 2U);
  EXPECT_EQ(find("line")->table.foreign_keys.size(), 1U);
  EXPECT_EQ(find("sale")->table.refusal, "");
  EXPECT_EQ(find("sale")->table.estimated_rows, 51);
  EXPECT_EQ(sql().query("SELECT count(*) FROM " + find("sale")->from_clause()).integer(0, 0), 51);
  read({TableRequest{"sale_2_1"}});
  ASSERT_NE(find("sale_2_1"), nullptr);
  EXPECT_NE(find("sale_2_1")->table.refusal.find("name its table sale "), std::string::npos);
  play("ALTER TABLE sale_2_1 REPLICA IDENTITY NOTHING");
  std::optional<SourceTable> sale = read_table(sql(), types_, TableRequest{"sale"});
  ASSERT_TRUE(sale.has_value());
  EXPECT_NE(sale->table.refusal.find("its partition public.sale_2_1 does not say id"),
            std::string::npos)
      << sale->table.refusal;
}

TEST_F(PostgresCatalog, StorageTellsOfChangesThatTheStreamDoesNot) {
  play(
      "CREATE TABLE t (id int PRIMARY KEY, n int); "
      "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);"
      "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);"
      "CREATE TABLE p2 (id int PRIMARY KEY)");
  auto storage = [&](const char* name) {
    return read_table(sql(), types_, TableRequest{name}).value().storage;
  };
  std::uint64_t last = storage("t");
  for (const char* silent : {"INSERT INTO t SELECT generate_series(1, 100), 1",
                             "ALTER TABLE t ADD COLUMN m int DEFAULT 5", "VACUUM t", "ANALYZE t"}) {
    play(silent);
    EXPECT_EQ(storage("t"), last) << silent;
  }
  play("ALTER TABLE t ALTER COLUMN n TYPE int USING n + 1");
  EXPECT_NE(storage("t"), last);
  last = storage("p");
  for (const char* statement :
       {"TRUNCATE p1", "ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20)",
        "ALTER TABLE p DETACH PARTITION p1", "DROP TABLE p2"}) {
    play(statement);
    EXPECT_NE(storage("p"), last) << statement;
    last = storage("p");
  }
}

TEST_F(PostgresCatalog, RefusalsThatNeedTheWholeCatalog) {
  play(
      "CREATE TABLE twin (id int PRIMARY KEY); CREATE TABLE \"Twin\" (id int PRIMARY KEY);"
      "CREATE UNLOGGED TABLE fast (id int PRIMARY KEY);"
      "CREATE TABLE later (id int PRIMARY KEY DEFERRABLE); CREATE TABLE bare (a int NOT NULL);"
      "CREATE UNIQUE INDEX by_a ON bare (a); CREATE VIEW seen AS SELECT 1 AS x");
  read();
  EXPECT_NE(find("twin")->table.refusal.find("Twin"), std::string::npos);
  EXPECT_NE(find("fast")->table.refusal.find("unlogged"), std::string::npos);
  EXPECT_NE(find("later")->table.refusal.find("deferrable"), std::string::npos);
  EXPECT_NE(find("bare")->table.refusal.find("USING INDEX \"by_a\""), std::string::npos);
  EXPECT_EQ(find("seen"), nullptr);
  read({TableRequest{"twin"}, TableRequest{"seen"}});
  EXPECT_EQ(find("twin")->table.refusal, "");
  EXPECT_NE(find("seen")->table.refusal.find("view"), std::string::npos);
  play(
      "ALTER TABLE bare REPLICA IDENTITY USING INDEX by_a; "
      "ALTER TABLE later REPLICA IDENTITY FULL");
  read();
  EXPECT_EQ(find("bare")->table.refusal, "");
  EXPECT_EQ(find("later")->table.refusal, "");
}

}  // namespace
}  // namespace tandem::capture::postgres
