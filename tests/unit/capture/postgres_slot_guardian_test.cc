#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "capture/postgres/slot_guardian.h"

namespace tandem::capture::postgres {
namespace {

using std::chrono::seconds;

constexpr std::int64_t kMega = 1'000'000, kGiga = 1'000'000'000;

class Guard : public ::testing::Test {
 protected:
  // `held` bytes at so many seconds; `safe` < 0: the server has no limit.
  void sample(int at, std::int64_t held, std::int64_t safe,
              const std::string& status = "extended") {
    Slot slot;
    slot.name = "tandem_shop";
    slot.written = 100 * kGiga;
    slot.restart = slot.written - static_cast<Lsn>(held);
    slot.wal_status = status;
    if (safe >= 0) slot.safe_wal_size = safe;
    guardian_.add(SlotGuardian::Time() + seconds(at), slot);
  }

  SlotGuardian guardian_;
};

TEST_F(Guard, SaysNothingBeforeItKnows) {
  EXPECT_FALSE(guardian_.outlook().has_value());
  EXPECT_FALSE(guardian_.warning().has_value());
  sample(0, kMega, kGiga);
  sample(10, 2 * kMega, kGiga);
  ASSERT_TRUE(guardian_.outlook().has_value());
  EXPECT_EQ(guardian_.outlook()->held_bytes, 2 * kMega);
  EXPECT_FALSE(guardian_.outlook()->bytes_per_second.has_value());
  EXPECT_FALSE(guardian_.warning().has_value());
}

TEST_F(Guard, ForecastsFromTheTrend) {
  for (int at = 0; at <= 100; at += 10) sample(at, at * kMega, 3'600 * kMega);
  const SlotGuardian::Outlook outlook = *guardian_.outlook();
  EXPECT_NEAR(*outlook.bytes_per_second, kMega, 1);
  EXPECT_NEAR(static_cast<double>(outlook.until_lost->count()), 3'600, 1);
  ASSERT_TRUE(guardian_.warning().has_value());
  EXPECT_EQ(guardian_.warning()->level, Finding::Level::kWarning);
  EXPECT_NE(guardian_.warning()->text.find("100 MB"), std::string::npos);
  EXPECT_NE(guardian_.warning()->text.find("1.0 MB each second"), std::string::npos);
  EXPECT_NE(guardian_.warning()->text.find("gives the slot up in"), std::string::npos);
}

TEST_F(Guard, SawteethAreNoTrend) {
  for (int at = 0; at <= 600; at += 5) sample(at, 10 * kMega + at % 30 * kMega, kGiga);
  EXPECT_LT(std::abs(*guardian_.outlook()->bytes_per_second), 0.01 * kMega);
  EXPECT_FALSE(guardian_.warning().has_value());
}

TEST_F(Guard, ForgetsWhatWasLongAgo) {
  for (int at = 0; at <= 600; at += 10) sample(at, at * kMega, kGiga);
  for (int at = 610; at <= 1'300; at += 10) sample(at, 600 * kMega, kGiga);
  EXPECT_NEAR(*guardian_.outlook()->bytes_per_second, 0, 1);
  EXPECT_FALSE(guardian_.outlook()->until_lost.has_value());
}

TEST_F(Guard, ManySamplesInAShortTimeKeepTheirFirst) {
  for (int at = 0; at < 60; ++at) sample(at, at * kMega, 100 * kGiga);
  EXPECT_NEAR(*guardian_.outlook()->bytes_per_second, kMega, 1);
}

TEST_F(Guard, WithoutALimitTheDiskIsTheLimit) {
  sample(0, 9 * kGiga, -1);
  EXPECT_FALSE(guardian_.warning().has_value());
  sample(60, 11 * kGiga, -1);
  ASSERT_TRUE(guardian_.warning().has_value());
  EXPECT_NE(guardian_.warning()->text.find("disk"), std::string::npos);
  EXPECT_FALSE(guardian_.outlook()->until_lost.has_value());
}

TEST_F(Guard, TellsOfTheEnd) {
  sample(0, kGiga, 0, "unreserved");
  ASSERT_TRUE(guardian_.warning().has_value());
  EXPECT_NE(guardian_.warning()->text.find("next checkpoint"), std::string::npos);
  Slot lost;
  lost.name = "tandem_shop";
  lost.wal_status = "lost";
  guardian_.add(SlotGuardian::Time() + seconds(60), lost);
  EXPECT_EQ(guardian_.warning()->level, Finding::Level::kFailure);
  EXPECT_EQ(guardian_.outlook()->until_lost, seconds(0));
}

TEST(ShownForPeople, SizesAndDurations) {
  EXPECT_EQ(shown_size(0), "0 B");
  EXPECT_EQ(shown_size(999), "999 B");
  EXPECT_EQ(shown_size(3'240'000'000), "3.2 GB");
  EXPECT_EQ(shown_size(850'000), "850 kB");
  EXPECT_EQ(shown_duration(seconds(59)), "59 s");
  EXPECT_EQ(shown_duration(seconds(2'100)), "35 min");
  EXPECT_EQ(shown_duration(seconds(7'300)), "2 h 1 min");
  EXPECT_EQ(shown_duration(seconds(187'200)), "2 d 4 h");
}

TEST_F(Guard, WhatGetsWorseIsMoreUrgent) {
  std::vector<int> urgencies;
  // A megabyte each second; what is safe shrinks by as much.
  for (int at = 0; at <= 3600; at += 60) {
    sample(at, at * kMega, 3600 * kMega - at * kMega);
    const auto warning = guardian_.warning();
    if (warning) urgencies.push_back(warning->urgency);
  }
  sample(3660, 3660 * kMega, 0, "unreserved");
  urgencies.push_back(guardian_.warning().value().urgency);
  sample(3720, 3720 * kMega, 0, "lost");
  urgencies.push_back(guardian_.warning().value().urgency);
  EXPECT_TRUE(std::is_sorted(urgencies.begin(), urgencies.end()));
  EXPECT_GE(urgencies.front(), 1);
  const std::set<int> steps(urgencies.begin(), urgencies.end());
  EXPECT_GT(steps.size(), 5U);
  EXPECT_LT(steps.size(), 15U);  // each is a line of the agent's log
}

}  // namespace
}  // namespace tandem::capture::postgres
