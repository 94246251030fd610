// Restarts, other agents, and files that are not what they were.
#include <filesystem>

#include "capture/sqlite/owner.h"
#include "tests/unit/capture/capture_fixture.h"

namespace tandem::capture {
namespace {

namespace fs = std::filesystem;

class OwnershipTest : public CaptureTest {
 protected:
  void begin() {
    app().execute(
        "CREATE TABLE T (id INTEGER PRIMARY KEY, v); INSERT INTO T VALUES (1, 1), (2, 2)");
    requests_ = {table("T")};
    start();
    drain_and_compare();
  }
  void copy_to(const std::string& name) {
    app().execute("VACUUM INTO " + state::quote_literal(folder_.file(name)));
  }
  /// Puts another file in the place of the application's, as `mv` does, or into it, as `cp` does.
  void replace_by(const std::string& name, bool move) {
    close_app();
    fs::remove(path() + "-wal");
    fs::remove(path() + "-shm");
    if (move) {
      fs::rename(folder_.file(name), path());
    } else {
      fs::copy_file(folder_.file(name), path(), fs::copy_options::overwrite_existing);
    }
  }
  void expect_replaced() {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    for (;;) {
      try {
        source_->poll(std::chrono::milliseconds(20), {}, *out_);
      } catch (const SourceReplaced&) {
        return;
      }
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "the change was not noticed";
    }
  }
};

TEST_F(OwnershipTest, ARestartGoesOnWhereTheLogEnds) {
  begin();
  auto chunks = mirror_.chunks;
  app().execute("UPDATE T SET v = 5; INSERT INTO T VALUES (3, 3)");
  start();
  app().execute("DELETE FROM T WHERE id = 2");
  drain_and_compare();
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.chunks, chunks);
  EXPECT_EQ(mirror_.gaps, 0);
}

TEST_F(OwnershipTest, EpochsGrow) {
  begin();
  auto first = read_owner(app())->epoch;
  EXPECT_EQ(log_.read_tail().epoch, first);
  start();
  EXPECT_GT(read_owner(app())->epoch, first);
  EXPECT_EQ(read_owner(app())->since, first);
  auto far = first + 1'000'000'000'000;
  EXPECT_EQ(open_sqlite_source(path(), requests_)->claim(log_.identity(), far), far + 1);
}

TEST_F(OwnershipTest, TheOlderOfTwoIsFenced) {
  begin();
  source_->assert_owner();
  MemoryLog other("ffffffffffffffffffffffffffffffff");
  auto second = open_sqlite_source(path(), requests_);
  other.claim(second->claim(other.identity(), 0));
  EXPECT_THROW(source_->assert_owner(), state::Fenced);
  app().execute("UPDATE T SET v = 9");
  EXPECT_THROW(drain(), state::Fenced);
  second->assert_owner();
}

TEST_F(OwnershipTest, TheSameLogClaimedAgainFencesToo) {
  begin();
  auto second = open_sqlite_source(path(), requests_);
  second->claim(log_.identity(), log_.read_tail().epoch);
  EXPECT_THROW(source_->assert_owner(), state::Fenced);
}

TEST_F(OwnershipTest, AFencedAgentThatWroteLateHasItsSuccessorReadAnew) {
  app().execute("CREATE TABLE T (id INTEGER PRIMARY KEY, v); INSERT INTO T VALUES (1, 1), (2, 2)");
  requests_ = {table("T")};
  MemoryLog other("ffffffffffffffffffffffffffffffff");
  auto fenced = open_sqlite_source(path(), requests_);
  other.claim(fenced->claim(other.identity(), 0));
  fenced->report_late_writes();
  EXPECT_EQ(read_owner(app())->since, read_owner(app())->epoch) << "it is the owner itself";

  start();
  drain_and_compare();
  fenced->report_late_writes();
  expect_replaced();
  reclaim();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 1);
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 1);

  fenced->report_late_writes();  // while the successor does not run
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 2);
}

TEST_F(OwnershipTest, ALateWriteBeforeTheSuccessorsFirstCheckpointIsAGapToo) {
  app().execute("CREATE TABLE T (id INTEGER PRIMARY KEY, v); INSERT INTO T VALUES (1, 1), (2, 2)");
  requests_ = {table("T")};
  MemoryLog other("ffffffffffffffffffffffffffffffff");
  auto fenced = open_sqlite_source(path(), requests_);
  other.claim(fenced->claim(other.identity(), 0));
  start();
  fenced->report_late_writes();
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 1);
}

TEST_F(OwnershipTest, AnotherLogsTurnIsAGap) {
  begin();
  MemoryLog other("ffffffffffffffffffffffffffffffff");
  auto second = open_sqlite_source(path(), requests_);
  other.claim(second->claim(other.identity(), 0));
  app().execute("UPDATE T SET v = 9; DELETE FROM T WHERE id = 1");
  // A claim that dies before its gap is in the log must not hide the gap from the next one.
  open_sqlite_source(path(), requests_)->claim(log_.identity(), log_.read_tail().epoch);
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 1);
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 1);
}

TEST_F(OwnershipTest, ALogThatLostItsTailIsAGapOncePruned) {
  begin();
  std::size_t kept = log_.batches().size();
  app().execute("BEGIN");
  for (int i = 0; i < 3000; ++i) app().execute("INSERT INTO T (v) VALUES (0)");
  app().execute("COMMIT");
  drain();
  app().execute(
      "UPDATE _tandem_owner SET pruned = 2900; DELETE FROM _tandem_log WHERE seq <= 2900");
  log_.cut(kept);
  mirror_ = Mirror();
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 1);
}

TEST_F(OwnershipTest, ALogThatLostItsTailGoesOnIfNothingWasPruned) {
  begin();
  std::size_t kept = log_.batches().size();
  app().execute("UPDATE T SET v = 8");
  drain();
  log_.cut(kept);
  mirror_ = Mirror();
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 0);
}

TEST_F(OwnershipTest, ALogPutBackFromAnOlderCopyIsAGap) {
  begin();
  std::size_t kept = log_.batches().size();
  start();
  app().execute("UPDATE T SET v = 8; INSERT INTO T VALUES (3, 3)");
  drain();
  // Changed back: nothing at the source tells that there was anything.
  app().execute("UPDATE T SET v = id; DELETE FROM T WHERE id = 3");
  log_.cut(kept);
  mirror_ = Mirror();
  // A claim that dies before its gap is in the log must not hide the gap from the next one.
  open_sqlite_source(path(), requests_)->claim(log_.identity(), log_.read_tail().epoch);
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 1);
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 1);
}

TEST_F(OwnershipTest, AnOlderCopyMovedInIsAGap) {
  begin();
  copy_to("backup.db");
  app().execute("UPDATE T SET v = 7; INSERT INTO T VALUES (3, 3)");
  drain();
  replace_by("backup.db", true);
  expect_replaced();
  reclaim();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 1);
  app().execute("INSERT INTO T VALUES (3, 33)");
  drain_and_compare("positions go on above the old ones");
}

TEST_F(OwnershipTest, AnOlderCopyCopiedInWhileStopped) {
  begin();
  copy_to("backup.db");
  app().execute("UPDATE T SET v = 7; INSERT INTO T VALUES (3, 3)");
  drain();
  source_.reset();
  replace_by("backup.db", false);
  // The application goes on and passes the position that the log is at.
  app().execute("INSERT INTO T VALUES (10, 1), (11, 1), (12, 1), (13, 1), (14, 1)");
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 1);
}

TEST_F(OwnershipTest, ACopyFromBeforeTheFirstClaim) {
  app().execute("CREATE TABLE T (id INTEGER PRIMARY KEY, v); INSERT INTO T VALUES (1, 1), (2, 2)");
  copy_to("backup.db");
  requests_ = {table("T")};
  start();
  drain();
  app().execute("UPDATE T SET v = 7");
  drain();
  replace_by("backup.db", true);
  expect_replaced();
  reclaim();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 1);
}

TEST_F(OwnershipTest, TheTablesTakenAwayWhileRunning) {
  begin();
  app().execute("UPDATE T SET v = 4");
  drain();
  open_sqlite_source(path(), requests_)->uninstall();
  app().execute("UPDATE T SET v = 3");
  expect_replaced();
  reclaim();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 1);
}

TEST_F(OwnershipTest, AVacuumedFileIsTheSame) {
  begin();
  app().execute("UPDATE T SET v = 4; VACUUM");
  drain_and_compare();
  app().execute("PRAGMA journal_mode = wal; UPDATE T SET v = 5");
  drain_and_compare();
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.gaps, 0);
}

TEST_F(OwnershipTest, AFileThatIsGoneIsAnError) {
  begin();
  close_app();
  fs::remove(path());
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  EXPECT_THROW(
      while (std::chrono::steady_clock::now() < deadline) {
        source_->poll(std::chrono::milliseconds(20), {}, *out_);
      },
      state::Error);
}

TEST(SourceStateTest, GoesThroughText) {
  SourceState state{7, 8, 9, 18446744073709551615U, {{1, 2}, {3, 18446744073709551615U}}};
  auto back = SourceState::decode(state.encode());
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->encode(), state.encode());
  EXPECT_EQ(back->tables.size(), 2U);
  EXPECT_FALSE(SourceState::decode("").has_value());
  EXPECT_FALSE(SourceState::decode("2 1 1 1 1").has_value());
  EXPECT_FALSE(SourceState::decode("1 1 x").has_value());
}

}  // namespace
}  // namespace tandem::capture
