// What every change log keeps of its contract (change_log.h), whichever it is: the embedded one,
// and Kafka's where TANDEM_TEST_KAFKA names a broker.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "log_batches.h"
#include "same_records.h"
#include "state/embedded_log.h"
#include "state/error.h"
#include "state/kafka_log.h"
#include "temporary_directory.h"

namespace tandem::state {
namespace {

using std::chrono::milliseconds;

// One log, opened as often as a test wants.
class Place {
 public:
  virtual ~Place() = default;
  virtual std::unique_ptr<ChangeLog> open() = 0;
  virtual std::unique_ptr<ChangeLog> open_to_read() = 0;
};

class EmbeddedPlace : public Place {
 public:
  std::unique_ptr<ChangeLog> open() override { return std::make_unique<EmbeddedLog>(path_); }
  std::unique_ptr<ChangeLog> open_to_read() override { return EmbeddedLog::open_read_only(path_); }

 private:
  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "log.db";
};

class KafkaPlace : public Place {
 public:
  explicit KafkaPlace(const std::string& brokers) {
    static std::atomic<int> made{0};
    options_.kafka.brokers = brokers;
    options_.kafka.topic = "contract-" + std::to_string(getpid()) + "-" + std::to_string(++made);
    options_.origin = {"postgresql", "contract", "db", "1"};
    EXPECT_TRUE(make_kafka_topic(options_.kafka, {}));
  }
  std::unique_ptr<ChangeLog> open() override { return std::make_unique<KafkaLog>(options_); }
  std::unique_ptr<ChangeLog> open_to_read() override {
    KafkaLogOptions options = options_;
    options.writable = false;
    return std::make_unique<KafkaLog>(options);
  }

 private:
  KafkaLogOptions options_;
};

class LogContract : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (GetParam() == std::string("embedded")) {
      place_ = std::make_unique<EmbeddedPlace>();
      return;
    }
    const char* brokers = std::getenv("TANDEM_TEST_KAFKA");
    if (brokers == nullptr) GTEST_SKIP() << "TANDEM_TEST_KAFKA names no broker";
    place_ = std::make_unique<KafkaPlace>(brokers);
  }

  std::unique_ptr<ChangeLog> open() { return place_->open(); }
  std::unique_ptr<ChangeLog> open_to_read() { return place_->open_to_read(); }

  // A log that knows the table `t`, as one does in which its changes are written.
  std::unique_ptr<ChangeLog> begun(std::uint64_t epoch = 1) {
    auto log = open();
    log->claim(epoch);
    TableSchema schema;
    schema.name = "t";
    schema.columns.resize(2);
    schema.columns[0].name = "id";
    schema.columns[1].name = "text";
    schema.key = {0};
    schema.unique_keys = {{0}};
    log->append(batch_of({Begin{{0, 0}, 1}, SchemaRecord{schema, true}, End{checkpoint_at(0)}}));
    return log;
  }

  struct Told {
    Record record;
    Offset offset;
    std::uint64_t epoch;
  };
  // What a reader gets from `from` on, until it has come to the log's end.
  static std::vector<Told> told(ChangeLog& log, Offset from) {
    std::vector<Told> all;
    auto reader = log.reader(from);
    const Offset end = log.next();
    for (Offset at = from; at < end;) {
      auto batch = reader->next(std::chrono::seconds(20), {});
      if (batch == nullptr) break;
      for (std::size_t i = 0; i < batch->records.size(); ++i) {
        all.push_back({batch->records[i], batch->offsets.at(i), batch->epoch});
      }
      at = batch->offsets.back() + 1;
    }
    return all;
  }

  static std::vector<std::uint64_t> ended(const std::vector<Told>& all) {
    std::vector<std::uint64_t> commits;
    for (const Told& each : all) {
      if (const auto* end = std::get_if<End>(&each.record)) {
        commits.push_back(end->checkpoint.position.commit);
      }
    }
    return commits;
  }

  std::unique_ptr<Place> place_;
};

TEST_P(LogContract, HasOneIdentityForAll) {
  const auto log = open();
  EXPECT_EQ(log->identity().size(), 32U);
  EXPECT_EQ(open()->identity(), log->identity());
  log->claim(1);
  EXPECT_EQ(open_to_read()->identity(), log->identity());
}

TEST_P(LogContract, GivesAReaderApartNewRecordsAtOnce) {
  const auto log = begun();
  const auto apart = open_to_read();
  const auto reader = apart->reader(log->next());
  // The machine may be busy: the quickest of some counts.
  auto quickest = std::chrono::steady_clock::duration::max();
  for (std::uint64_t commit = 1; commit <= 10; ++commit) {
    log->append(batch_of({Begin{{commit, 0}, 1}, End{checkpoint_at(commit)}}));
    const auto appended = std::chrono::steady_clock::now();
    for (Offset at = 0; at < log->next();) {
      const auto batch = reader->next(std::chrono::seconds(20), {});
      ASSERT_NE(batch, nullptr);
      at = batch->offsets.back() + 1;
    }
    quickest = std::min(quickest, std::chrono::steady_clock::now() - appended);
  }
  EXPECT_LT(quickest, milliseconds(50));
}

TEST_P(LogContract, ANewOneHasAnEmptyTail) {
  const LogTail tail = open()->read_tail();
  EXPECT_EQ(tail.epoch, 0U);
  EXPECT_EQ(tail.next, kFirstOffset);
  EXPECT_EQ(tail.checkpoint, std::nullopt);
}

TEST_P(LogContract, GivesEveryReaderAllInOrderWithGrowingOffsets) {
  const auto log = begun();
  std::vector<std::shared_ptr<Batch>> written;
  for (std::uint64_t commit = 1; commit <= 20; ++commit) {
    written.push_back(transaction_at(commit, static_cast<int>(commit % 5)));
    log->append(written.back());
    ASSERT_EQ(written.back()->offsets.size(), written.back()->records.size());
    EXPECT_EQ(written.back()->epoch, 1U);
  }
  const auto other = open_to_read();
  for (ChangeLog* reading : {log.get(), other.get()}) {
    const std::vector<Told> all = told(*reading, kFirstOffset);
    ASSERT_GT(all.size(), 4U);
    for (std::size_t i = 1; i < all.size(); ++i) EXPECT_LT(all[i - 1].offset, all[i].offset);
    std::size_t at = 4;  // Epoch, Begin, Schema, End
    for (const auto& batch : written) {
      for (std::size_t i = 0; i < batch->records.size(); ++i, ++at) {
        ASSERT_LT(at, all.size());
        EXPECT_TRUE(same_record(all[at].record, batch->records[i])) << at;
        EXPECT_EQ(all[at].offset, batch->offsets[i]);
      }
    }
    EXPECT_EQ(at, all.size());
  }
}

// A Kafka topic takes a megabyte a message.
TEST_P(LogContract, TakesRecordsOfAnySize) {
  constexpr std::size_t kLarge = 3'000'000;
  const auto log = begun();
  auto batch = transaction_at(1, 2, kLarge);
  Chunk chunk{0, {}, {}, {{Value::integer(8), Value::text(std::string(kLarge, 'r'))}}, {}};
  for (int i = 0; i < 100'000; ++i) chunk.touched.push_back({Value::integer(1'000'000'000 + i)});
  batch->records.insert(batch->records.end() - 1, std::move(chunk));
  Checkpoint& checkpoint = std::get<End>(batch->records.back()).checkpoint;
  checkpoint.source_state.assign(kLarge, 's');
  log->append(batch);
  const auto other = open_to_read();
  for (ChangeLog* reading : {log.get(), other.get()}) {
    const std::vector<Told> all = told(*reading, batch->offsets.front());
    ASSERT_EQ(all.size(), batch->records.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_TRUE(same_record(all[i].record, batch->records[i])) << i;
      EXPECT_EQ(all[i].offset, batch->offsets[i]);
    }
  }
  EXPECT_EQ(open()->read_tail().checkpoint, checkpoint);
}

TEST_P(LogContract, IsReadFromAnyOffset) {
  const auto log = begun();
  auto batch = transaction_at(1, 5);
  batch->records.insert(
      batch->records.end() - 1,
      Change{Op::kUpdate, 0, {Value::integer(1)}, {Value::integer(100), Value::text("moved")}});
  batch->records.insert(batch->records.end() - 1, Chunk{0,
                                                        {},
                                                        {Value::integer(9)},
                                                        {{Value::integer(8), Value::text("read")},
                                                         {Value::integer(9), Value::text("read")}},
                                                        {{Value::integer(3)}}});
  log->append(batch);
  const auto other = open_to_read();
  for (ChangeLog* reading : {log.get(), other.get()}) {
    for (std::size_t from = 0; from < batch->records.size(); ++from) {
      const std::vector<Told> all = told(*reading, batch->offsets[from]);
      // A record whose first messages lie before is told in part; its transaction has no Begin.
      ASSERT_FALSE(all.empty());
      EXPECT_EQ(all.back().offset, batch->offsets.back());
      if (from > 0) continue;
      ASSERT_EQ(all.size(), batch->records.size());
      for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_TRUE(same_record(all[i].record, batch->records[i])) << i;
      }
    }
  }
}

TEST_P(LogContract, AReaderWaitsForWhatIsAppended) {
  const auto log = begun();
  auto reader = log->reader(log->next());
  EXPECT_EQ(reader->next(milliseconds(20), {}), nullptr);
  std::jthread writer([&] { log->append(transaction_at(1)); });
  auto batch = reader->next(std::chrono::seconds(30), {});
  ASSERT_NE(batch, nullptr);
  EXPECT_TRUE(std::holds_alternative<Begin>(batch->records.front()));
}

TEST_P(LogContract, AReaderStopsWhenAsked) {
  const auto log = begun();
  auto reader = log->reader(log->next());
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(reader->next(std::chrono::seconds(60), stop.get_token()), nullptr);
}

TEST_P(LogContract, TheTailHasTheNewestCheckpoint) {
  {
    const auto log = begun(3);
    log->append(transaction_at(1));
    log->append(transaction_at(2));
  }
  LogTail tail = open()->read_tail();
  EXPECT_EQ(tail.epoch, 3U);
  EXPECT_EQ(tail.checkpoint, checkpoint_at(2));
  {
    const auto log = open();
    log->claim(4);
    EXPECT_EQ(log->read_tail().checkpoint, checkpoint_at(2));
    log->append(batch_of({Heartbeat{checkpoint_at(5), 1}}));
  }
  EXPECT_EQ(open()->read_tail().checkpoint, checkpoint_at(5));
  {
    const auto log = open();
    log->claim(5);
    log->append(batch_of({Begin{{6, 0}, 1}}));
  }
  tail = open()->read_tail();
  EXPECT_EQ(tail.checkpoint, checkpoint_at(5)) << "a transaction without its end never happened";
  EXPECT_EQ(tail.epoch, 5U);
  {
    const auto log = open();
    log->claim(6);
    log->append(batch_of({Gap{"restored"}}));
  }
  EXPECT_EQ(open()->read_tail().checkpoint, std::nullopt);
}

TEST_P(LogContract, TheTailIsFoundBehindALargeTransaction) {
  const auto log = begun();
  log->append(transaction_at(1));
  auto open_one = transaction_at(2, 3000);
  open_one->records.pop_back();
  log->append(open_one);
  const LogTail tail = open()->read_tail();
  EXPECT_EQ(tail.checkpoint, checkpoint_at(1));
  EXPECT_EQ(tail.epoch, 1U);
  EXPECT_EQ(tail.next, open_one->offsets.back() + 1);
}

TEST_P(LogContract, FencesTheOlderWriter) {
  const auto older = begun(1);
  older->append(transaction_at(1));
  const auto newer = open();
  EXPECT_THROW(newer->claim(1), Fenced);
  newer->claim(2);
  EXPECT_THROW(older->append(transaction_at(2)), Fenced);
  newer->append(batch_of({Heartbeat{checkpoint_at(3), 1}}));
  EXPECT_THROW(older->claim(2), Fenced);
  const LogTail tail = open()->read_tail();
  EXPECT_EQ(tail.epoch, 2U);
  EXPECT_EQ(tail.checkpoint, checkpoint_at(3)) << "what the older one wrote late does not count";
  std::vector<std::uint64_t> commits;
  for (const Told& each : told(*open_to_read(), kFirstOffset)) {
    if (const auto* end = std::get_if<End>(&each.record)) {
      commits.push_back(end->checkpoint.position.commit);
    }
  }
  EXPECT_EQ(commits, (std::vector<std::uint64_t>{0, 1}));
}

TEST_P(LogContract, MustBeClaimedBeforeItIsWritten) {
  const auto log = open();
  EXPECT_THROW(log->append(transaction_at(1)), Error);
  EXPECT_EQ(log->read_tail().epoch, 0U);
}

TEST_P(LogContract, RefusesWhatBreaksTheGrammar) {
  const auto log = begun();
  const Offset next = log->next();
  EXPECT_THROW(log->append(batch_of({End{checkpoint_at(1)}})), Error);
  EXPECT_THROW(log->append(batch_of({Change{Op::kTruncate, 0, {}, {}}})), Error);
  EXPECT_THROW(log->append(batch_of({Begin{{1, 0}, 1}, Heartbeat{checkpoint_at(1), 1}})), Error);
  EXPECT_THROW(log->append(batch_of({Epoch{9}})), Error);
  EXPECT_EQ(log->next(), next);
  log->append(batch_of({}));
  EXPECT_EQ(log->next(), next);
}

TEST_P(LogContract, ATransactionMayComeInParts) {
  const auto log = begun();
  log->append(batch_of({Begin{{1, 0}, 1}}));
  log->append(batch_of({Change{Op::kTruncate, 0, {}, {}}}));
  log->append(batch_of({Begin{{1, 0}, 1}, End{checkpoint_at(1)}}));
  EXPECT_EQ(ended(told(*open_to_read(), kFirstOffset)), (std::vector<std::uint64_t>{0, 1}));
  EXPECT_EQ(log->read_tail().checkpoint, checkpoint_at(1));
}

INSTANTIATE_TEST_SUITE_P(Logs, LogContract, testing::Values("embedded", "kafka"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace tandem::state
