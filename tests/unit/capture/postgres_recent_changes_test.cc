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

TEST(PostgresRecentChanges, ForgetsWhatAllViewsSee) {
  RecentChanges recent;
  recent.begin(10);
  recent.change("t", {}, key(1), {});
  const Visibility older("10:10:"), newer("11:11:");
  recent.forget({&older, &newer});
  EXPECT_NE(find(recent.unseen("t", older), 1), nullptr);
  recent.forget({&newer});
  EXPECT_EQ(find(recent.unseen("t", older), 1), nullptr);
}

}  // namespace
}  // namespace tandem::capture::postgres
