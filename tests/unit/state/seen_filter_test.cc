#include "state/seen_filter.h"

#include <gtest/gtest.h>

#include <string>

namespace tandem::state {
namespace {

std::string entry(int i) { return "entry " + std::to_string(i); }

TEST(SeenFilter, ForgetsNothingWhileItGrows) {
  SeenFilter filter;
  constexpr int kEntries = 300'000;
  for (int i = 0; i < kEntries; ++i) {
    filter.add(1, entry(i));
    if (i % 1000 == 0) {
      ASSERT_TRUE(filter.maybe(1, entry(0)));
    }
  }
  for (int i = 0; i < kEntries; ++i) ASSERT_TRUE(filter.maybe(1, entry(i))) << i;
  EXPECT_LT(filter.memory(), kEntries * 4U);
}

TEST(SeenFilter, RarelyTakesTheUnknownForKnown) {
  SeenFilter filter;
  EXPECT_FALSE(filter.maybe(1, "x"));
  constexpr int kEntries = 100'000;
  for (int i = 0; i < kEntries; ++i) filter.add(1, entry(i));
  int wrong = 0;
  for (int i = 0; i < kEntries; ++i) {
    wrong += filter.maybe(1, entry(kEntries + i)) ? 1 : 0;
    wrong += filter.maybe(2, entry(i)) ? 1 : 0;  // another space
  }
  EXPECT_LT(wrong, 2 * kEntries / 20);
}

}  // namespace
}  // namespace tandem::state
