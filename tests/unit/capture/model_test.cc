// Random applications against the mirror: whatever statements an application runs, the rows that
// the log gives are the source's, after every drain.
#include <cstdlib>
#include <random>

#include "tests/unit/capture/capture_fixture.h"

namespace tandem::capture {
namespace {

constexpr const char* kSchema = R"(
CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE, code INT, v,
                     seen INT NOT NULL DEFAULT 7);
CREATE UNIQUE INDEX parent_code ON parent (abs(code), "seen" % 3) WHERE code > 2 AND seen IS NOT 4;
CREATE TABLE child (a, b TEXT COLLATE RTRIM, pid REFERENCES parent ON DELETE CASCADE
                    ON UPDATE CASCADE, x UNIQUE, PRIMARY KEY (a, b DESC)) WITHOUT ROWID;
CREATE TABLE word (w TEXT NOT NULL PRIMARY KEY COLLATE NOCASE, n, u INT NOT NULL DEFAULT 3);
CREATE UNIQUE INDEX word_u ON word (u COLLATE NOCASE, n);
CREATE TABLE loose (k1 NOT NULL, k2 NOT NULL, v, w);
CREATE UNIQUE INDEX loose_key ON loose (k2, k1);
CREATE UNIQUE INDEX loose_w ON loose (typeof(w), w) WHERE w IS NOT NULL;
CREATE TABLE made (id INTEGER PRIMARY KEY, a TEXT, b REAL, g TEXT AS (lower(a)) VIRTUAL UNIQUE,
                   s REAL AS (b * 2) STORED) STRICT;
CREATE TABLE tree (id INTEGER PRIMARY KEY, up REFERENCES tree ON DELETE CASCADE ON UPDATE CASCADE,
                   v);
CREATE TABLE folded (w TEXT NOT NULL, n, PRIMARY KEY (w COLLATE NOCASE));
CREATE TABLE audit (id INTEGER PRIMARY KEY, what, n);
CREATE TRIGGER parent_audit AFTER INSERT ON parent BEGIN
  INSERT INTO audit (what, n) VALUES ('insert', NEW.id);
  UPDATE parent SET v = coalesce(v, 0) + 1 WHERE id = NEW.id;
END;
CREATE TRIGGER parent_bump AFTER UPDATE OF code ON parent BEGIN
  INSERT OR REPLACE INTO word (w, n, u) VALUES ('w' || (NEW.code % 4), NEW.code, NEW.id % 5);
END;
CREATE TRIGGER parent_gone BEFORE DELETE ON parent BEGIN
  UPDATE loose SET v = OLD.id WHERE k1 = OLD.id;
END;
CREATE TRIGGER loose_skip BEFORE UPDATE OF v ON loose WHEN NEW.v = 3 BEGIN SELECT RAISE(IGNORE); END;
)";

class Application {
 public:
  Application(state::Database& database, unsigned seed) : database_(database), random_(seed) {}

  // Runs one transaction of a few random statements. Statements that break a constraint fail, as an
  // application's do; nothing else may fail.
  std::string work() {
    std::string story = pick({"PRAGMA recursive_triggers = ON", "PRAGMA recursive_triggers = OFF"});
    database_.execute(story);
    database_.execute(pick({"PRAGMA trusted_schema = ON", "PRAGMA trusted_schema = OFF"}));
    bool transaction = number(3) == 0;
    if (transaction) database_.execute("BEGIN");
    for (int left = 1 + number(4); left > 0; --left) {
      std::string sql = statement();
      story += "; " + sql;
      try {
        database_.execute(sql);
      } catch (const state::SqliteError& error) {
        bool expected = error.code() == 19 || error.code() == 20;  // constraint, mismatch
        EXPECT_TRUE(expected) << error.what();
      }
    }
    if (transaction && database_.in_transaction()) {
      database_.execute(number(5) == 0 ? "ROLLBACK" : "COMMIT");
    }
    return story;
  }

 private:
  int number(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  std::string pick(std::vector<std::string> of) {
    return of[static_cast<std::size_t>(number(static_cast<int>(of.size())))];
  }
  std::string integer() { return std::to_string(number(9)); }
  std::string text() {
    return pick({"'a'", "'A'", "'b '", "'b'", "'B'", "'c'", "'C  '", "''", "'é'",
                 "CAST(x'41ff00' AS TEXT)"});
  }
  std::string any() {
    return pick({integer(), text(), "NULL", "1.5", "2.0", "-3", "x'00ff'", "x''", "1e300",
                 "9007199254740993", "0.1"});
  }
  std::string key() { return pick({integer(), text(), "2.0", "x'61'"}); }
  std::string insert() {
    return pick({"INSERT", "INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL"});
  }
  std::string update() {
    return pick({"UPDATE", "UPDATE OR REPLACE", "UPDATE OR IGNORE", "UPDATE OR FAIL"});
  }
  std::string maybe_null(const std::string& value) { return number(4) == 0 ? "NULL" : value; }

  // -1 is what NEW.rowid says before an INSERT that names none.
  std::string rowid() { return number(4) == 0 ? "-1" : integer(); }

  std::string statement() {
    switch (number(22)) {
      case 0:
        return insert() + " INTO parent (id, name, code, seen) VALUES (" + maybe_null(integer()) +
               ", " + maybe_null(text()) + ", " + integer() + ", " + maybe_null(integer()) + ")";
      case 1:
        return insert() + " INTO parent (name, code) VALUES (" + text() + ", " + integer() + ")";
      case 2:
        return update() + " parent SET name = " + text() + " WHERE id = " + integer();
      case 3:
        return update() + " parent SET " + pick({"rowid", "oid", "_ROWID_", "id"}) + " = " +
               rowid() + " WHERE id = " + integer();
      case 4:
        return update() + " parent SET code = " + integer() + ", seen = " + maybe_null(integer()) +
               " WHERE id > " + integer();
      case 5:
        return "DELETE FROM parent WHERE id = " + integer();
      case 6:
        return "INSERT INTO parent (id, name) VALUES (" + integer() + ", " + text() +
               ") ON CONFLICT (name) DO UPDATE SET code = " + integer() + ", id = " + integer();
      case 7:
        return insert() + " INTO child VALUES (" + key() + ", " + text() + ", " +
               maybe_null(integer()) + ", " + any() + ")";
      case 8:
        return update() + " child SET x = " + any() + " WHERE a = " + key();
      case 9:
        return update() + " child SET a = " + key() + ", b = " + text() + " WHERE b = " + text();
      case 10:
        return insert() + " INTO word (" + pick({"w, n, u", "w, u, n"}) + ") VALUES (" + text() +
               ", " + maybe_null(integer()) + ", " + maybe_null(integer()) + ")";
      case 11:
        return update() + " word SET w = " + text() + ", " + pick({"rowid", "OID", "_rowid_"}) +
               " = " + rowid() + " WHERE w = " + text();
      case 12:
        return insert() + " INTO word (rowid, w, n) VALUES (" + rowid() + ", " + text() + ", " +
               integer() + ")";
      case 13:
        return insert() + " INTO loose (rowid, k1, k2, v, w) VALUES (" + maybe_null(rowid()) +
               ", " + key() + ", " + key() + ", " + any() + ", " + any() + ")";
      case 14:
        return update() + " loose SET k1 = k2, k2 = k1, w = " + any() + " WHERE k1 = " + key();
      case 15:
        return insert() + " INTO made (id, a, b) VALUES (" + maybe_null(integer()) + ", " + text() +
               ", " + pick({"1", "2.5", "NULL", "-0.0"}) + ")";
      case 16:
        return update() + " made SET a = " + text() + ", b = b + 1 WHERE id = " + integer();
      case 17:
        return insert() + " INTO tree VALUES (" + integer() + ", " + maybe_null(integer()) + ", " +
               any() + ")";
      case 18:
        return pick({"DELETE FROM tree WHERE id = " + integer(),
                     update() + " tree SET id = 8 - id WHERE id = " + integer(),
                     "UPDATE tree SET up = " + maybe_null(integer()) + " WHERE id = " + integer()});
      case 19:
        return insert() + " INTO folded (rowid, w, n) VALUES (" + maybe_null(rowid()) + ", " +
               text() + ", " + any() + ")";
      case 20:
        return update() + " folded SET w = " + text() + " WHERE w = " + text();
      default:
        return "DELETE FROM " +
               pick({"child WHERE a = ", "word WHERE n = ", "loose WHERE k2 = ", "made WHERE id > ",
                     "audit WHERE n = ", "folded WHERE n = "}) +
               integer();
    }
  }

  state::Database& database_;
  std::mt19937 random_;
};

class ModelTest : public CaptureTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(ModelTest, RandomStatementsAreFollowed) {
  unsigned seed = std::random_device{}();
  if (const char* given = std::getenv("TANDEM_SEED")) {
    seed = static_cast<unsigned>(std::strtoul(given, nullptr, 10));
  }
  SCOPED_TRACE("TANDEM_SEED=" + std::to_string(seed));
  app().execute(GetParam());
  app().execute("PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON");
  app().execute(kSchema);
  for (const char* name : {"parent", "child", "word", "made", "tree", "folded", "audit"}) {
    requests_.push_back(table(name));
  }
  requests_.push_back(table("loose", {"k1", "k2"}));
  Application application(app(), seed);
  for (int i = 0; i < 20; ++i) application.work();
  start();
  drain_and_compare("the first snapshot");
  std::mt19937 dice(seed + 1);
  for (int round = 0; round < 150 && !HasFailure(); ++round) {
    std::string story;
    for (unsigned works = 1 + dice() % 5; works > 0; --works) story += application.work() + "\n";
    if (dice() % 20 == 0) start();
    if (dice() % 15 == 0) source_->request_snapshot("parent");
    drain_and_compare("round " + std::to_string(round) + ": " + story);
  }
  EXPECT_EQ(mirror_.gaps, 0);
  EXPECT_GT(mirror_.changes, 300);
}

INSTANTIATE_TEST_SUITE_P(Files, ModelTest,
                         ::testing::Values("PRAGMA journal_mode = wal",
                                           "PRAGMA journal_mode = delete",
                                           "PRAGMA encoding = 'UTF-16le'"));

}  // namespace
}  // namespace tandem::capture
