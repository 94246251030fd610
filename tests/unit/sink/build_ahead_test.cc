// Building ahead: the same documents as the builder's own, and nothing of another state.
#include "sink/reconciler/build_ahead.h"

#include <gtest/gtest.h>

#include "reconciler_world.h"

namespace tandem::sink {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

class BuildAheadTest : public ::testing::Test {
 protected:
  BuildAheadTest() {
    world_.begin();
    for (int i = 0; i < 25; ++i) world_.thing(i, "code" + std::to_string(i), "note");
    world_.snapshot();
  }
  void read() {
    reader_.renew();
    set_.recompile(reader_.tables());
    document_ = set_.entries().front().document;
    position_ = reader_.position();
  }
  World world_;
  DocumentSet set_{world_.documents, World::tables()};
  state::ReplicaReader reader_{world_.replica_path()};
  std::shared_ptr<const Document> document_;
  state::ReplicaPosition position_;
  BuildAhead ahead_{world_.replica_path(), "_tandem"};
};

TEST_F(BuildAheadTest, BuildsWhatTheBuilderBuilds) {
  read();
  Builder builder(reader_.database(), document_, "_tandem");
  std::string after;
  int ranges = 0;
  do {
    std::vector<std::pair<std::string, BuiltDocument>> expected;
    ahead_.ask(document_, after, 10, position_);
    const std::string next =
        builder.build_range(after, 10, [&](std::string root, BuiltDocument built) {
          expected.emplace_back(std::move(root), std::move(built));
        });
    std::optional<BuildAhead::Range> range = ahead_.take(document_, after, position_);
    ASSERT_TRUE(range.has_value());
    EXPECT_EQ(range->next, next);
    ASSERT_EQ(range->documents.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(range->documents[i].first, expected[i].first);
      ASSERT_EQ(range->documents[i].second.items.size(), 1U);
      EXPECT_EQ(range->documents[i].second.items[0].hash, expected[i].second.items[0].hash);
    }
    after = next;
    ++ranges;
  } while (!after.empty());
  EXPECT_EQ(ranges, 3);
}

TEST_F(BuildAheadTest, GivesEachRangeOnceAndOnlyTheOneAskedForLast) {
  read();
  EXPECT_FALSE(ahead_.take(document_, "", position_).has_value());
  ahead_.ask(document_, "", 10, position_);
  ahead_.ask(document_, world_.root(5), 10, position_);
  EXPECT_FALSE(ahead_.take(document_, "", position_).has_value());
  EXPECT_TRUE(ahead_.take(document_, world_.root(5), position_).has_value());
  EXPECT_FALSE(ahead_.take(document_, world_.root(5), position_).has_value());
}

TEST_F(BuildAheadTest, BuildsNothingAtAPositionThatHasPassed) {
  read();
  const state::ReplicaPosition before = position_;
  world_.begin();
  world_.thing(3, "code3", "another note");
  world_.end();
  ahead_.ask(document_, "", 10, before);
  EXPECT_FALSE(ahead_.take(document_, "", before).has_value());
  read();
  EXPECT_FALSE(ahead_.take(document_, "", position_).has_value());
  ahead_.ask(document_, "", 10, position_);
  EXPECT_TRUE(ahead_.take(document_, "", position_).has_value());
}

TEST_F(BuildAheadTest, GoesOnAfterABuildThatFailed) {
  read();
  const auto built = [this] {
    ahead_.ask(document_, "", 10, position_);
    return ahead_.take(document_, "", position_).has_value();
  };
  EXPECT_TRUE(built());
  state::Database other(world_.replica_path(), state::OpenMode::kReadWrite);
  other.execute("ALTER TABLE Thing RENAME TO Elsewhere");
  EXPECT_FALSE(built());
  other.execute("ALTER TABLE Elsewhere RENAME TO Thing");
  EXPECT_TRUE(built());
}

}  // namespace
}  // namespace tandem::sink
