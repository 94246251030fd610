// What an application can do to its rows, and whether the mirror follows.
#include "tests/unit/capture/capture_fixture.h"

namespace tandem::capture {
namespace {

TEST_F(CaptureTest, FirstSnapshotThenChanges) {
  app().execute("CREATE TABLE T (id INTEGER PRIMARY KEY, a); INSERT INTO T VALUES (1,'x'),(2,2.5)");
  requests_ = {table("T")};
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.chunks, 1);
  app().execute("INSERT INTO T VALUES (3, x'00ff'); UPDATE T SET a = 9 WHERE id = 1");
  app().execute("DELETE FROM T WHERE id = 2");
  drain_and_compare();
  app().execute("UPDATE T SET rowid = 77 WHERE id = 3");
  drain_and_compare("the key changed by its alias");
  EXPECT_FALSE(step());
}

TEST_F(CaptureTest, OneDrainIsOneTransactionWithEachRowOnce) {
  app().execute("CREATE TABLE T (id INTEGER PRIMARY KEY, a); CREATE TABLE U (k PRIMARY KEY)");
  requests_ = {table("T"), table("U")};
  start();
  drain();
  auto transactions = mirror_.transactions;
  for (int i = 0; i < 50; ++i) app().execute("INSERT OR REPLACE INTO T VALUES (1, random())");
  app().execute("INSERT INTO U VALUES ('x')");
  drain_and_compare();
  EXPECT_EQ(mirror_.transactions, transactions + 1);
  EXPECT_EQ(mirror_.changes, 2);
}

TEST_F(CaptureTest, ValuesComeThroughExactly) {
  app().execute("CREATE TABLE T (id INTEGER PRIMARY KEY, v)");
  requests_ = {table("T")};
  start();
  drain();
  app().execute(
      "INSERT INTO T (v) VALUES (9223372036854775807), (-9223372036854775808), (0.1), (1e308), "
      "(5e-324), (1.0), (1), ('1'), (x'31'), (''), (x''), (NULL), (CAST(x'6100fffe62' AS TEXT)), "
      "(zeroblob(100000)), (9e999), (-9e999)");
  drain_and_compare();
  EXPECT_EQ(mirror_.rows("T").size(), 16U);
}

TEST_F(CaptureTest, KeysOfEveryKind) {
  app().execute(
      "CREATE TABLE Any (k PRIMARY KEY NOT NULL, v); CREATE TABLE Folded (k TEXT COLLATE NOCASE "
      "PRIMARY KEY NOT NULL, v) WITHOUT ROWID");
  app().execute(
      "INSERT INTO Any VALUES (1, 1), (1.5, 1), ('1', 1), (x'31', 1), ('', 1), (x'', 1), "
      "(CAST(x'6100' AS TEXT), 1), (CAST(x'61' AS TEXT), 1), (9007199254740993, 1), "
      "(9007199254740992.0, 1)");
  app().execute("INSERT INTO Folded VALUES ('abc', 1)");
  requests_ = {table("Any"), table("Folded")};
  start();
  drain_and_compare();
  app().execute("UPDATE Any SET v = 2; UPDATE Any SET k = 1.0 WHERE k = 1");
  app().execute("REPLACE INTO Folded VALUES ('ABC', 2)");
  drain_and_compare("a key that is equal but not the same");
  app().execute("UPDATE Folded SET k = 'aBc'; DELETE FROM Any WHERE typeof(k) = 'text'");
  drain_and_compare();
}

TEST_F(CaptureTest, ANullKeyStopsUntilItIsMended) {
  app().execute("CREATE TABLE T (k TEXT PRIMARY KEY, v); INSERT INTO T VALUES ('a', 1)");
  requests_ = {table("T")};
  start();
  drain_and_compare();
  app().execute("INSERT INTO T VALUES (NULL, 1)");
  try {
    drain();
    ADD_FAILURE() << "a row without a key went through";
  } catch (const state::Error& error) {
    EXPECT_NE(error.message().find("table T has a null in its key"), std::string::npos);
    EXPECT_NE(error.hint().find("SELECT * FROM \"T\" WHERE \"k\" IS NULL"), std::string::npos);
  }
  app().execute("INSERT INTO T VALUES ('c', 1); UPDATE T SET k = 'b' WHERE k IS NULL");
  reclaim();
  drain_and_compare();
}

TEST_F(CaptureTest, ARowidTakesWhatStoodThere) {
  app().execute(
      "CREATE TABLE T (k TEXT NOT NULL PRIMARY KEY, v); CREATE TABLE U (id INTEGER PRIMARY KEY, v);"
      "INSERT INTO T (rowid, k) VALUES (-1, 'x'), (1, 'y'), (2, 'z'); INSERT INTO U VALUES (1, 1)");
  requests_ = {table("T"), table("U")};
  start();
  drain_and_compare();
  app().execute("REPLACE INTO T (rowid, k) VALUES (1, 'y1'); INSERT INTO T (k) VALUES ('more')");
  drain_and_compare("a row was displaced");
  std::int64_t chunks = mirror_.chunks;
  app().execute("REPLACE INTO T (rowid, k) VALUES (-1, 'x1')");
  EXPECT_TRUE(step());
  drain_and_compare("the row at -1 was displaced");
  EXPECT_EQ(mirror_.chunks, chunks + 1) << "the table is read again, and no other";
  EXPECT_EQ(mirror_.rows("T").size(), 4U);
  app().execute("UPDATE OR REPLACE T SET _rowid_ = -1 WHERE k = 'z'");
  drain_and_compare("and once more");
  for (const char* name : {"rowid", "OID", "_rowid_", "ID"}) {
    app().execute(std::string("DELETE FROM U WHERE id > 1; UPDATE U SET (v, ") + name +
                  ") = (v + 1, id + 10)");
    app().execute(std::string("INSERT INTO U VALUES (1, 1); INSERT INTO U VALUES (1, 2) "
                              "ON CONFLICT DO UPDATE SET ") +
                  name + " = id + 100");
    drain_and_compare(name);
  }
}

TEST_F(CaptureTest, SnapshotInChunksBesideChanges) {
  app().execute("CREATE TABLE T (a, b, v, PRIMARY KEY (a, b)) WITHOUT ROWID");
  app().execute(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 23000) "
      "INSERT INTO T SELECT i / 100, CASE i % 3 WHEN 0 THEN i WHEN 1 THEN 't' || i ELSE x'00' || i "
      "END, i FROM n");
  requests_ = {table("T")};
  start();
  int steps = 0;
  while (step()) {
    ++steps;
    app().execute("UPDATE T SET v = v + 1 WHERE a = " + std::to_string(steps * 40));
    app().execute("DELETE FROM T WHERE a = " + std::to_string(230 - steps));
    if (steps < 4) app().execute("UPDATE T SET a = 1000 - a WHERE a = " + std::to_string(steps));
    if (steps > 20) break;
    // Each start is a new process that knows only the log's tail.
    if (steps % 2 == 0) start();
  }
  drain_and_compare();
  EXPECT_GE(mirror_.chunks, 4);
  EXPECT_LT(mirror_.chunk_rows, 24000);
  EXPECT_EQ(mirror_.gaps, 0);
}

TEST_F(CaptureTest, ChunksAreCutByBytesToo) {
  app().execute(
      "CREATE TABLE T (id INTEGER PRIMARY KEY, v); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
      "SELECT i + 1 FROM n WHERE i < 20) INSERT INTO T SELECT i, randomblob(300000) FROM n");
  requests_ = {table("T")};
  start();
  drain_and_compare();
  EXPECT_GE(mirror_.chunks, 5);
}

TEST_F(CaptureTest, ASnapshotOnRequestRepairsTheMirror) {
  app().execute("CREATE TABLE T (id INTEGER PRIMARY KEY, v); INSERT INTO T VALUES (1, 1), (2, 2)");
  requests_ = {table("T")};
  start();
  drain();
  source_->request_snapshot("t");
  drain_and_compare();
  EXPECT_EQ(mirror_.chunks, 2);
  // While nothing changes, only the ordinal grows.
  EXPECT_EQ(source_->checkpoint().position.commit, source_->newest().commit);
}

TEST_F(CaptureTest, StatementsOfTheApplicationSucceed) {
  app().execute(
      "CREATE TABLE T (id INTEGER PRIMARY KEY, name TEXT UNIQUE, \"odd name\", price, note);"
      "CREATE UNIQUE INDEX te ON T (lower(\"odd name\"), price) WHERE price > 0;"
      "CREATE TABLE \"new\" (id INTEGER PRIMARY KEY, k1 UNIQUE, t);"
      "CREATE TABLE \"select\" (\"key\" TEXT NOT NULL, \"group\" UNIQUE, PRIMARY KEY (\"key\"))");
  requests_ = {table("T"), table("new"), table("select")};
  start();
  drain();
  app().execute("PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON");
  app().execute("INSERT INTO T VALUES (1, 'a', 'X', 5, 'n'), (2, 'b', 'Y', 5, 'n')");
  app().execute("REPLACE INTO T VALUES (3, 'c', 'x', 5, 'n')");
  app().execute("REPLACE INTO \"new\" VALUES (1, 'k', 1); REPLACE INTO \"new\" VALUES (2, 'k', 1)");
  app().execute("REPLACE INTO \"select\" VALUES ('a', 1); REPLACE INTO \"select\" VALUES ('b', 1)");
  app().execute("INSERT INTO T (name) VALUES ('a') ON CONFLICT (name) DO UPDATE SET price = 6");
  EXPECT_EQ(count("SELECT changes()"), 1);
  app().execute("INSERT INTO T (name) VALUES ('z')");
  EXPECT_EQ(count("SELECT last_insert_rowid()"), 5);
  drain_and_compare();
  // Any change of the schema but the one that check names.
  app().execute(
      "ALTER TABLE T DROP COLUMN note; ALTER TABLE T RENAME COLUMN price TO cost;"
      "ALTER TABLE T RENAME COLUMN \"odd name\" TO even; ALTER TABLE T ADD COLUMN extra DEFAULT 5;"
      "REPLACE INTO T (id, name, even, cost) VALUES (9, 'd', 'X', 5)");
  drain_and_compare();
  app().execute("DROP INDEX te; VACUUM; REINDEX; ANALYZE");
  drain_and_compare();
  app().execute("ALTER TABLE T DROP COLUMN cost");
  drain_and_compare();
}

// REPLACE puts the column's default for an explicit null, and so displaces the row that holds it.
TEST_F(CaptureTest, RowsDisplacedByADefaultAreSeen) {
  const std::vector<std::string> defaults = {"TRUE",
                                             "false",
                                             "5 /* five */",
                                             "- 3",
                                             "CURRENT_DATE",
                                             "(date('now') || 'Z')",
                                             "(1 + 2 * 3)",
                                             "plain",
                                             "'it''s'",
                                             "\"quoted\"",
                                             "(abs(random()) % 1)"};
  for (std::size_t i = 0; i < defaults.size(); ++i) {
    std::string name = "T" + std::to_string(i);
    app().execute("CREATE TABLE " + name + " (id INTEGER PRIMARY KEY, v, u NOT NULL DEFAULT " +
                  defaults[i] + " UNIQUE)");
    requests_.push_back(table(name));
  }
  start();
  for (const TableRequest& request : requests_) {
    app().execute("INSERT INTO " + request.name + " (id) VALUES (1);" + "INSERT INTO " +
                  request.name + " VALUES (2, 0, 'other')");
  }
  drain_and_compare();
  auto chunks = mirror_.chunks;
  for (std::size_t i = 0; i < defaults.size(); ++i) {
    app().execute("REPLACE INTO T" + std::to_string(i) + " VALUES (3, 0, NULL)");
    EXPECT_EQ(count("SELECT count(*) FROM T" + std::to_string(i)), 2) << defaults[i];
    drain();
    expect_equal("insert, default " + defaults[i]);
    app().execute("UPDATE OR REPLACE T" + std::to_string(i) + " SET u = NULL WHERE id = 2");
    EXPECT_EQ(count("SELECT count(*) FROM T" + std::to_string(i)), 1) << defaults[i];
    drain();
    expect_equal("update, default " + defaults[i]);
  }
  EXPECT_EQ(mirror_.chunks, chunks + 2) << "only the default that differs has its table read again";
  EXPECT_EQ(mirror_.gaps, 0);
}

TEST_F(CaptureTest, AColumnWhoseDefaultCannotBeForeseenMayBeDropped) {
  app().execute(
      "CREATE TABLE T (id INTEGER PRIMARY KEY, v, u NOT NULL DEFAULT (abs(random()) % 1));"
      "CREATE UNIQUE INDEX tu ON T (u)");
  requests_ = {table("T")};
  start();
  app().execute("INSERT INTO T (id) VALUES (1)");
  drain_and_compare();
  auto chunks = mirror_.chunks;
  app().execute("REPLACE INTO T (id) VALUES (2)");
  drain_and_compare();
  EXPECT_EQ(mirror_.chunks, chunks) << "a column left out has its default before triggers run";
  app().execute("DROP INDEX tu");
  app().execute("ALTER TABLE T DROP COLUMN u");
  app().execute("INSERT INTO T VALUES (3, 3)");
  drain_and_compare();
}

TEST_F(CaptureTest, ReplaceVictimsCanBeLeftOut) {
  app().execute("CREATE TABLE T (id INTEGER PRIMARY KEY, u UNIQUE)");
  requests_ = {{"T", {}, false}};
  start();
  EXPECT_EQ(count("SELECT count(*) FROM sqlite_master WHERE name LIKE '%replace%'"), 0);
}

TEST_F(CaptureTest, PruningKeepsTheRowOfThePosition) {
  app().execute("CREATE TABLE T (id INTEGER PRIMARY KEY, a)");
  requests_ = {table("T")};
  start();
  drain();
  app().execute(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
      "INSERT INTO T SELECT i, 0 FROM n");
  drain();
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (count("SELECT count(*) FROM _tandem_log") > 2000 &&
         std::chrono::steady_clock::now() < deadline) {
    source_->poll(std::chrono::milliseconds(20), {}, *out_);
  }
  EXPECT_LE(count("SELECT count(*) FROM _tandem_log"), 2000);
  EXPECT_EQ(count("SELECT max(seq) FROM _tandem_log"), 5000);
  EXPECT_GT(count("SELECT pruned FROM _tandem_owner"), 2999);
  start();
  app().execute("UPDATE T SET a = 1 WHERE id < 10");
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 0);
}

TEST_F(CaptureTest, UninstallLeavesNothing) {
  app().execute("CREATE TABLE T (id INTEGER PRIMARY KEY, u UNIQUE)");
  requests_ = {table("T")};
  auto source = open_sqlite_source(path(), requests_);
  std::int64_t before = count("SELECT count(*) FROM sqlite_master");
  source->install();
  std::int64_t version = count("PRAGMA schema_version");
  source->install();
  EXPECT_EQ(count("PRAGMA schema_version"), version) << "installing twice changes nothing";
  EXPECT_GT(count("SELECT count(*) FROM sqlite_master"), before);
  source->uninstall();
  source->uninstall();
  EXPECT_EQ(count("SELECT count(*) FROM sqlite_master"), before);
  app().execute("INSERT INTO T VALUES (1, 1)");
}

TEST_F(CaptureTest, AReaderSeesPagesAndRows) {
  app().execute(
      "CREATE TABLE T (id INTEGER PRIMARY KEY, a); INSERT INTO T VALUES (1,1),(2,2),(3,3)");
  requests_ = {table("T")};
  start();
  drain();
  auto reader = open_sqlite_reader(path());
  const state::TableSchema& schema = mirror_.schema("T");
  auto page = reader->read(schema, {}, 2);
  ASSERT_EQ(page.rows.size(), 2U);
  page = reader->read(schema, page.to, 2);
  ASSERT_EQ(page.rows.size(), 1U);
  EXPECT_TRUE(page.to.empty());
  EXPECT_EQ(reader->read_row(schema, {state::Value::integer(2)}).first->at(1).as_integer(), 2);
  EXPECT_FALSE(reader->read_row(schema, {state::Value::integer(9)}).first.has_value());
  app().execute("UPDATE T SET a = 5");
  EXPECT_EQ(reader->read_row(schema, {state::Value::integer(2)}).second, source_->newest());
}

}  // namespace
}  // namespace tandem::capture
