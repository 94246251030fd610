// The embedded log as its writer and its readers see it.
#include "state/embedded_log.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <random>
#include <string>
#include <thread>

#include "log_batches.h"
#include "random_records.h"
#include "same_records.h"
#include "state/error.h"
#include "state/sqlite.h"
#include "temporary_directory.h"

namespace tandem::state {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class EmbeddedLogTest : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "log.db";
};

TEST_F(EmbeddedLogTest, HasAnIdentityForLife) {
  std::string identity;
  {
    EmbeddedLog log(path_);
    identity = log.identity();
    EXPECT_EQ(log.first(), 1);
    EXPECT_EQ(log.next(), 1);
  }
  EXPECT_EQ(identity.size(), 32U);
  EXPECT_EQ(identity.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(EmbeddedLog(path_).identity(), identity);
  EXPECT_NE(EmbeddedLog(directory_ / "other.db").identity(), identity);
}

TEST_F(EmbeddedLogTest, GivesDenseOffsetsAndTheEpoch) {
  EmbeddedLog log(path_);
  log.claim(41);
  auto batch = transaction_at(1, 3);
  log.append(batch);
  EXPECT_EQ(batch->epoch, 41U);
  EXPECT_EQ(batch->offsets, (std::vector<Offset>{2, 3, 4, 5, 6}));
  log.append(batch_of({}));
  EXPECT_EQ(log.next(), 7);
}

TEST_F(EmbeddedLogTest, ReadsBackAfterReopeningFromAnyOffset) {
  std::vector<Record> written{Epoch{5}};
  {
    EmbeddedLog log(path_);
    log.claim(5);
    for (std::uint64_t commit = 1; commit <= 20; ++commit) {
      auto batch = transaction_at(commit, 3);
      written.insert(written.end(), batch->records.begin(), batch->records.end());
      log.append(batch);
    }
  }
  EmbeddedLog log(path_);
  for (Offset from = 1; from < log.next(); ++from) {
    std::vector<Record> expected(written.begin() + (from - 1), written.end());
    ASSERT_TRUE(same_records(read_all(log, from), expected)) << from;
  }
}

TEST_F(EmbeddedLogTest, HandsTheVeryBatchToAReaderThatKeepsUp) {
  EmbeddedLog log(path_);
  log.claim(1);
  auto reader = log.reader(log.next());
  auto batch = transaction_at(1, 5);
  log.append(batch);
  EXPECT_EQ(reader->next(milliseconds(0), {}), batch);
  // From the middle of it only the rest is handed out.
  auto rest = log.reader(batch->offsets[2])->next(milliseconds(0), {});
  ASSERT_NE(rest, nullptr);
  EXPECT_EQ(rest->offsets.front(), batch->offsets[2]);
  EXPECT_EQ(rest->records.size(), batch->records.size() - 2);
  EXPECT_TRUE(same_record(rest->records[0], batch->records[2]));
}

TEST_F(EmbeddedLogTest, ReaderWaitsForAnAppend) {
  EmbeddedLog log(path_);
  log.claim(1);
  auto reader = log.reader(log.next());
  EXPECT_EQ(reader->next(milliseconds(5), {}), nullptr);
  auto waiting = std::async(std::launch::async, [&] { return reader->next(seconds(60), {}); });
  auto batch = transaction_at(1);
  log.append(batch);
  EXPECT_EQ(waiting.get(), batch);
}

TEST_F(EmbeddedLogTest, ReaderStopsWhenAsked) {
  EmbeddedLog log(path_);
  log.claim(1);
  auto beside = EmbeddedLog::open_read_only(path_);
  for (ChangeLog* from : {static_cast<ChangeLog*>(&log), static_cast<ChangeLog*>(beside.get())}) {
    std::stop_source stop;
    auto reader = from->reader(log.next());
    auto waiting = std::async(std::launch::async,
                              [&] { return reader->next(seconds(600), stop.get_token()); });
    stop.request_stop();
    EXPECT_EQ(waiting.get(), nullptr);
  }
}

// Readers of every speed see the same records while a writer appends batches of all sizes, with so
// little memory that they must go to the file and find back.
TEST_F(EmbeddedLogTest, ReadersOfEverySpeedSeeTheSame) {
  std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  EmbeddedLogOptions options;
  options.memory_bytes = 30'000;
  EmbeddedLog log(path_, options);
  log.claim(1);
  std::vector<std::shared_ptr<Batch>> batches;
  RandomRecords random(seed);
  Offset end = 2;
  for (std::uint64_t commit = 1; commit <= 150; ++commit) {
    batches.push_back(transaction_at(commit, static_cast<int>(random.below(60)), 30));
    end += static_cast<Offset>(batches.back()->records.size());
  }
  auto read = [&log, end](int pause_every) {
    std::vector<Record> all;
    auto reader = log.reader(2);
    Offset expected = 2;
    for (int turn = 0; expected < end; ++turn) {
      auto batch = reader->next(seconds(30), {});
      if (batch == nullptr || batch->offsets.front() != expected) return all;
      expected = batch->offsets.back() + 1;
      all.insert(all.end(), batch->records.begin(), batch->records.end());
      if (pause_every > 0 && turn % pause_every == 0) {
        std::this_thread::sleep_for(milliseconds(3));
      }
    }
    return all;
  };
  auto fast = std::async(std::launch::async, read, 0);
  auto slow = std::async(std::launch::async, read, 1);
  auto uneven = std::async(std::launch::async, read, 25);
  std::vector<Record> written;
  for (const auto& batch : batches) {
    log.append(batch);
    written.insert(written.end(), batch->records.begin(), batch->records.end());
  }
  EXPECT_TRUE(same_records(fast.get(), written));
  EXPECT_TRUE(same_records(slow.get(), written));
  EXPECT_TRUE(same_records(uneven.get(), written));
}

TEST_F(EmbeddedLogTest, CanBeReadBesideItsWriter) {
  EXPECT_THROW(EmbeddedLog::open_read_only(path_), Error);
  EmbeddedLog log(path_);
  log.claim(3);
  auto beside = EmbeddedLog::open_read_only(path_);
  EXPECT_EQ(beside->identity(), log.identity());
  auto reader = beside->reader(1);
  ASSERT_NE(reader->next(seconds(30), {}), nullptr);
  EXPECT_EQ(reader->next(milliseconds(30), {}), nullptr);
  auto waiting = std::async(std::launch::async, [&] { return reader->next(seconds(60), {}); });
  auto batch = transaction_at(9, 2);
  log.append(batch);
  auto found = waiting.get();
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->offsets, batch->offsets);
  EXPECT_TRUE(same_records(found->records, batch->records));
  EXPECT_EQ(beside->next(), log.next());
  EXPECT_EQ(beside->read_tail().checkpoint, checkpoint_at(9));
  EXPECT_THROW(beside->claim(8), Error);
  EXPECT_THROW(beside->append(transaction_at(10)), Error);
  EXPECT_THROW(beside->prune(1), Error);
}

TEST_F(EmbeddedLogTest, CanBeReadWhenNobodyWrites) {
  {
    EmbeddedLog log(path_);
    log.claim(3);
    log.append(transaction_at(1));
  }
  EXPECT_EQ(read_all(*EmbeddedLog::open_read_only(path_)).size(), 4U);
}

TEST_F(EmbeddedLogTest, FencesTheOlderWriter) {
  EmbeddedLog older(path_);
  older.claim(10);
  older.append(transaction_at(1));
  EmbeddedLog younger(path_);
  EXPECT_THROW(younger.claim(10), Fenced);
  EXPECT_THROW(younger.claim(9), Fenced);
  younger.claim(11);
  EXPECT_THROW(older.append(transaction_at(2)), Fenced);
  EXPECT_THROW(older.claim(11), Fenced);
  younger.append(transaction_at(3));
  EXPECT_THROW(older.append(transaction_at(4)), Fenced);
  std::vector<Record> all = read_all(younger);
  ASSERT_EQ(all.size(), 8U);
  EXPECT_TRUE(same_record(all[4], Epoch{11}));
  EXPECT_EQ(younger.read_tail().checkpoint, checkpoint_at(3));
}

TEST_F(EmbeddedLogTest, RefusesAnAppendBeforeTheClaim) {
  EmbeddedLog log(path_);
  EXPECT_THROW(log.append(transaction_at(1)), Error);
  EXPECT_EQ(log.next(), 1);
}

TEST_F(EmbeddedLogTest, RefusesWhatBreaksTheGrammar) {
  EmbeddedLog log(path_);
  log.claim(1);
  Change change{Op::kDelete, 0, {Value::integer(1)}, {}};
  Begin begin{{1, 0}, 1};
  End end{checkpoint_at(1)};
  Heartbeat beat{checkpoint_at(1), 1};
  for (const std::vector<Record>& records : std::vector<std::vector<Record>>{
           {change}, {end}, {begin, beat}, {begin, Gap{"why"}}, {Epoch{2}}, {begin, end, end}}) {
    EXPECT_THROW(log.append(batch_of(records)), Error);
  }
  EXPECT_EQ(log.next(), 2);
  // A transaction may come in several batches, and be cut off by another Begin.
  log.append(batch_of({begin, change}));
  EXPECT_THROW(log.append(batch_of({beat})), Error);
  log.append(batch_of({change}));
  log.append(batch_of({begin, change, end}));
  log.append(batch_of({begin}));
  // A new claim begins afresh.
  log.claim(2);
  EXPECT_THROW(log.append(batch_of({change, end})), Error);
  log.append(batch_of({beat}));
}

TEST_F(EmbeddedLogTest, RefusesAFileThatIsNoLog) {
  Database(path_, OpenMode::kReadWriteCreate).execute("CREATE TABLE x(y)");
  EXPECT_THROW(EmbeddedLog log(path_), Error);
}

TEST_F(EmbeddedLogTest, NoticesADamagedBlock) {
  {
    EmbeddedLog log(path_);
    log.claim(1);
    log.append(transaction_at(1, 10));
  }
  Database(path_, OpenMode::kReadWrite)
      .execute(
          "UPDATE blocks SET bytes = substr(bytes, 1, length(bytes) - 1) || x'00' WHERE "
          "first = 2");
  EmbeddedLog log(path_);
  auto reader = log.reader(1);
  EXPECT_NE(reader->next(milliseconds(0), {}), nullptr);
  EXPECT_THROW(reader->next(milliseconds(0), {}), Error);
}

TEST_F(EmbeddedLogTest, CutsABatchOfAnySizeIntoBlocks) {
  EmbeddedLog log(path_);
  log.claim(1);
  auto batch = transaction_at(1, 30, 600'000);
  log.append(batch);
  Database database(path_, OpenMode::kReadOnly);
  EXPECT_GT(database.query_value("SELECT count(*) FROM blocks").as_integer(), 3);
  EmbeddedLog again(path_);
  EXPECT_TRUE(same_records(read_all(again, 2), batch->records));
}

}  // namespace
}  // namespace tandem::state
