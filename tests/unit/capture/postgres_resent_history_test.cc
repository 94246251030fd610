#include <gtest/gtest.h>

#include "capture/postgres/resent_history.h"
#include "capture/source.h"

namespace tandem::capture::postgres {
namespace {

// The log has a transaction at 500, and everything before 800.
constexpr LoggedTransaction kNewest{500, 7};

ResentHistory from(Lsn confirmed) { return {kNewest, confirmed, 800}; }

TEST(PostgresResentHistory, TheServerOfTheLogSendsWhatIsThere) {
  ResentHistory history = from(300);
  history.heard(300);
  history.begins({400, 6, 1});
  history.has_row();
  history.heard(450);
  history.begins({500, 7, 2});
  history.has_row();
  history.begins({600, 8, 3});  // without rows of ours
  EXPECT_FALSE(history.is_checked());
  history.heard(800);
  EXPECT_TRUE(history.is_checked());
  history.begins({900, 9, 4});
  history.has_row();
}

TEST(PostgresResentHistory, NothingIsSentAgainOfWhatWasConfirmed) {
  ResentHistory history = from(501);
  history.begins({600, 8, 3});
  EXPECT_FALSE(history.is_checked());
  history.begins({800, 9, 4});
  EXPECT_TRUE(history.is_checked());
  EXPECT_TRUE(from(800).is_checked());
  EXPECT_TRUE(ResentHistory().is_checked());
}

TEST(PostgresResentHistory, ATransactionThatWasNotLogged) {
  ResentHistory history = from(501);
  history.begins({600, 8, 3});
  EXPECT_THROW(history.has_row(), SourceReplaced);
}

TEST(PostgresResentHistory, TheNewestDoesNotComeBy) {
  EXPECT_THROW(from(300).begins({501, 7, 2}), SourceReplaced);
  EXPECT_THROW(from(500).heard(501), SourceReplaced);
  EXPECT_NO_THROW(from(500).heard(500));
}

TEST(PostgresResentHistory, AnotherStandsInItsPlace) {
  EXPECT_THROW(from(300).begins({500, 8, 2}), SourceReplaced);
}

TEST(PostgresResentHistory, ALogWithoutRows) {
  ResentHistory history({}, 300, 800);
  history.begins({400, 6, 1});
  EXPECT_THROW(history.has_row(), SourceReplaced);
}

}  // namespace
}  // namespace tandem::capture::postgres
