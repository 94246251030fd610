// What an application can do to its rows, and whether the mirror follows.
#include "tests/unit/capture/capture_fixture.h"

namespace tandem::capture {
namespace {

TEST_F(CaptureTest, FirstSnapshotThenChanges) {
  app().execute("CREATE TABLE T (id INTEGER PRIMARY KEY, a); INSERT INTO T VALUES (1,'x'),(2,2.5)");
  requests_ = {table("T")};
  start();
  drain_and_compare();
  EXPECT_EQ(mirror_.chunks, 1);
  app().execute("INSERT INTO T VALUES (3, x'00ff'); UPDATE T SET a = 9 WHERE id = 1");
  app().execute("DELETE FROM T WHERE id = 2");
  drain_and_compare();
  app().execute("UPDATE T SET rowid = 77 WHERE id = 3");
  drain_and_compare("the key changed by its alias");
  EXPECT_FALSE(step());
}

}  // namespace
}  // namespace tandem::capture
