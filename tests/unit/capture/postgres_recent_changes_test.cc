// What chunks are told of the transactions that their view does not see.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "capture/postgres/recent_changes.h"

namespace tandem::capture::postgres {
namespace {

state::Row key(std::int64_t number) { return {state::Value::integer(number)}; }

const RecentChanges::Unseen::Key* find(const RecentChanges::Unseen& unseen, std::int64_t number) {
  auto found = unseen.keys.find(state::encode_row(key(number)));
  return found == unseen.keys.end() ? nullptr : &found->second;
}

TEST(PostgresRecentChanges, TellsOnlyOfWhatTheViewDoesNotSee) {
  RecentChanges recent;
  recent.begin(10);
  recent.change("t", key(1), key(1), {});
  recent.begin(11);
  recent.change("t", {}, key(2), {});
  recent.change("other", {}, key(3), {});
  const auto unseen = recent.unseen("t", Visibility("11:12:11"));
  EXPECT_FALSE(unseen.whole_table);
  EXPECT_EQ(unseen.keys.size(), 1U);
  EXPECT_NE(find(unseen, 2), nullptr);
}

TEST(PostgresRecentChanges, AColumnThatEveryChangeLeftStillHasTheViewsValue) {
  RecentChanges recent;
  recent.begin(10);
  recent.change("t", key(1), key(1), {2, 3});
  recent.begin(11);
  recent.change("t", key(1), key(1), {3, 4});
  const Visibility blind("10:10:");
  EXPECT_EQ(find(recent.unseen("t", blind), 1)->unchanged, std::vector<int>{3});
  recent.begin(12);
  recent.change("t", key(1), key(1), {});
  EXPECT_TRUE(find(recent.unseen("t", blind), 1)->unchanged.empty());
}

TEST(PostgresRecentChanges, ARowThatWasInsertedAnewHasNothingOfTheView) {
  RecentChanges recent;
  recent.begin(10);
  recent.change("t", key(1), {}, {});
  recent.change("t", {}, key(1), {});
  recent.change("t", key(1), key(1), {2});
  EXPECT_TRUE(find(recent.unseen("t", Visibility("10:10:")), 1)->unchanged.empty());
}

TEST(PostgresRecentChanges, AMovedRowWithUnchangedValuesIsUnknown) {
  RecentChanges recent;
  recent.begin(10);
  recent.change("t", key(1), key(2), {2});
  recent.change("t", key(3), key(4), {});
  const auto unseen = recent.unseen("t", Visibility("10:10:"));
  EXPECT_TRUE(find(unseen, 2)->unknown);
  EXPECT_FALSE(find(unseen, 1)->unknown);
  EXPECT_FALSE(find(unseen, 4)->unknown);
}

TEST(PostgresRecentChanges, DoubtLastsUntilTheViewSeesIt) {
  RecentChanges recent;
  recent.begin(10);
  recent.change("t", key(1), key(2), {});
  recent.doubt("t", key(2));
  EXPECT_TRUE(find(recent.unseen("t", Visibility("10:10:")), 2)->unknown);
  EXPECT_EQ(find(recent.unseen("t", Visibility("11:11:")), 2), nullptr);
}

TEST(PostgresRecentChanges, AnEmptiedTableCannotBeUsedAtAll) {
  RecentChanges recent;
  recent.begin(10);
  recent.change("t", {}, key(1), {});
  recent.whole_table("t");
  recent.change("t", {}, key(2), {});
  EXPECT_TRUE(recent.unseen("t", Visibility("10:10:")).whole_table);
  EXPECT_FALSE(recent.unseen("t", Visibility("11:11:")).whole_table);
}

TEST(PostgresRecentChanges, ForgetsOfEachTableWhatItIsTold) {
  RecentChanges recent;
  recent.begin(10);
  recent.change("t", {}, key(1), {});
  recent.change("u", {}, key(1), {});
  recent.begin(11);
  recent.change("t", {}, key(2), {});
  const std::size_t bytes = recent.bytes();
  const Visibility blind("10:10:");
  recent.forget(
      [](const std::string& table, std::uint32_t xid) { return table == "t" && xid == 10; });
  EXPECT_EQ(find(recent.unseen("t", blind), 1), nullptr);
  EXPECT_NE(find(recent.unseen("t", blind), 2), nullptr);
  EXPECT_NE(find(recent.unseen("u", blind), 1), nullptr);
  EXPECT_LT(recent.bytes(), bytes);
  recent.forget([](const std::string&, std::uint32_t) { return true; });
  EXPECT_EQ(recent.bytes(), 0U);
  recent.change("t", {}, key(3), {});  // of the present transaction still
  EXPECT_NE(find(recent.unseen("t", blind), 3), nullptr);
}

TEST(PostgresRecentChanges, BeyondItsBytesATableCountsAsChangedAsAWhole) {
  RecentChanges recent(10'000);
  const Visibility blind("10:10:");
  recent.begin(10);
  for (int n = 0; n < 1'000; ++n) recent.change("t", {}, key(n), {});
  EXPECT_TRUE(recent.unseen("t", blind).whole_table);
  EXPECT_EQ(recent.bytes(), 0U);
  for (std::uint32_t xid = 11; xid < 1'011; ++xid) {
    recent.begin(xid);
    recent.change("u", {}, key(xid), {});
    EXPECT_LE(recent.bytes(), 10'000U);
  }
  EXPECT_TRUE(recent.unseen("u", blind).whole_table);
  EXPECT_FALSE(recent.unseen("u", Visibility("1011:1011:")).whole_table);
}

}  // namespace
}  // namespace tandem::capture::postgres
