#include "capture/publisher.h"

#include <functional>
#include <thread>

#include "tests/unit/capture/capture_fixture.h"

namespace tandem::capture {
namespace {

// The real source behind a gate: while it is shut, no poll gets to look, as when the file is
// locked.
class GatedSource : public Source {
 public:
  explicit GatedSource(std::unique_ptr<Source> source) : source_(std::move(source)) {}
  std::atomic<bool> shut = true;
  std::atomic<int> turned_away = 0;
  std::chrono::milliseconds takes{0};

  bool poll(std::chrono::milliseconds wait, std::stop_token stop, Transactions& out) override {
    if (!shut) {
      const bool found = source_->poll(wait, stop, out);
      if (found) std::this_thread::sleep_for(takes);
      return found;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ++turned_away;
    return false;
  }
  Catalog catalog(std::stop_token stop) override { return source_->catalog(stop); }
  std::vector<Finding> check() override { return source_->check(); }
  void install(std::stop_token stop) override { source_->install(stop); }
  std::vector<std::string> uninstall(std::stop_token stop) override {
    return source_->uninstall(stop);
  }
  std::uint64_t claim(const std::string& identity, std::uint64_t epoch,
                      std::stop_token stop) override {
    return source_->claim(identity, epoch, stop);
  }
  bool took_over() const override { return source_->took_over(); }
  void resume(std::optional<state::Checkpoint> checkpoint, Transactions& out) override {
    source_->resume(std::move(checkpoint), out);
  }
  bool has_looked() const override { return source_->has_looked(); }
  void release(const state::Checkpoint& checkpoint) override { source_->release(checkpoint); }
  state::Checkpoint checkpoint() const override { return source_->checkpoint(); }
  void request_snapshot(const std::string& table) override { source_->request_snapshot(table); }
  void assert_owner(std::stop_token stop) override { source_->assert_owner(stop); }
  void report_late_writes() override { source_->report_late_writes(); }
  state::SourcePosition newest(std::chrono::milliseconds patience, std::stop_token stop) override {
    return source_->newest(patience, stop);
  }

 private:
  std::unique_ptr<Source> source_;
};

// The real log behind a gate: while it is shut, nothing becomes durable.
class GatedLog : public state::ChangeLog {
 public:
  explicit GatedLog(state::ChangeLog& log) : log_(log) {}
  std::atomic<bool> shut = false;
  std::atomic<int> held_up = 0;

  void append(std::shared_ptr<state::Batch> batch) override {
    if (shut) ++held_up;
    while (shut) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    log_.append(std::move(batch));
  }
  const std::string& identity() const override { return log_.identity(); }
  state::LogTail read_tail() override { return log_.read_tail(); }
  void claim(std::uint64_t epoch) override { log_.claim(epoch); }
  std::unique_ptr<state::LogReader> reader(state::Offset from) override {
    return log_.reader(from);
  }
  state::Offset first() override { return log_.first(); }
  state::Offset next() override { return log_.next(); }
  void prune(state::Offset needed_from) override { log_.prune(needed_from); }
  state::LogExtent extent() override { return log_.extent(); }

 private:
  state::ChangeLog& log_;
};

class PublisherTest : public CaptureTest {
 protected:
  void begin(PublisherOptions options = {}) {
    app().execute("PRAGMA journal_mode = wal; CREATE TABLE T (id INTEGER PRIMARY KEY, v)");
    requests_ = {table("T")};
    options_ = options;
    restart();
  }
  void stop() {
    thread_ = std::jthread();
    publisher_.reset();
  }
  void restart() { restart(open_sqlite_source(path(), requests_)); }
  GatedSource& restart_gated() {
    auto gated = std::make_unique<GatedSource>(open_sqlite_source(path(), requests_));
    GatedSource& gate = *gated;
    restart(std::move(gated));
    return gate;
  }
  void restart(std::unique_ptr<Source> source) {
    stop();
    source_ = std::move(source);
    publisher_ = std::make_unique<Publisher>(*source_, gated_log_, options_);
    thread_ = std::jthread([this](std::stop_token stop) {
      try {
        publisher_->run(stop);
      } catch (const state::Error& error) {
        std::lock_guard lock(mutex_);
        failure_ = error.what();
      }
    });
  }
  void wait_until(const std::function<bool()>& true_now) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!true_now() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    ASSERT_TRUE(true_now()) << failure();
  }
  void wait_for_source() {
    wait_until([&] {
      PublisherStatus status = publisher_->status();
      return !status.snapshotting && status.transactions > 0 &&
             status.checkpoint.position >= source_->newest();
    });
    mirror_.follow(log_);
  }
  std::string failure() {
    std::lock_guard lock(mutex_);
    return failure_;
  }

  PublisherOptions options_;
  GatedLog gated_log_{log_};
  std::mutex mutex_;
  std::string failure_;
  std::unique_ptr<Publisher> publisher_;
  std::jthread thread_;  // last: it ends before what it uses
};

TEST_F(PublisherTest, FollowsAnApplication) {
  begin();
  for (int i = 0; i < 300; ++i) {
    app().execute("INSERT INTO T (v) VALUES (" + std::to_string(i) + ")");
    if (i == 150) restart();
  }
  wait_for_source();
  expect_equal();
  EXPECT_EQ(mirror_.gaps, 0);
  EXPECT_EQ(publisher_->status().epoch, log_.read_tail().epoch);
}

TEST_F(PublisherTest, ALargeTransactionGoesOutInParts) {
  begin({.batch_bytes = 10'000});
  wait_until([&] { return publisher_->status().transactions > 0; });
  std::size_t before = log_.batches().size();
  app().execute(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
      "INSERT INTO T SELECT i, 'some text' FROM n");
  wait_for_source();
  expect_equal();
  EXPECT_GT(log_.batches().size(), before + 10);
}

TEST_F(PublisherTest, AFailedAppendLosesNothing) {
  begin({.batch_bytes = 10'000});
  wait_until([&] { return publisher_->status().transactions > 0; });
  log_.fail_appends = 5;
  app().execute(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
      "INSERT INTO T SELECT i, 'some text' FROM n");
  wait_until([&] { return !failure().empty(); });
  EXPECT_NE(failure().find("append failed"), std::string::npos);
  app().execute("DELETE FROM T WHERE id > 4000");
  restart();
  wait_for_source();
  expect_equal();
}

TEST_F(PublisherTest, HeartbeatsWhileIdle) {
  begin({.heartbeat = std::chrono::milliseconds(20)});
  wait_until([&] {
    mirror_.follow(log_);
    return mirror_.heartbeats >= 3;
  });
  EXPECT_TRUE(log_.read_tail().checkpoint.has_value());
}

TEST_F(PublisherTest, AReplacedSourceIsClaimedAnew) {
  begin();
  app().execute("INSERT INTO T VALUES (1, 1)");
  wait_for_source();
  std::uint64_t epoch = publisher_->status().epoch;
  open_sqlite_source(path(), requests_)->uninstall();
  wait_until([&] {
    mirror_.follow(log_);
    return mirror_.gaps == 1 && mirror_.whole("T");
  });
  EXPECT_GT(publisher_->status().epoch, epoch);
  app().execute("INSERT INTO T VALUES (2, 2)");
  wait_for_source();
  expect_equal();
}

TEST_F(PublisherTest, AnotherAgentEndsIt) {
  begin();
  wait_until([&] { return publisher_->status().transactions > 0; });
  MemoryLog other("ffffffffffffffffffffffffffffffff");
  open_sqlite_source(path(), requests_)->claim(other.identity(), 0);
  wait_until([&] { return failure().find("taken over") != std::string::npos; });
}

TEST_F(PublisherTest, ARequestedSnapshotIsRead) {
  begin();
  app().execute("INSERT INTO T VALUES (1, 1)");
  wait_for_source();
  mirror_.follow(log_);
  auto chunks = mirror_.chunks;
  publisher_->request_snapshot("T");
  wait_until([&] {
    mirror_.follow(log_);
    return mirror_.chunks == chunks + 1;
  });
}

TEST_F(PublisherTest, NothingIsSettledBeforeTheSourceWasLookedAt) {
  begin();
  app().execute("INSERT INTO T VALUES (1, 1), (2, 2)");
  wait_for_source();
  stop();
  app().execute("ALTER TABLE T ADD COLUMN w DEFAULT 5");
  GatedSource& gate = restart_gated();
  wait_until([&] { return publisher_->status().epoch != 0 && gate.turned_away > 5; });
  EXPECT_TRUE(publisher_->status().snapshotting);
  gate.shut = false;
  wait_until([&] { return !publisher_->status().snapshotting; });
  mirror_.follow(log_);
  expect_equal();
}

TEST_F(PublisherTest, NothingIsSettledBeforeItIsDurable) {
  begin({.heartbeat = std::chrono::hours(1)});
  app().execute("CREATE TABLE U (id INTEGER PRIMARY KEY, v); INSERT INTO U VALUES (1, 1)");
  wait_for_source();
  stop();
  requests_.push_back(table("U"));
  auto source = std::make_unique<GatedSource>(open_sqlite_source(path(), requests_));
  GatedSource& gate = *source;
  gate.takes = std::chrono::milliseconds(10);  // so that its batch is appended beside it
  restart(std::move(source));
  wait_until([&] { return publisher_->status().epoch != 0; });
  gated_log_.shut = true;
  gate.shut = false;
  wait_until([&] { return gated_log_.held_up > 0; });
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(publisher_->status().snapshotting);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  gated_log_.shut = false;
  wait_until([&] { return !publisher_->status().snapshotting; });
}

TEST_F(PublisherTest, SettledOnceASourceWithoutNewsWasLookedAt) {
  begin({.heartbeat = std::chrono::hours(1)});
  app().execute("INSERT INTO T VALUES (1, 1), (2, 2)");
  wait_for_source();
  restart();
  wait_until([&] { return publisher_->status().epoch != 0 && !publisher_->status().snapshotting; });
  EXPECT_EQ(publisher_->status().transactions, 0);
}

TEST_F(PublisherTest, NoHeartbeatBeforeTheFirstLook) {
  app().execute("CREATE TABLE T (id INTEGER PRIMARY KEY, v); INSERT INTO T VALUES (1, 1), (2, 2)");
  requests_ = {table("T")};
  options_ = {.heartbeat = std::chrono::milliseconds(5)};
  GatedSource& gate = restart_gated();
  std::atomic<int> recorded = 0;
  publisher_->request_snapshot("T", [&] { ++recorded; });
  wait_until([&] { return gate.turned_away > 50; });
  EXPECT_FALSE(log_.read_tail().checkpoint.has_value());
  EXPECT_EQ(recorded, 0);
  EXPECT_TRUE(publisher_->status().snapshotting);
  gate.shut = false;
  wait_until([&] { return recorded == 1; });
  wait_for_source();
  expect_equal();
  EXPECT_EQ(mirror_.gaps, 0);
}

TEST_F(PublisherTest, StopsSoon) {
  begin();
  wait_until([&] { return publisher_->status().transactions > 0; });
  auto start = std::chrono::steady_clock::now();
  thread_.request_stop();
  thread_.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_EQ(failure(), "");
}

}  // namespace
}  // namespace tandem::capture
