// Appending on a thread of its own: order, what is durable when, and what a failure leaves.
#include "capture/appender.h"

#include <gtest/gtest.h>

#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "state/error.h"

namespace tandem::capture {
namespace {

// A log whose appends wait for a permit each.
class GatedLog : public state::ChangeLog {
 public:
  const std::string& identity() const override { return identity_; }
  state::LogTail read_tail() override { return {}; }
  void claim(std::uint64_t) override {}
  void append(std::shared_ptr<state::Batch> batch) override {
    std::unique_lock lock(mutex_);
    ++begun_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return permits_ > 0; });
    --permits_;
    if (batch->epoch == 13) throw state::Error("the disk is full", "log", "make room");
    epochs_.push_back(batch->epoch);
  }
  std::unique_ptr<state::LogReader> reader(state::Offset) override { return nullptr; }
  state::Offset first() override { return 1; }
  state::Offset next() override { return 1; }
  void prune(state::Offset) override {}
  state::LogExtent extent() override { return {}; }

  void permit(int more) {
    std::lock_guard lock(mutex_);
    permits_ += more;
    changed_.notify_all();
  }
  void wait_until_begun(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return begun_ >= count; });
  }
  std::vector<std::uint64_t> epochs() {
    std::lock_guard lock(mutex_);
    return epochs_;
  }

 private:
  const std::string identity_ = "gated";
  std::mutex mutex_;
  std::condition_variable changed_;
  int permits_ = 0, begun_ = 0;
  std::vector<std::uint64_t> epochs_;  // of the batches, as they were appended
};

// The epoch serves as the batch's name.
std::shared_ptr<state::Batch> batch(std::uint64_t name) {
  auto made = std::make_shared<state::Batch>();
  made->epoch = name;
  return made;
}

TEST(Appender, AppendsInOrderBesideItsCaller) {
  GatedLog log;
  Appender appender(log);
  EXPECT_EQ(appender.hand_over(batch(1)), 1U);
  log.wait_until_begun(1);
  EXPECT_EQ(appender.hand_over(batch(2)), 2U);
  EXPECT_TRUE(appender.busy());
  EXPECT_EQ(appender.durable(), 0U);
  auto third = std::async(std::launch::async, [&] { return appender.hand_over(batch(3)); });
  EXPECT_EQ(third.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout)
      << "no more than one waits";
  log.permit(4);
  EXPECT_EQ(third.get(), 3U);
  EXPECT_EQ(appender.append(batch(4)), 4U);
  EXPECT_EQ(appender.durable(), 4U);
  EXPECT_FALSE(appender.busy());
  EXPECT_EQ(log.epochs(), (std::vector<std::uint64_t>{1, 2, 3, 4}));
}

TEST(Appender, NothingFollowsAFailure) {
  GatedLog log;
  Appender appender(log);
  appender.hand_over(batch(1));
  log.wait_until_begun(1);
  appender.hand_over(batch(13));
  log.permit(2);
  EXPECT_THROW(appender.append(batch(3)), state::Error);
  EXPECT_THROW(appender.hand_over(batch(4)), state::Error);
  EXPECT_THROW(appender.durable(), state::Error);
  EXPECT_THROW(appender.busy(), state::Error);
  EXPECT_EQ(log.epochs(), std::vector<std::uint64_t>{1});
}

TEST(Appender, NothingFollowsAFailureOfTheCallersOwn) {
  GatedLog log;
  Appender appender(log);
  log.permit(2);
  EXPECT_THROW(appender.append(batch(13)), state::Error);
  EXPECT_THROW(appender.hand_over(batch(2)), state::Error);
  EXPECT_THROW(appender.append(batch(3)), state::Error);
  EXPECT_TRUE(log.epochs().empty());
}

TEST(Appender, ItsEndWaitsForTheAppendUnderWay) {
  GatedLog log;
  auto appender = std::make_unique<Appender>(log);
  appender->hand_over(batch(1));
  log.wait_until_begun(1);
  auto end = std::async(std::launch::async, [&] { appender.reset(); });
  EXPECT_EQ(end.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  log.permit(1);
  end.get();
  EXPECT_EQ(log.epochs(), std::vector<std::uint64_t>{1});
}

}  // namespace
}  // namespace tandem::capture
