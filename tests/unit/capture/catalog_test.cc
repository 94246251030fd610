#include "capture/sqlite/catalog.h"

#include "tests/unit/capture/capture_fixture.h"

namespace tandem::capture {
namespace {

class CatalogTest : public CaptureTest {
 protected:
  TableShape shape(const std::string& name, std::vector<std::string> key = {}) {
    return read_shape(app(), table(name, std::move(key))).value();
  }
};

TEST_F(CatalogTest, ColumnsWithTypesCollationsAndGenerated) {
  app().execute(
      "CREATE TABLE T (Id INTEGER PRIMARY KEY, n TEXT COLLATE nocase, x, g AS (n || 'x'), "
      "s REAL AS (x) STORED)");
  TableShape t = shape("t");
  EXPECT_EQ(t.schema.name, "T");
  ASSERT_EQ(t.schema.columns.size(), 5U);
  EXPECT_EQ(t.schema.columns[1].collation, "NOCASE");
  EXPECT_EQ(t.schema.columns[1].declared_type, "TEXT");
  EXPECT_EQ(t.schema.columns[2].declared_type, "");
  EXPECT_TRUE(t.schema.columns[3].generated);
  EXPECT_TRUE(t.schema.columns[4].generated);
  EXPECT_EQ(t.schema.key, std::vector<int>{0});
  EXPECT_FALSE(t.key_may_be_null);
}

TEST_F(CatalogTest, KeysInTheirOwnOrder) {
  app().execute(
      "CREATE TABLE A (x, y, z UNIQUE, PRIMARY KEY (y, x)) WITHOUT ROWID;"
      "CREATE TABLE B (x TEXT PRIMARY KEY);"
      "CREATE TABLE C (x INTEGER PRIMARY KEY DESC, y)");
  TableShape a = shape("A");
  EXPECT_EQ(a.schema.key, (std::vector<int>{1, 0}));
  EXPECT_EQ(a.schema.unique_keys.size(), 2U);
  EXPECT_EQ(a.rowid, "");
  EXPECT_FALSE(a.key_may_be_null);
  EXPECT_TRUE(shape("B").key_may_be_null);
  // DESC keeps the column from being the rowid.
  EXPECT_TRUE(shape("C").key_may_be_null);
}

TEST_F(CatalogTest, RefusalsNameTheChoices) {
  app().execute(
      "CREATE TABLE None (a, b); CREATE TABLE Candidate (a, b NOT NULL UNIQUE);"
      "CREATE TABLE Partial (a); CREATE UNIQUE INDEX p ON Partial (a) WHERE a > 1;"
      "CREATE TABLE Folded (a TEXT COLLATE NOCASE, PRIMARY KEY (a COLLATE BINARY));"
      "CREATE VIEW V AS SELECT 1 AS a; CREATE VIRTUAL TABLE F USING fts5(a);"
      "CREATE TABLE _tandem_mine (a PRIMARY KEY)");
  EXPECT_NE(shape("None").refusal.find("make a unique index"), std::string::npos);
  EXPECT_NE(shape("Candidate").refusal.find("source.tables.Candidate.key to [b]"),
            std::string::npos);
  EXPECT_TRUE(shape("Candidate", {"b"}).refusal.empty());
  EXPECT_TRUE(shape("Candidate", {"a", "B"}).refusal.empty());
  EXPECT_NE(shape("Candidate", {"c"}).refusal.find("not a column"), std::string::npos);
  EXPECT_NE(shape("Candidate", {"a"}).refusal.find("no unique index"), std::string::npos);
  EXPECT_NE(shape("Partial", {"a"}).refusal.find("no unique index"), std::string::npos);
  EXPECT_NE(shape("Folded").refusal.find("as the columns compare"), std::string::npos);
  EXPECT_NE(shape("V").refusal.find("view"), std::string::npos);
  EXPECT_NE(shape("F").refusal.find("virtual"), std::string::npos);
  EXPECT_NE(shape("_tandem_mine").refusal.find("Tandem's own"), std::string::npos);
  EXPECT_FALSE(read_shape(app(), table("Nowhere")).has_value());
}

TEST_F(CatalogTest, CatalogListsForeignKeysAndRows) {
  app().execute(
      "CREATE TABLE P (id INTEGER PRIMARY KEY, a, b, UNIQUE (a, b));"
      "CREATE TABLE C (id INTEGER PRIMARY KEY, p REFERENCES p, a, b, "
      "FOREIGN KEY (a, b) REFERENCES P (a, b)); INSERT INTO P (id) VALUES (1), (2), (3);"
      "CREATE TABLE _tandem_log (seq INTEGER PRIMARY KEY)");
  Catalog catalog = read_catalog(app(), {});
  ASSERT_EQ(catalog.tables.size(), 2U);
  const CatalogTable& c = *catalog.find("C");
  ASSERT_EQ(c.foreign_keys.size(), 2U);
  for (const ForeignKey& foreign : c.foreign_keys) {
    EXPECT_EQ(foreign.parent, "P");
    bool wide = foreign.columns.size() == 2;
    EXPECT_EQ(foreign.parent_columns,
              wide ? std::vector<std::string>({"a", "b"}) : std::vector<std::string>({"id"}));
  }
  EXPECT_EQ(catalog.find("P")->estimated_rows, 3);
}

TEST_F(CatalogTest, CheckSaysWhatToDo) {
  app().execute(
      "CREATE TABLE Track (id INTEGER PRIMARY KEY, n); CREATE UNIQUE INDEX tn ON Track (n) "
      "WHERE Track.n > 0;"
      "CREATE TABLE Maybe (k TEXT PRIMARY KEY); INSERT INTO Maybe VALUES (NULL)");
  requests_ = {table("Track"), table("Trak"), table("Maybe")};
  auto source = open_sqlite_source(path(), requests_);
  std::string all;
  int failures = 0;
  for (const Finding& finding : source->check()) {
    all += finding.subject + ": " + finding.text + "; " + finding.advice + "\n";
    if (finding.level == Finding::Level::kFailure) ++failures;
  }
  EXPECT_EQ(failures, 2) << all;
  EXPECT_NE(all.find("did you mean Track?"), std::string::npos) << all;
  EXPECT_NE(all.find("null in the key"), std::string::npos) << all;
  EXPECT_NE(all.find("index tn"), std::string::npos) << all;
  EXPECT_NE(all.find("tandem init"), std::string::npos) << all;
  EXPECT_NE(all.find("journal mode delete"), std::string::npos) << all;
}

TEST_F(CatalogTest, CheckOfAMissingFileIsAFinding) {
  auto source = open_sqlite_source(folder_.file("nowhere.db"), {});
  auto findings = source->check();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].level, Finding::Level::kFailure);
  EXPECT_FALSE(findings[0].advice.empty());
  EXPECT_THROW(source->claim("0123", 0), state::Error);
}

}  // namespace
}  // namespace tandem::capture
