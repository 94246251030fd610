// Snapshots over a server in memory: what is published folds to the server's rows, whatever the
// stream does between a chunk's view and its message, and how far it lags behind.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

#include "tests/unit/capture/postgres_in_memory.h"

namespace tandem::capture::postgres::in_memory {
namespace {

// More is changed between one message and the next than may be remembered.
TEST_F(PostgresSnapshots, EndUnderABacklogThatIsNeverCaughtUpWith) {
  start(100, 10, 20'000);
  for (int round = 0; round < 60 && !is_whole(); ++round) {
    for (std::int64_t id = 1; id <= 100; ++id) {
      for (int time = 0; time < 5; ++time) update(id);
    }
    while (!is_whole() && reader_->read()) {
      update(1);  // between the view and the message
      update(100);
      reader_->send();
    }
    // What lies before the next messages is always the backlog above.
    for (std::size_t left = 500; left > 0 && !server_.stream.empty(); --left) stream_one();
  }
  EXPECT_TRUE(is_whole());
  stream_all();
  EXPECT_EQ(fold_.rows, server_.rows);
}

// At each message a key has just been asked for.
TEST_F(PostgresSnapshots, EndWhileKeysMoveAllTheTime) {
  start(200, 150, 1'000'000);
  int reads = 0;
  for (std::int64_t id = 200; id > 160 && !is_whole(); --id) {
    while (!is_whole() && reader_->read()) {
      ++reads;
      if (server_.rows.contains(id)) move(id, 1000 + id);
      reader_->send();
    }
    stream_all();
  }
  EXPECT_TRUE(is_whole());
  EXPECT_LE(reads, 12);
  stream_all();
  EXPECT_EQ(fold_.rows, server_.rows);
}

// When all ranges have been read, a row that is still to be read by itself goes to another key.
TEST_F(PostgresSnapshots, FollowARowThatMovesOnBeforeItWasRead) {
  start(20, 15, 1'000'000);
  server_.commit({{3, 0, {}}, {4, 0, {}}});
  ASSERT_TRUE(reader_->read());
  reader_->send();
  ASSERT_TRUE(reader_->read());
  move(20, 3);
  reader_->send();
  stream_all();
  ASSERT_FALSE(is_whole());
  EXPECT_EQ(fold_.rows.size(), 18U);
  EXPECT_NE(fold_.rows, server_.rows);
  move(3, 4);
  stream_all();
  for (int reads = 0; reads < 5 && !is_whole() && reader_->read(); ++reads) {
    reader_->send();
    stream_all();
  }
  EXPECT_TRUE(is_whole());
  EXPECT_EQ(fold_.rows, server_.rows);
}

// The fold has no row yet under the key that another is inserted to and leaves again.
TEST_F(PostgresSnapshots, ReadARowThatAnotherSharedItsKeyWith) {
  start(10, 20, 1'000'000);
  ASSERT_TRUE(reader_->read());
  const std::uint32_t xid = server_.commit({{0, 100, {7, 7}}});
  server_.stream.clear();
  reader_->send();
  snapshots_->begin(xid);
  snapshots_->change(table_, {}, row(5, {7, 7}), false);
  snapshots_->change(table_, key(5), row(100, {7, 7}), true);
  fold_.rows[100] = {7, 7};
  stream_all();
  for (int reads = 0; reads < 5 && !is_whole() && reader_->read(); ++reads) {
    reader_->send();
    stream_all();
  }
  EXPECT_TRUE(is_whole());
  EXPECT_EQ(fold_.rows, server_.rows);
}

TEST_F(PostgresSnapshots, AreExactWhateverHappensBetween) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (unsigned round = 0; round < 300; ++round) {
    std::mt19937 dice(seed + round);
    auto roll = [&](int sides) { return static_cast<int>(dice() % static_cast<unsigned>(sides)); };
    server_ = {};
    fold_.rows.clear();
    start(30, 1 + static_cast<std::size_t>(roll(12)), roll(2) == 0 ? 2'000U : 1'000'000U);
    auto write = [&] {
      const std::int64_t from = 1 + roll(45), to = 1 + roll(90);
      auto old = server_.rows.find(from);
      const bool free = !server_.rows.contains(to);
      const Content content{roll(1000), 2000 + roll(1000)};
      // A row that is not visible yet is locked.
      server_.show_all();
      const bool show = roll(3) != 0;
      if (old == server_.rows.end()) {
        server_.commit({{0, from, content}}, show);
      } else if (roll(6) == 0) {
        server_.commit({{from, 0, {}}}, show);
      } else if (free && roll(4) == 0) {  // and on at once
        server_.commit({{from, to, {content.n, 0}, false}, {to, 50 + to, {content.n, 0}, false}},
                       show);
      } else if (free && roll(2) == 0) {
        server_.commit({{from, to, {content.n, 0}, false}}, show);
      } else {
        server_.commit({{from, from, {content.n, 0}, false}}, show);
      }
    };
    const int pace = 1 + roll(4), lag = roll(60);
    for (int step = 0; step < 600 && !is_whole(); ++step) {
      for (int n = roll(pace); n > 0; --n) write();
      if (!is_whole() && roll(3) == 0 && reader_->read()) {
        if (roll(2) == 0) write();
        reader_->send();
      }
      if (roll(20) == 0) snapshots_->pass_by(server_.view());
      while (static_cast<int>(server_.stream.size()) > lag && roll(4) != 0) stream_one();
    }
    for (int step = 0; step < 1000 && !is_whole(); ++step) {  // nobody writes any more
      server_.show_all();
      if (reader_->read()) reader_->send();
      stream_all();
    }
    ASSERT_TRUE(is_whole()) << "round " << round;
    stream_all();
    ASSERT_EQ(fold_.rows, server_.rows) << "round " << round;
  }
}

}  // namespace
}  // namespace tandem::capture::postgres::in_memory
