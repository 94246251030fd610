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
