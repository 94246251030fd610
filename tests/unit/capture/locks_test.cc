// A source that the application keeps locked.
#include <functional>
#include <future>
#include <thread>

#include "capture/publisher.h"
#include "tests/unit/capture/capture_fixture.h"

namespace tandem::capture {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class LocksTest : public CaptureTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    app().execute(std::string("PRAGMA journal_mode = ") + GetParam());
    app().execute("CREATE TABLE T (id INTEGER PRIMARY KEY, v); INSERT INTO T VALUES (1, 1)");
    requests_ = {table("T")};
  }
  void lock() {
    other_ = state::Database(path(), state::OpenMode::kReadWrite);
    other_.execute("BEGIN EXCLUSIVE; UPDATE T SET v = v + 1");
  }
  void unlock_after(milliseconds time) {
    unlocker_ = std::jthread([this, time] {
      std::this_thread::sleep_for(time);
      other_.execute("COMMIT");
    });
  }
  static milliseconds duration_of(const std::function<void()>& work) {
    auto start = steady_clock::now();
    work();
    return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
  }

  state::Database other_;
  std::jthread unlocker_;
};

TEST_P(LocksTest, AStopEndsEveryWaitSoon) {
  open_sqlite_source(path(), requests_)->install();
  bool reads_too = std::string(GetParam()) == "delete";
  lock();
  std::vector<std::function<void(Source&, std::stop_token)>> calls = {
      [](Source& source, std::stop_token stop) { source.claim("0123", 0, stop); },
      [](Source& source, std::stop_token stop) { source.install(stop); },
      [](Source& source, std::stop_token stop) { source.uninstall(stop); }};
  if (reads_too) {
    calls.emplace_back([](Source& source, std::stop_token stop) { source.catalog(stop); });
    calls.emplace_back([](Source& source, std::stop_token stop) {
      source.newest(std::chrono::seconds(30), stop);
    });
  }
  for (const auto& call : calls) {
    auto source = open_sqlite_source(path(), requests_);
    std::stop_source stop;
    std::jthread stopper([&] {
      std::this_thread::sleep_for(milliseconds(100));
      stop.request_stop();
    });
    auto took = duration_of([&] { EXPECT_THROW(call(*source, stop.get_token()), SourceLocked); });
    EXPECT_LT(took, std::chrono::seconds(3));
    EXPECT_GE(took, milliseconds(100)) << "it gave up before it was told to";
  }
}

TEST_P(LocksTest, AStoppedPublisherEndsCleanly) {
  lock();
  source_ = open_sqlite_source(path(), requests_);
  Publisher publisher(*source_, log_, {});
  auto running = std::async(std::launch::async, [&] {
    return duration_of([&] {
      std::stop_source stop;
      std::jthread stopper([&] {
        std::this_thread::sleep_for(milliseconds(300));
        stop.request_stop();
      });
      publisher.run(stop.get_token());
    });
  });
  milliseconds took{};
  EXPECT_NO_THROW(took = running.get());
  EXPECT_LT(took, std::chrono::seconds(3));
  EXPECT_TRUE(log_.batches().empty()) << "nothing was claimed";
}

TEST_P(LocksTest, AShorterLockOnlyDelays) {
  lock();
  unlock_after(milliseconds(700));
  start();
  unlocker_.join();
  drain_and_compare("locked at the start");
  source_->assert_owner();
  lock();
  unlock_after(milliseconds(700));
  // Each of them meets the lock, and waits.
  source_->assert_owner();
  EXPECT_GE(source_->newest(std::chrono::seconds(20)).commit, 0U);
  auto deadline = steady_clock::now() + std::chrono::seconds(20);
  while (!step() && steady_clock::now() < deadline) std::this_thread::sleep_for(milliseconds(5));
  unlocker_.join();
  drain_and_compare("locked while running");
  EXPECT_EQ(mirror_.gaps, 0);
}

INSTANTIATE_TEST_SUITE_P(Journals, LocksTest, ::testing::Values("wal", "delete"));

}  // namespace
}  // namespace tandem::capture
