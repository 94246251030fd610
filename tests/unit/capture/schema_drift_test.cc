// What an application can do to its schema while it is captured, and while it is not.
#include <thread>
#include <utility>

#include "tests/unit/capture/capture_fixture.h"

namespace tandem::capture {
namespace {

class SchemaDriftTest : public CaptureTest {
 protected:
  void begin() {
    app().execute(
        "CREATE TABLE T (id INTEGER PRIMARY KEY, name TEXT, v); CREATE TABLE U (id INTEGER PRIMARY "
        "KEY, n); INSERT INTO T VALUES (1, 'a', 1), (2, 'b', 2); INSERT INTO U VALUES (1, 1)");
    requests_ = {table("T"), table("U")};
    start();
    drain_and_compare("the start");
    schemas_ = mirror_.schemas;
    chunks_ = mirror_.chunks;
  }
  std::int64_t new_schemas() { return mirror_.schemas - std::exchange(schemas_, mirror_.schemas); }
  std::int64_t new_chunks() { return mirror_.chunks - std::exchange(chunks_, mirror_.chunks); }

 private:
  std::int64_t schemas_ = 0, chunks_ = 0;
};

TEST_F(SchemaDriftTest, AddColumnWithDefault) {
  begin();
  app().execute("ALTER TABLE T ADD COLUMN extra DEFAULT 5; INSERT INTO T VALUES (3, 'c', 3, 9)");
  EXPECT_TRUE(step());
  EXPECT_EQ(mirror_.schema("T").columns.size(), 4U);
  drain_and_compare();
  EXPECT_EQ(new_schemas(), 1);
  EXPECT_EQ(new_chunks(), 1);
}

TEST_F(SchemaDriftTest, RenameAndDropColumn) {
  begin();
  app().execute("ALTER TABLE T RENAME COLUMN name TO title");
  drain_and_compare();
  app().execute("ALTER TABLE T DROP COLUMN v; UPDATE T SET title = 'z' WHERE id = 1");
  drain_and_compare();
  app().execute("ALTER TABLE T RENAME COLUMN id TO key; UPDATE T SET key = 7 WHERE key = 1");
  drain_and_compare();
  EXPECT_EQ(new_schemas(), 3);
}

TEST_F(SchemaDriftTest, RebuildInTwelveSteps) {
  begin();
  app().execute(
      "PRAGMA foreign_keys = OFF; BEGIN; CREATE TABLE fresh (id INTEGER PRIMARY KEY, name TEXT, v "
      "DEFAULT 1); INSERT INTO fresh SELECT * FROM T; DROP TABLE T; ALTER TABLE fresh RENAME TO T;"
      "INSERT INTO T VALUES (9, 'i', 9); DELETE FROM T WHERE id = 1; COMMIT");
  app().execute("UPDATE T SET v = 22 WHERE id = 2");
  drain_and_compare();
  EXPECT_EQ(new_chunks(), 1) << "only the rebuilt table is read again";
  app().execute("INSERT INTO T VALUES (10, 'j', 10)");
  drain_and_compare("the triggers are back");
  EXPECT_EQ(new_chunks(), 0);
}

TEST_F(SchemaDriftTest, RebuildByRenamingTheOldTableAway) {
  begin();
  app().execute(
      "ALTER TABLE T RENAME TO T_old; CREATE TABLE T (id INTEGER PRIMARY KEY, name TEXT, v);"
      "INSERT INTO T SELECT * FROM T_old; INSERT INTO T VALUES (5, 'e', 5); UPDATE T_old SET v = 0;"
      "DROP TABLE T_old");
  drain_and_compare();
  app().execute("DELETE FROM T WHERE id = 5");
  drain_and_compare();
}

TEST_F(SchemaDriftTest, RebuildWhileStopped) {
  begin();
  app().execute(
      "BEGIN; CREATE TABLE fresh (id INTEGER PRIMARY KEY, name TEXT, v);"
      "INSERT INTO fresh SELECT id, name, v FROM T; DROP TABLE T; ALTER TABLE fresh RENAME TO T;"
      "INSERT INTO T VALUES (9, 'i', 9); COMMIT");
  // Somebody puts the triggers back before the capture returns: the loss must not be forgotten.
  open_sqlite_source(path(), requests_)->install();
  app().execute("UPDATE T SET v = 22 WHERE id = 2");
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 0);
}

TEST_F(SchemaDriftTest, ATableRenamedAwayIsGone) {
  begin();
  app().execute("ALTER TABLE T RENAME TO Elsewhere; INSERT INTO Elsewhere VALUES (4, 'd', 4)");
  drain();
  EXPECT_FALSE(mirror_.has("T"));
  EXPECT_EQ(count("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = "
                  "'Elsewhere'"),
            0);
  app().execute("UPDATE U SET n = 2; ALTER TABLE Elsewhere RENAME TO T");
  drain_and_compare("it came back");
}

TEST_F(SchemaDriftTest, ATableRenamedWithinOneStepStaysItself) {
  begin();
  app().execute(
      "ALTER TABLE T RENAME TO X; UPDATE X SET v = 7; ALTER TABLE X RENAME TO T; DELETE FROM T "
      "WHERE id = 2");
  drain_and_compare();
}

TEST_F(SchemaDriftTest, DropAndCreate) {
  begin();
  app().execute("DROP TABLE T");
  drain();
  EXPECT_FALSE(mirror_.has("T"));
  app().execute("UPDATE U SET n = 3");
  drain();
  app().execute(
      "CREATE TABLE T (a TEXT, b, PRIMARY KEY (a, b)) WITHOUT ROWID;"
      "INSERT INTO T VALUES ('x', 1)");
  drain_and_compare();
  app().execute("UPDATE T SET b = 2");
  drain_and_compare("its key takes more columns in the log");
}

TEST_F(SchemaDriftTest, ATableThatLosesItsKeyIsGone) {
  begin();
  app().execute("DROP TABLE T; CREATE TABLE T (a)");
  drain();
  EXPECT_FALSE(mirror_.has("T"));
}

TEST_F(SchemaDriftTest, ANewUniqueIndexIsWatched) {
  begin();
  app().execute("CREATE UNIQUE INDEX tn ON T (name); REPLACE INTO T VALUES (3, 'a', 3)");
  drain_and_compare("a REPLACE before the index was seen");
  app().execute("REPLACE INTO T VALUES (4, 'a', 3)");
  drain_and_compare("and after");
  new_chunks();
  new_schemas();
  app().execute("DROP INDEX tn");
  drain_and_compare();
  EXPECT_EQ(new_chunks(), 0) << "the triggers logged more than enough";
  EXPECT_EQ(new_schemas(), 1) << "the key is no longer unique";
}

TEST_F(SchemaDriftTest, LostTriggersAreMadeAgain) {
  begin();
  auto name = app().query_value(
      "SELECT name FROM sqlite_master WHERE name GLOB '_tandem_*_update' "
      "AND tbl_name = 'T'");
  app().execute("DROP TRIGGER " + name.bytes() + "; UPDATE T SET v = 99");
  drain_and_compare();
  EXPECT_EQ(new_chunks(), 1);
}

TEST_F(SchemaDriftTest, AnotherTablesChangeCostsNothing) {
  begin();
  app().execute(
      "CREATE TABLE Other (a); CREATE INDEX i ON T (v); CREATE VIEW W AS SELECT * FROM T");
  EXPECT_FALSE(step());
  EXPECT_EQ(new_schemas(), 0);
}

// Between an application's two statements Tandem need not have looked, and the statements that
// follow must succeed as well.
TEST_F(SchemaDriftTest, AnIndexAndItsColumnsAreDroppedAtOnce) {
  app().execute(
      "CREATE TABLE Plain (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b, v);"
      "CREATE UNIQUE INDEX plain_ab ON Plain (a, b);"
      "CREATE TABLE Odd (id INTEGER PRIMARY KEY, \"odd name\" TEXT NOT NULL DEFAULT 'x', w INT, v);"
      "CREATE UNIQUE INDEX odd_lower ON Odd (lower(\"odd name\"), v) WHERE w > 0;"
      "CREATE TABLE Wide (x TEXT, y TEXT, c, v, PRIMARY KEY (x, y)) WITHOUT ROWID;"
      "CREATE UNIQUE INDEX wide_c ON Wide (c);"
      "CREATE TABLE Keyed (k NOT NULL, u, v); CREATE UNIQUE INDEX keyed_k ON Keyed (k);"
      "CREATE UNIQUE INDEX keyed_u ON Keyed (u);"
      "INSERT INTO Plain VALUES (1, 'a', 1, 1), (2, 'b', 2, 2);"
      "INSERT INTO Odd VALUES (1, 'A', 1, 1), (2, 'B', 2, 2);"
      "INSERT INTO Wide VALUES ('x', 'y', 1, 1), ('x', 'z', 2, 2);"
      "INSERT INTO Keyed VALUES ('k', 1, 1), ('l', 2, 2)");
  requests_ = {table("Plain"), table("Odd"), table("Wide"), table("Keyed", {"k"})};
  start();
  drain_and_compare();
  app().execute(
      "REPLACE INTO Plain VALUES (3, 'A', 1, 3); REPLACE INTO Wide VALUES ('a', 'b', 1, 3)");
  app().execute("REPLACE INTO Odd VALUES (3, 'a', 1, 1); REPLACE INTO Keyed VALUES ('m', 1, 3)");
  app().execute("UPDATE OR REPLACE Plain SET a = 'B', b = 2 WHERE id = 3");
  app().execute("UPDATE OR REPLACE Wide SET c = 2 WHERE x = 'a'");
  app().execute("UPDATE OR REPLACE Odd SET \"odd name\" = 'b', v = 2, w = 9 WHERE id = 3");
  app().execute("UPDATE OR REPLACE Keyed SET u = 2 WHERE k = 'm'");
  drain_and_compare("the stand-ins hide nothing");
  EXPECT_EQ(mirror_.rows("Plain").size() + mirror_.rows("Odd").size() +
                mirror_.rows("Wide").size() + mirror_.rows("Keyed").size(),
            4U);
  app().execute(
      "BEGIN; DROP INDEX plain_ab; ALTER TABLE Plain DROP COLUMN a; ALTER TABLE Plain DROP COLUMN "
      "b;"
      "DROP INDEX odd_lower; ALTER TABLE Odd DROP COLUMN \"odd name\"; ALTER TABLE Odd DROP COLUMN "
      "w;"
      "DROP INDEX wide_c; ALTER TABLE Wide DROP COLUMN c;"
      "DROP INDEX keyed_u; ALTER TABLE Keyed DROP COLUMN u; COMMIT");
  app().execute(
      "INSERT INTO Plain VALUES (7, 7); UPDATE Plain SET v = 8, id = id + 10;"
      "REPLACE INTO Odd VALUES (7, 7), (3, 9); UPDATE OR REPLACE Odd SET v = 8; "
      "REPLACE INTO Wide VALUES ('x', 'y', 7); UPDATE Wide SET v = 8, y = 'q' WHERE x = 'x';"
      "REPLACE INTO Keyed VALUES ('k', 7); UPDATE Keyed SET v = 8, k = k || '2'; "
      "DELETE FROM Plain WHERE id = 17");
  drain_and_compare("and the columns are gone");
  app().execute("DROP INDEX keyed_k; ALTER TABLE Keyed DROP COLUMN k");
  app().execute("INSERT INTO Keyed VALUES (9); UPDATE Keyed SET v = 10; DELETE FROM Keyed");
  drain();
  EXPECT_FALSE(mirror_.has("Keyed")) << "without a key it cannot be captured any more";
}

TEST_F(SchemaDriftTest, AColumnRenamedThenDroppedWithItsIndex) {
  begin();
  app().execute("CREATE UNIQUE INDEX tn ON T (name)");
  drain_and_compare();
  app().execute("ALTER TABLE T RENAME COLUMN name TO title; REPLACE INTO T VALUES (5, 'a', 5)");
  drain_and_compare("its triggers were renamed with it");
  app().execute("DROP INDEX tn; ALTER TABLE T DROP COLUMN title; INSERT INTO T VALUES (6, 6)");
  drain_and_compare();
}

// SQLite itself leaves the table's name in the body of a trigger then; what reads the table must
// name it. docs/architecture.md says what an application can do.
TEST_F(SchemaDriftTest, ALegacyRenameIsRepairedByTheNextLook) {
  app().execute(
      "CREATE TABLE T (id INTEGER PRIMARY KEY, u UNIQUE); CREATE TABLE Bare (id INTEGER "
      "PRIMARY KEY, v)");
  requests_ = {table("T"), table("Bare")};
  start();
  drain_and_compare();
  app().execute("PRAGMA legacy_alter_table = ON");
  app().execute("ALTER TABLE Bare RENAME TO Other; INSERT INTO Other VALUES (1, 1)");
  app().execute("ALTER TABLE T RENAME TO Gone");
  EXPECT_THROW(app().execute("INSERT INTO Gone VALUES (1, 1)"), state::SqliteError);
  drain();
  // A connection that met the error holds on to its copy of the schema until it reads anything.
  app().execute("SELECT * FROM Gone");
  app().execute(
      "INSERT INTO Gone VALUES (1, 1); ALTER TABLE Gone RENAME TO T; ALTER TABLE Other RENAME TO "
      "Bare");
  drain_and_compare("they came back");
}

TEST_F(SchemaDriftTest, AMissingTableAtStartIsAnError) {
  begin();
  app().execute("DROP TABLE T");
  EXPECT_THROW(start(), state::Error);
  requests_ = {table("U")};
  start();
  drain();
  EXPECT_FALSE(mirror_.has("T")) << "a table that is not wanted any more leaves the mirror";
  expect_equal();
}

TEST_F(SchemaDriftTest, RepairWaitsForTheWriteLock) {
  begin();
  app().execute("DROP TABLE T; CREATE TABLE T (id INTEGER PRIMARY KEY, w)");
  state::Database writer(path(), state::OpenMode::kReadWrite);
  writer.execute("PRAGMA journal_mode = wal; BEGIN IMMEDIATE; UPDATE U SET n = 8");
  std::jthread release([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    writer.execute("COMMIT");
  });
  drain();
  release.join();
  drain_and_compare();
}

}  // namespace
}  // namespace tandem::capture
