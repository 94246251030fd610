#include "state/patience.h"

#include <gtest/gtest.h>

namespace tandem::state {
namespace {

using std::chrono::milliseconds;

TEST(Patience, IsSharedByAllWaits) {
  Patience patience(milliseconds(40));
  for (int i = 0; i < 2; ++i) {
    Patience::Wait wait(patience);
    EXPECT_FALSE(wait.is_over());
    wait.pause(milliseconds(25));
  }
  EXPECT_TRUE(patience.is_over());
  Patience::Wait another(patience);
  EXPECT_TRUE(another.is_over());
}

TEST(Patience, IsNotUsedByWhatNeverPauses) {
  Patience patience(milliseconds(1));
  {
    Patience::Wait wait(patience);
    std::this_thread::sleep_for(milliseconds(5));
    EXPECT_FALSE(wait.is_over());
  }
  EXPECT_FALSE(patience.is_over());
  EXPECT_TRUE(Patience(milliseconds(0)).is_over());
}

}  // namespace
}  // namespace tandem::state
