// Documents that rest because a table of theirs is not whole: whatever makes one dirty meanwhile,
// it is not built before the table has been read. That a turn has come and found nothing to build
// is seen by another document, which does not rest and is written.
#include <gtest/gtest.h>

#include <future>

#include "reconciler_world.h"

namespace tandem::sink {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

class RestingDocuments : public ::testing::Test {
 protected:
  // What a thing's row becomes is at the target: all that was dirty before has had its turn.
  void let_turns_pass() {
    for (int i = 0; i < 3; ++i) {
      world.begin();
      world.thing(900, "bystander", "note " + std::to_string(++bystander));
      world.end();
      const std::int64_t written = ++bystander_writes;
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (world.reconciler->status().written < written) {
        ASSERT_FALSE(world.ended());
        ASSERT_LT(std::chrono::steady_clock::now(), until);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  }
  std::size_t writes_to(const std::string& key) {
    return static_cast<std::size_t>(std::count_if(
        world.target.log.begin(), world.target.log.end(),
        [&](const Write& write) { return encode_key(write.item, {"PK"}) == World::key(key); }));
  }
  // The names of two children change, and the table is read again as far as the first of them.
  void read_half_of_the_children() {
    world.begin();
    for (int i = 1; i <= 2; ++i) world.put("Child", {number(i), number(1), string("after")});
    world.drop();
    world.read_half("Child", 1);
  }
  void load() {
    world.begin();
    world.put("Parent", {number(1), string("p")});
    for (int i = 1; i <= 2; ++i) world.put("Child", {number(i), number(1), string("before")});
    world.snapshot();
    ASSERT_TRUE(world.settle());
    world.target.log.clear();
    world.target.reads = 0;
  }

  World world;
  int bystander = 0;
  std::int64_t bystander_writes = 0;
};

TEST_F(RestingDocuments, AContestedDeadLetterOfAnEarlierLifeWaits) {
  world.begin();
  world.thing(1, "a", "of one");
  world.thing(2, "a", "of two");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(world.ledger->dead_letters().size(), 1U);
  // The document gets a lookup into a table that nobody has captured yet.
  world.documents[0].relations = {one("tag", "Tag", {"id"})};
  world.documents[0].item.entries.emplace_back("Tag", text("{tag.name}"));
  world.documents[0].source_text = "thing with tag";
  world.open_replica();
  world.open_ledger();
  world.start();
  world.begin();
  world.put("Parent", {number(1), string("p")});
  world.end();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (world.reconciler->status().written < 1) {
    ASSERT_FALSE(world.ended());
    ASSERT_LT(std::chrono::steady_clock::now(), until);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(world.ledger->dead_letters().size(), 1U);
  world.begin();
  world.thing(1, "b", "of one");
  world.end();
  world.begin();
  world.put("Tag", {number(2), number(0), string("tag of two")});
  world.snapshot({"Tag"});
  ASSERT_TRUE(world.settle());
  world.stop();
  EXPECT_TRUE(world.ledger->dead_letters().empty());
  world.expect_equal();
}

TEST_F(RestingDocuments, AContenderWhoseKeyIsReleasedWaits) {
  world.begin();
  world.thing(1, "P#7", "has the parent's key");
  world.snapshot();
  world.round_documents = 1;
  ASSERT_TRUE(world.settle());
  world.begin();
  world.put("Parent", {number(7), string("before")});
  world.end();
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(world.ledger->dead_letters().size(), 1U);
  ASSERT_EQ(world.ledger->dead_letters()[0].document, "parent");
  world.start();
  ASSERT_TRUE(world.wait_idle());
  world.read_half("Parent", 0);
  world.begin();
  world.thing(1, "elsewhere", "has released it");
  world.end();
  world.target.log.clear();
  ++bystander_writes;
  let_turns_pass();
  world.stop();
  // The first write is the release.
  EXPECT_EQ(writes_to("P#7"), 1U);
  EXPECT_FALSE(world.target.living().contains({0, World::key("P#7")}));

  world.begin();
  world.put("Parent", {number(7), string("after")});
  world.drop();
  world.snapshot({"Parent"});
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(world.ledger->dead_letters().empty());
  world.expect_equal();
}

TEST_F(RestingDocuments, OneThatIsToBeReadBackWhenItLandsWaits) {
  load();
  std::promise<void> reading;
  int waits = 0;
  world.target.before_wait = [&] {
    // Of the first write the answer is lost, while the table begins to be read again.
    world.target.lose_one_in = waits == 0 ? 1 : 0;
    if (waits++ > 0) return;
    read_half_of_the_children();
    reading.set_value();
  };
  world.start();
  world.begin();
  world.put("Parent", {number(1), string("renamed")});
  world.end();
  reading.get_future().wait();
  let_turns_pass();
  world.stop();
  EXPECT_EQ(writes_to("P#1"), 1U);
  EXPECT_EQ(world.target.reads, 0);
  world.snapshot({"Child"});
  ASSERT_TRUE(world.settle());
  world.expect_equal();
}

TEST_F(RestingDocuments, OneThatBecameDirtyOnItsWayWaits) {
  load();
  std::promise<void> reading;
  int waits = 0;
  world.target.before_wait = [&] {
    ++waits;
    // The answer comes only after another change of the row has been seen and the table has begun
    // to be read again.
    world.target.hold_one_in = waits == 1 ? 1 : 0;
    if (waits == 1) {
      world.begin();
      world.put("Parent", {number(1), string("renamed again")});
      world.end();
    } else if (waits == 2) {
      read_half_of_the_children();
      reading.set_value();
    }
  };
  world.start();
  world.begin();
  world.put("Parent", {number(1), string("renamed")});
  world.end();
  reading.get_future().wait();
  ++bystander_writes;
  let_turns_pass();
  world.stop();
  EXPECT_EQ(writes_to("P#1"), 1U);
  world.snapshot({"Child"});
  ASSERT_TRUE(world.settle());
  world.expect_equal();
}

}  // namespace
}  // namespace tandem::sink
