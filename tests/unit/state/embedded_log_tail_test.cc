// What capture learns from the tail, and what retention lets go of.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "log_batches.h"
#include "same_records.h"
#include "state/embedded_log.h"
#include "state/error.h"
#include "state/log_format.h"
#include "state/sqlite.h"
#include "temporary_directory.h"

namespace tandem::state {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class EmbeddedLogTailTest : public testing::Test {
 protected:
  LogTail tail_after(const std::vector<std::vector<Record>>& batches) {
    std::string path = directory_ / ("log" + std::to_string(++made_) + ".db");
    EmbeddedLog log(path);
    log.claim(1);
    for (const auto& records : batches) log.append(batch_of(records));
    LogTail tail = log.read_tail();
    EXPECT_EQ(EmbeddedLog(path).read_tail().checkpoint, tail.checkpoint);
    return tail;
  }
  static Begin begin(std::uint64_t commit) { return {{commit, 0}, 1}; }
  static End end(std::uint64_t commit) { return {checkpoint_at(commit)}; }
  static Heartbeat beat(std::uint64_t commit) { return {checkpoint_at(commit), 1}; }
  static Change change() { return {Op::kDelete, 0, {Value::integer(1)}, {}}; }

  TemporaryDirectory directory_;
  int made_ = 0;
};

TEST_F(EmbeddedLogTailTest, IsEmptyInANewLog) {
  EmbeddedLog log(directory_ / "log.db");
  LogTail tail = log.read_tail();
  EXPECT_EQ(tail.epoch, 0U);
  EXPECT_EQ(tail.next, 1);
  EXPECT_EQ(tail.checkpoint, std::nullopt);
}

TEST_F(EmbeddedLogTailTest, GivesTheNewestCheckpoint) {
  LogTail tail = tail_after({{begin(1), change(), end(1)}, {begin(2), end(2)}});
  EXPECT_EQ(tail.epoch, 1U);
  EXPECT_EQ(tail.next, 7);
  EXPECT_EQ(tail.checkpoint, checkpoint_at(2));
  EXPECT_EQ(tail_after({{begin(1), end(1)}, {beat(5)}}).checkpoint, checkpoint_at(5));
  EXPECT_EQ(tail_after({{beat(5), begin(6), end(6)}}).checkpoint, checkpoint_at(6));
}

TEST_F(EmbeddedLogTailTest, IgnoresATransactionWithoutItsEnd) {
  EXPECT_EQ(tail_after({{begin(1), end(1)}, {begin(2), change()}, {change()}}).checkpoint,
            checkpoint_at(1));
  EXPECT_EQ(tail_after({{begin(2), change()}}).checkpoint, std::nullopt);
}

TEST_F(EmbeddedLogTailTest, StartsOverAfterAGap) {
  EXPECT_EQ(tail_after({{begin(1), end(1), Gap{"restored"}}}).checkpoint, std::nullopt);
  EXPECT_EQ(tail_after({{begin(1), end(1)}, {Gap{"restored"}}, {begin(2)}}).checkpoint,
            std::nullopt);
  EXPECT_EQ(tail_after({{begin(1), end(1)}, {Gap{"restored"}}, {begin(2), end(2)}}).checkpoint,
            checkpoint_at(2));
}

// append() fences older writers; but should a record of one stand in the file, it does not count.
TEST_F(EmbeddedLogTailTest, IgnoresALowerEpochBehindAHigherOne) {
  std::string path = directory_ / "log.db";
  EmbeddedLog log(path);
  log.claim(5);
  log.append(batch_of({beat(1)}));
  log.claim(6);
  log.append(batch_of({beat(2)}));
  {
    Batch stale = *batch_of({beat(99)});
    BlockEncoder encoder;
    Database database(path, OpenMode::kReadWrite);
    database.prepare("INSERT INTO blocks VALUES(5, 5, 5, 0, ?1)")
        .bind_blob(1, encoder.encode(stale, 0, 5, 5).bytes)
        .run();
  }
  LogTail tail = log.read_tail();
  EXPECT_EQ(tail.checkpoint, checkpoint_at(2));
  EXPECT_EQ(tail.epoch, 6U);
  EXPECT_EQ(tail.next, 6);
}

class RetentionTest : public testing::Test {
 protected:
  EmbeddedLogOptions options_;
  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "log.db";
};

TEST_F(RetentionTest, LetsGoOfWhatIsOldAndNotNeeded) {
  options_.retention_age = seconds(-1);  // every block is old at once
  EmbeddedLog log(path_, options_);
  log.claim(1);
  for (std::uint64_t commit = 1; commit <= 40; ++commit) log.append(transaction_at(commit));
  // Each transaction is a block of three records: the one of 20 begins at 2 + 19 * 3.
  log.prune(59 + 1);
  EXPECT_EQ(log.first(), 59);
  EXPECT_EQ(read_all(log, 59).size(), 63U);
  try {
    EmbeddedLog(path_).reader(58)->next(milliseconds(0), {});
    ADD_FAILURE() << "read what is gone";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("offset 58"), std::string::npos) << error.what();
    EXPECT_NE(error.message().find("59"), std::string::npos) << error.what();
  }
}

TEST_F(RetentionTest, KeepsWhatIsYoungAndSmall) {
  EmbeddedLog log(path_, options_);
  log.claim(1);
  for (std::uint64_t commit = 1; commit <= 10; ++commit) log.append(transaction_at(commit));
  log.prune(log.next());
  EXPECT_EQ(log.first(), 1);
}

TEST_F(RetentionTest, KeepsTheTailWhateverIsNeeded) {
  options_.retention_age = seconds(-1);
  {
    EmbeddedLog log(path_, options_);
    log.claim(7);
    log.append(transaction_at(1));
    log.append(transaction_at(2));
    log.append(batch_of({Begin{{3, 0}, 1}}));
  }
  EmbeddedLog log(path_, options_);
  log.prune(log.next());
  EXPECT_EQ(log.first(), 5);  // the transaction at 2; the open one comes behind it
  LogTail tail = log.read_tail();
  EXPECT_EQ(tail.checkpoint, checkpoint_at(2));
  EXPECT_EQ(tail.epoch, 7U);
  EXPECT_EQ(tail.next, 9);
  // Even with nothing but gaps and epochs, offsets are not given twice.
  log.claim(8);
  log.append(batch_of({Gap{"why"}}));
  log.prune(log.next());
  EXPECT_EQ(log.next(), 11);
  EXPECT_EQ(log.first(), 10);
  EXPECT_EQ(EmbeddedLog(path_).read_tail().epoch, 8U);
}

TEST_F(RetentionTest, KeepsWithinTheSizeAndGivesSpaceBack) {
  options_.retention_bytes = 4'000'000;
  options_.spare_bytes = 1'000'000;
  EmbeddedLog log(path_, options_);
  log.claim(1);
  for (std::uint64_t commit = 1; commit <= 60; ++commit) {
    log.append(transaction_at(commit, 10, 40'000));
  }
  std::uint64_t before = log.extent().bytes;
  ASSERT_GT(before, 10'000'000U);
  log.prune(1);
  EXPECT_EQ(log.first(), 1);  // the replica still needs it
  log.prune(log.next());
  EXPECT_GT(log.first(), 100);
  EXPECT_EQ(log.read_tail().checkpoint, checkpoint_at(60));
  Database database(path_, OpenMode::kReadWrite);
  database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  EXPECT_LT(log.extent().bytes, 6'000'000U);
  EXPECT_GT(log.extent().bytes, 3'000'000U);
  EXPECT_EQ(read_all(log, log.first()).size(), static_cast<std::size_t>(log.next() - log.first()));
}

}  // namespace
}  // namespace tandem::state
