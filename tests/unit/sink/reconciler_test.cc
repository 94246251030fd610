// The reconciler, one situation after another: over a real replica and ledger, with a fake target.
#include "sink/reconciler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>

#include "reconciler_world.h"

namespace tandem::sink {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

Stamp stamp(std::uint64_t epoch, state::Offset offset, const std::string& name = "test/thing") {
  Stamp made;
  made.version = {epoch, offset};
  made.name = name;
  return made;
}

Item stamped(Item item, Stamp stamp) {
  sort_map(item);
  stamp.hash = hash_item(item, "_tandem", {});
  item.emplace_back("_tandem", stamp_to_attribute(stamp));
  sort_map(item);
  return item;
}

TEST(Reconciler, LoadsEverythingOnceAndIsSilentAfterwards) {
  World world;
  world.begin();
  for (int i = 0; i < 50; ++i) world.thing(i, "code" + std::to_string(i), "note");
  world.put("Parent", {number(1), string("p")});
  for (int i = 0; i < 5; ++i) world.put("Child", {number(i), number(1), string("c")});
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.expect_equal();
  EXPECT_EQ(world.target.items.size(), 50U + 1 + 3);
  const std::int64_t writes = world.target.writes;
  EXPECT_EQ(writes, 54);

  world.open_ledger();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.target.writes, writes);
  EXPECT_EQ(world.target.reads, 0);
}

TEST(Reconciler, WritesWhatChangedAndLeavesATombstone) {
  World world;
  world.begin();
  world.thing(1, "a", "one");
  world.thing(2, "b", "one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.begin();
  world.thing(1, "a", "two");
  world.remove("Thing", 2);
  world.end();
  ASSERT_TRUE(world.settle());
  world.expect_equal();
  EXPECT_EQ(world.target.writes, 4);
  std::optional<Item> tombstone = world.target.at(0, World::key("b"));
  ASSERT_TRUE(tombstone.has_value());
  EXPECT_TRUE(stamp_of(*tombstone, "_tandem")->deleted);
}

TEST(Reconciler, AChangeThatAltersNoItemCostsNoCall) {
  World world;
  world.begin();
  world.thing(1, "a", "one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.hold_fold = true;
  world.begin();
  world.thing(1, "a", "two");
  world.end();
  world.begin();
  world.thing(1, "a", "one");
  world.end();
  world.fold(2);
  world.hold_fold = false;
  const std::int64_t writes = world.target.writes;
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.target.writes, writes);
}

TEST(Reconciler, SurplusPagesAreDeletedWhenAListShrinks) {
  World world;
  world.begin();
  world.put("Parent", {number(1), string("p")});
  for (int i = 0; i < 7; ++i) world.put("Child", {number(i), number(1), string("c")});
  world.snapshot();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.target.living().size(), 5U);
  world.begin();
  for (int i = 3; i < 7; ++i) world.remove("Child", i);
  world.end();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.target.living().size(), 3U);
  world.expect_equal();
  world.begin();
  world.remove("Child", 2);
  world.end();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.target.living().size(), 1U);
  world.expect_equal();
}

// ── one owner ────────────────────────────────────────────────────────────────────────────────────

TEST(Reconciler, DocumentsThatSwapKeysHandOver) {
  World world;
  world.begin();
  world.thing(1, "a", "of one");
  world.thing(2, "b", "of two");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.begin();
  world.thing(1, "b", "of one");
  world.thing(2, "a", "of two");
  world.end();
  ASSERT_TRUE(world.settle());
  world.expect_equal();
  EXPECT_TRUE(world.ledger->dead_letters().empty());
  EXPECT_EQ(world.target.writes, 4);
  for (const Write& write : world.target.log) EXPECT_FALSE(write.deletion);
}

TEST(Reconciler, AKeyThatMovesOnThroughAChainIsHandedOverEvenInRoundsOfOne) {
  World world;
  world.round_documents = 1;
  world.begin();
  for (int i = 0; i < 6; ++i) world.thing(i, "k" + std::to_string(i), "of " + std::to_string(i));
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.begin();
  for (int i = 0; i < 6; ++i) {
    world.thing(i, "k" + std::to_string(i + 1), "of " + std::to_string(i));
  }
  world.end();
  ASSERT_TRUE(world.settle());
  world.expect_equal();
  EXPECT_TRUE(world.ledger->dead_letters().empty());
}

TEST(Reconciler, AContestedKeyIsADeadLetterThatNamesBothUntilItIsReleased) {
  World world;
  world.begin();
  world.thing(1, "a", "of one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.begin();
  world.thing(2, "a", "of two");
  world.end();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.note_of("a"), "of one");
  std::vector<state::DeadLetter> letters = world.ledger->dead_letters();
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].document, "thing");
  EXPECT_EQ(letters[0].root, world.root(2));
  EXPECT_EQ(letters[0].item, "PK=a");
  EXPECT_NE(letters[0].reason.find("Thing 1"), std::string::npos) << letters[0].reason;
  EXPECT_NE(letters[0].reason.find("Thing 2"), std::string::npos) << letters[0].reason;

  // The contender waits for the key over a restart too.
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  world.begin();
  world.thing(1, "b", "of one");
  world.end();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.note_of("a"), "of two");
  EXPECT_EQ(world.note_of("b"), "of one");
  EXPECT_TRUE(world.ledger->dead_letters().empty());
  world.expect_equal();
}

TEST(Reconciler, ADeletedOwnerReleasesItsKey) {
  World world;
  world.begin();
  world.thing(1, "a", "of one");
  world.thing(2, "a", "of two");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.ledger->dead_letters().size(), 1U);
  EXPECT_EQ(world.note_of("a"), "of one");
  world.begin();
  world.remove("Thing", 1);
  world.end();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.note_of("a"), "of two");
  EXPECT_TRUE(world.ledger->dead_letters().empty());
}

TEST(Reconciler, ALoserKeepsWhatItHad) {
  World world;
  world.begin();
  world.thing(1, "a", "of one");
  world.thing(2, "b", "of two");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.begin();
  world.thing(2, "a", "of two, moved");
  world.thing(3, "b", "of three");
  world.end();
  ASSERT_TRUE(world.settle());
  // Two lost `a` to one and keeps `b`, so that three must wait for `b`.
  EXPECT_EQ(world.note_of("a"), "of one");
  EXPECT_EQ(world.note_of("b"), "of two");
  EXPECT_EQ(world.ledger->dead_letters().size(), 2U);
  world.begin();
  world.remove("Thing", 1);
  world.end();
  ASSERT_TRUE(world.settle());
  world.expect_equal();
  EXPECT_TRUE(world.ledger->dead_letters().empty());
}

// ── quarantine ───────────────────────────────────────────────────────────────────────────────────

TEST(Reconciler, ARejectedItemBlocksItsOwnDocumentAloneAndClearsWhenMended) {
  World world;
  world.target.refused = {"bad"};
  world.begin();
  world.thing(1, "a", "good");
  world.thing(2, "b", "good");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.begin();
  world.thing(1, "a", "bad");
  world.thing(2, "b", "better");
  world.end();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.note_of("a"), "good");
  EXPECT_EQ(world.note_of("b"), "better");
  ASSERT_EQ(world.ledger->dead_letters().size(), 1U);
  EXPECT_EQ(world.ledger->dead_letters()[0].reason, "refused by the test");
  EXPECT_EQ(world.ledger->dead_letters()[0].row, "Thing 1");
  world.begin();
  world.thing(1, "a", "mended");
  world.end();
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(world.ledger->dead_letters().empty());
  world.expect_equal();
}

TEST(Reconciler, ARejectedHandOverLeavesTheKeyToNobody) {
  World world;
  world.target.refused = {"bad"};
  world.begin();
  world.thing(1, "a", "of one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.begin();
  world.thing(1, "b", "of one");
  world.thing(2, "a", "bad");
  world.end();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.note_of("b"), "of one");
  EXPECT_FALSE(world.note_of("a").has_value());
  EXPECT_EQ(world.ledger->dead_letters().size(), 1U);
}

TEST(Reconciler, ANullInTheKeyIsADeadLetterAndTheFormerItemStays) {
  World world;
  world.begin();
  world.thing(1, "a", "one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.begin();
  world.put("Thing", {number(1), Value::null(), string("two")});
  world.end();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.note_of("a"), "one");
  ASSERT_EQ(world.ledger->dead_letters().size(), 1U);
  world.reconciler.reset();
  world.start();
  world.reconciler->drop_dead_letter("thing", world.root(1));
  ASSERT_TRUE(world.settle());
  world.stop();
  EXPECT_TRUE(world.ledger->dead_letters().empty());
  EXPECT_EQ(world.note_of("a"), "one");
}

// ── never backwards ──────────────────────────────────────────────────────────────────────────────

TEST(Reconciler, AHigherEpochAtTheTargetFencesThisAgent) {
  World world;
  world.target.items[{0, World::key("a")}] = stamped({{"PK", Attribute::string("a")}}, stamp(9, 1));
  world.begin();
  world.thing(1, "a", "one");
  world.snapshot();
  // The ledger is not new, so nobody looked at the target before.
  world.ledger->begin();
  world.ledger->set_rebuilt();
  world.ledger->commit(true);
  EXPECT_FALSE(world.settle());
  ASSERT_TRUE(world.failure);
  EXPECT_THROW(std::rethrow_exception(world.failure), state::Fenced);
}

// Another agent had the source while this one was down, and wrote what this one had on its way.
TEST(Reconciler, NothingIsWrittenBeforeTheReplicaHoldsWhatThisRunBeganWith) {
  World world;
  world.begin();
  world.thing(1, "a", "one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.begin();
  world.thing(1, "a", "two");
  world.end();
  world.target.before_wait = [] { throw Died(); };
  EXPECT_FALSE(world.settle());
  world.target.before_wait = nullptr;
  world.target.crash();
  world.target.items[{0, World::key("a")}] =
      stamped({{"PK", Attribute::string("a")}, {"Note", Attribute::string("of the other agent")}},
              stamp(6, 3));
  const std::int64_t writes = world.target.writes;
  world.target.reads = 0;

  std::mutex mutex;
  std::optional<state::Version> began;
  int asked = 0;
  world.began_at = [&] {
    std::lock_guard lock(mutex);
    ++asked;
    return began;
  };
  const auto let_turns_pass = [&] {
    for (int i = 0; i < 5; ++i) {
      const auto count = [&] {
        std::lock_guard lock(mutex);
        return asked;
      };
      const int before = count();
      world.reconciler->wake();
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (count() == before && !world.ended()) {
        ASSERT_LT(std::chrono::steady_clock::now(), until);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
    EXPECT_FALSE(world.ended());
    EXPECT_FALSE(world.reconciler->status().idle);
    EXPECT_EQ(world.reconciler->status().built, 0);
  };
  world.open_ledger();
  world.start();
  let_turns_pass();
  world.hold_fold = true;
  world.claim(2);
  {
    std::lock_guard lock(mutex);
    began = state::Version{7, world.replica->position().next + 1};
  }
  let_turns_pass();
  EXPECT_EQ(world.target.reads, 0);
  EXPECT_EQ(world.target.writes, writes);
  world.hold_fold = false;
  world.fold(world.unfolded());
  ASSERT_TRUE(world.settle());
  world.stop();
  world.expect_equal();
}

TEST(Reconciler, ANewerItemOfTheSameLogMakesEverythingRestUntilTheReplicaHasPassedIt) {
  World world;
  world.ledger->begin();
  world.ledger->set_rebuilt();
  world.ledger->commit(true);
  world.target.items[{0, World::key("a")}] =
      stamped({{"PK", Attribute::string("a")}}, stamp(5, 60));
  world.begin();
  world.thing(1, "a", "one");
  world.snapshot();
  world.start();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (world.reconciler->status().built == 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), until);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  while (world.replica->position().next <= 60) {
    EXPECT_FALSE(world.reconciler->status().idle);
    world.begin();
    world.thing(2, "b", std::to_string(world.replica->position().next));
    world.end();
  }
  ASSERT_TRUE(world.settle());
  world.stop();
  world.expect_equal();
}

TEST(Reconciler, RestsWhileARebuiltReplicaIsBehindTheLedger) {
  World world;
  world.begin();
  world.thing(1, "a", "one");
  world.snapshot();
  for (int i = 0; i < 5; ++i) {
    world.begin();
    world.thing(1, "a", std::to_string(i));
    world.end();
  }
  ASSERT_TRUE(world.settle());
  const std::int64_t writes = world.target.writes;
  world.lose_replica(3);
  world.start();
  // Half of the log is folded again: nothing may be built from it.
  for (int i = 0; i < 20; ++i) {
    world.reconciler->wake();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(world.reconciler->status().built, 0);
  world.fold(100);
  ASSERT_TRUE(world.settle());
  world.stop();
  EXPECT_EQ(world.target.writes, writes);
  world.expect_equal();
}

TEST(Reconciler, AnItemOfTheSameVersionThatIsNotOursIsReadAndReplaced) {
  World world;
  world.begin();
  world.thing(1, "a", "one");
  world.snapshot();
  world.ledger->begin();
  world.ledger->set_rebuilt();
  world.ledger->commit(true);
  world.target.items[{0, World::key("a")}] =
      stamped({{"PK", Attribute::string("a")}}, stamp(5, world.replica->position().next));
  ASSERT_TRUE(world.settle());
  world.expect_equal();
  EXPECT_EQ(world.target.writes, 2);
  EXPECT_EQ(world.target.reads, 1);
}

TEST(Reconciler, AsksTheSourceWhoOwnsItBeforeItSends) {
  World world;
  std::atomic<int> asked = 0;
  world.assert_owner = [&] {
    ++asked;
    throw state::Fenced("another agent has taken over", "", "stop");
  };
  world.begin();
  world.thing(1, "a", "one");
  world.snapshot();
  EXPECT_FALSE(world.settle());
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(world.target.writes, 0);
  world.open_ledger();
  world.assert_owner = [&] { ++asked; };
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(asked, 2);
  world.expect_equal();
}

TEST(Reconciler, KnowsWhetherWhatItSentWasItsToSend) {
  World world;
  std::atomic<bool> taken_over = false;
  world.assert_owner = [&] {
    if (taken_over) throw state::Fenced("another agent has taken over", "", "stop");
  };
  world.begin();
  world.thing(1, "a", "one");
  world.snapshot();
  world.start();
  EXPECT_FALSE(world.reconciler->sent_unconfirmed());
  ASSERT_TRUE(world.settle());
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (world.reconciler->sent_unconfirmed() && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_FALSE(world.reconciler->sent_unconfirmed()) << "asked again when all was quiet";

  world.begin();
  world.thing(1, "a", "two");
  world.target.before_wait = [&] { taken_over = true; };
  world.end();
  while (!world.ended() && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ASSERT_TRUE(world.ended()) << "a quiet agent that was fenced finds out";
  EXPECT_TRUE(world.reconciler->sent_unconfirmed());
  EXPECT_THROW(std::rethrow_exception(world.failure), state::Fenced);
}

// ── unknown items ────────────────────────────────────────────────────────────────────────────────

TEST(Reconciler, ItemsInFlightAtACrashAreReadBack) {
  World world;
  world.begin();
  for (int i = 0; i < 20; ++i) world.thing(i, "k" + std::to_string(i), "one");
  world.snapshot();
  world.target.die_after = 13;
  EXPECT_FALSE(world.settle());
  EXPECT_TRUE(world.died);
  world.target.crash();
  const std::size_t arrived = world.target.items.size();
  world.target.log.clear();
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  world.expect_equal();
  EXPECT_EQ(world.target.log.size(), 20U - arrived);
  EXPECT_GE(world.target.reads, 1);
}

TEST(Reconciler, ADeletionInFlightAtACrashIsReadBack) {
  World world;
  world.begin();
  world.thing(1, "a", "one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.begin();
  world.remove("Thing", 1);
  world.end();
  world.target.before_wait = [&] {
    if (world.target.log.back().deletion) throw Died();
  };
  EXPECT_FALSE(world.settle());
  world.target.before_wait = nullptr;
  world.target.crash();
  // The row comes back before the restart.
  world.begin();
  world.thing(1, "a", "one");
  world.end();
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  world.expect_equal();
}

TEST(Reconciler, NoTransactionOfTheLedgerIsOpenWhileTheTargetIsRead) {
  World world;
  world.begin();
  world.thing(1, "a", "one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.target.before_read = [&] {
    state::Database other(world.ledger_path(), state::OpenMode::kReadWrite);
    EXPECT_NO_THROW(other.execute("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE; ROLLBACK"));
  };
  world.target.reads = 0;
  world.start();
  world.reconciler->recheck("thing", world.root(1));
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (world.reconciler->status().built < 1 && !world.ended()) {
    ASSERT_LT(std::chrono::steady_clock::now(), until);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_TRUE(world.settle());
  world.stop();
  EXPECT_EQ(world.target.reads, 1);
}

TEST(Reconciler, ALostLedgerIsRebuiltWithoutWriting) {
  World world;
  world.begin();
  for (int i = 0; i < 30; ++i) world.thing(i, "k" + std::to_string(i), "one");
  world.put("Parent", {number(1), string("p")});
  for (int i = 0; i < 5; ++i) world.put("Child", {number(i), number(1), string("c")});
  world.snapshot();
  ASSERT_TRUE(world.settle());
  const std::int64_t writes = world.target.writes;
  world.lose_ledger();
  world.target.scans = 0;
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.target.scans, 1);
  EXPECT_EQ(world.target.writes, writes);
  world.expect_equal();

  // What the ledger did not see is found: changed, gone, and not ours at all.
  world.lose_ledger();
  world.begin();
  world.thing(1, "k1", "two");
  world.remove("Thing", 2);
  world.end();
  Item foreign = {{"PK", Attribute::string("foreign")}};
  world.target.items[{0, World::key("foreign")}] = foreign;
  world.target.items[{0, World::key("left over")}] =
      stamped({{"PK", Attribute::string("left over")}}, stamp(5, 1));
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.target.writes, writes + 3);
  EXPECT_EQ(world.target.items.erase({0, World::key("foreign")}), 1U);
  world.expect_equal();
}

TEST(Reconciler, AfterALostLedgerADeadLettersFormerItemStays) {
  World world;
  world.begin();
  world.thing(1, "a", "one");
  world.thing(2, "b", "one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.begin();
  world.put("Thing", {number(1), Value::null(), string("two")});
  world.end();
  world.lose_ledger();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.note_of("a"), "one");
  world.begin();
  world.thing(1, "c", "mended");
  world.end();
  ASSERT_TRUE(world.settle());
  world.expect_equal();  // `a` is gone, for nothing can claim it any more
}

// A state directory that is put back from an older copy: capture notices and leaves a gap.
class StatePutBack : public ::testing::Test {
 protected:
  // What the copy does not know of: an item added, an item that went and came back, one whose key
  // moved on and back, one that stands as the copy knows it but changed in between, and a list that
  // grew over its pages.
  void go_on_and_put_back() {
    world.begin();
    for (int i = 0; i < 20; ++i) world.thing(i, "k" + std::to_string(i), "one");
    world.put("Parent", {number(1), string("p")});
    world.put("Child", {number(1), number(1), string("c")});
    world.snapshot();
    ASSERT_TRUE(world.settle());
    world.back_up();
    world.claim();
    world.begin();
    world.thing(100, "new", "one");
    world.remove("Thing", 2);
    world.thing(3, "moved", "one");
    world.thing(4, "k4", "two");
    for (int i = 2; i < 6; ++i) world.put("Child", {number(i), number(1), string("c")});
    world.end();
    ASSERT_TRUE(world.settle());
    world.expect_equal();
    const auto put_stray = [&](const std::string& key, const std::string& name) {
      world.target.items[{0, World::key(key)}] =
          stamped({{"PK", Attribute::string(key)}}, stamp(5, 3, name));
    };
    put_stray("of another pipeline", "other/thing");
    put_stray("of a document long gone", "test/gone");
    world.target.items[{0, World::key("of a stranger")}] = {
        {"PK", Attribute::string("of a stranger")}};
    world.put_back();
    world.claim();
    world.claim();
    // The source is as it was when the copy was made.
    world.begin();
    world.remove("Thing", 100);
    world.thing(2, "k2", "one");
    world.thing(3, "k3", "one");
    world.thing(4, "k4", "one");
    for (int i = 2; i < 6; ++i) world.remove("Child", i);
    world.drop();
    world.gap();
    world.snapshot();
  }
  // Everything of others still stands; then, without it, all is equal.
  void expect_mended() {
    for (const char* key : {"of another pipeline", "of a stranger"}) {
      EXPECT_EQ(world.target.items.erase({0, World::key(key)}), 1U) << key;
    }
    const auto gone = world.target.at(0, World::key("of a document long gone"));
    ASSERT_TRUE(gone.has_value());
    EXPECT_EQ(stamp_of(*gone, "_tandem")->deleted, world.prune);
    world.target.items.erase({0, World::key("of a document long gone")});
    world.expect_equal();
  }
  World world;
};

TEST_F(StatePutBack, WhatOnlyTheNewerStateKnewIsMadeRight) {
  go_on_and_put_back();
  ASSERT_TRUE(world.settle());
  expect_mended();
  const std::int64_t writes = world.target.writes, reads = world.target.reads;
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.target.writes, writes);
  EXPECT_EQ(world.target.reads, reads);
}

TEST_F(StatePutBack, AStopWhileTheTargetIsReadForgetsNothing) {
  go_on_and_put_back();
  world.target.scans = 0;
  std::promise<void> scanning, asked;
  world.target.before_scan = [&] {
    scanning.set_value();
    asked.get_future().wait();
  };
  world.start();
  scanning.get_future().wait();
  world.ask_to_stop();
  asked.set_value();
  world.stop();
  EXPECT_EQ(world.target.scans, 1);
  world.target.before_scan = nullptr;
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  expect_mended();
}

TEST_F(StatePutBack, ItemsOfUndeclaredDocumentsGoOnlyWhenPruned) {
  world.prune = true;
  go_on_and_put_back();
  ASSERT_TRUE(world.settle());
  expect_mended();
}

TEST_F(StatePutBack, ADeathAtAnySendLosesNothing) {
  world.round_documents = 3;
  go_on_and_put_back();
  int deaths = 0;
  for (;; ++deaths) {
    // One send more at each life than in the one before, so that it gets on.
    ASSERT_LT(deaths, 100);
    world.target.die_after = deaths;
    world.start();
    if (world.wait_idle()) break;
    world.stop();
    ASSERT_TRUE(world.died && !world.failure);
    world.target.crash();
    world.open_ledger();
  }
  world.stop();
  EXPECT_GT(deaths, 1);
  expect_mended();
}

#ifdef TANDEM_FAILPOINTS
TEST_F(StatePutBack, AFailureBetweenAdoptingAndDeletingLosesNothing) {
  world.round_documents = 3;
  go_on_and_put_back();
  // Every step ends with a commit of the ledger; the first one is made before the thread runs.
  for (int commit = 2;; ++commit) {
    const std::string arm = "ledger.commit.after=error@" + std::to_string(commit);
    ::setenv("TANDEM_FAILPOINTS", arm.c_str(), 1);
    world.start();
    const bool idle = world.wait_idle();
    world.stop();
    ::unsetenv("TANDEM_FAILPOINTS");
    world.target.crash();
    world.open_ledger();
    if (!idle) continue;
    EXPECT_GT(commit, 6);
    break;
  }
  expect_mended();
}
#endif

TEST(Reconciler, RepairTrustsNoStoredHash) {
  World world;
  world.begin();
  world.thing(1, "a", "one");
  world.thing(2, "b", "one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  // Someone changes an item and leaves its stamp, removes one, and adds one with a stamp of ours.
  Item& item = world.target.items[{0, World::key("a")}];
  for (auto& [name, value] : item) {
    if (name == "Note") value = Attribute::string("tampered");
  }
  world.target.items.erase({0, World::key("b")});
  world.target.items[{0, World::key("c")}] = stamped({{"PK", Attribute::string("c")}}, stamp(5, 2));
  const std::int64_t writes = world.target.writes;
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.target.writes, writes);
  world.start();
  world.reconciler->recheck("thing", world.root(1));
  world.reconciler->recheck("thing", world.root(2));
  world.reconciler->recheck_item("thing", World::key("c"));
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (world.reconciler->status().written + world.reconciler->status().deleted < 3) {
    ASSERT_LT(std::chrono::steady_clock::now(), until);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_TRUE(world.settle());
  world.stop();
  EXPECT_EQ(world.target.writes, writes + 3);
  world.expect_equal();
}

// ── many documents at once ───────────────────────────────────────────────────────────────────────

TEST(Reconciler, AChangedMappingIsNoticedAndGoingBackToo) {
  World world;
  world.begin();
  for (int i = 0; i < 40; ++i) world.thing(i, "k" + std::to_string(i), "one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  const DocumentSpec before = world.documents[0];
  world.documents[0].item.entries.emplace_back("Extra", constant(Attribute::string("x")));
  world.documents[0].source_text = "thing with extra";
  world.open_replica();
  world.open_ledger();
  world.round_documents = 5;
  world.target.die_after = 12;
  EXPECT_FALSE(world.settle());
  world.target.crash();

  world.documents[0] = before;
  world.open_replica();
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  world.expect_equal();

  world.documents[0].item.entries.emplace_back("Extra", constant(Attribute::string("x")));
  world.documents[0].source_text = "thing with extra";
  world.open_replica();
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  world.expect_equal();
  const std::int64_t writes = world.target.writes;
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.target.writes, writes);
}

TEST(Reconciler, AMappingWithOtherKeysMovesTheItems) {
  World world;
  world.begin();
  for (int i = 0; i < 10; ++i) world.thing(i, "k" + std::to_string(i), "one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.documents[0].item.entries[0].second = text("moved#{code}");
  world.documents[0].source_text = "thing moved";
  world.open_replica();
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  world.expect_equal();
  EXPECT_EQ(world.target.living().size(), 10U);
}

TEST(Reconciler, ADocumentNoLongerDeclaredLeavesItsItemsUnlessTheyArePruned) {
  World world;
  world.begin();
  world.thing(1, "a", "one");
  world.put("Parent", {number(1), string("p")});
  world.snapshot();
  ASSERT_TRUE(world.settle());
  const DocumentSpec thing = world.documents[0];
  world.documents.erase(world.documents.begin());
  world.open_replica();
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.note_of("a"), "one");

  // It comes back, and the row has changed meanwhile.
  world.begin();
  world.thing(1, "a", "two");
  world.end();
  world.documents.insert(world.documents.begin(), thing);
  world.open_replica();
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  world.expect_equal();

  world.documents.erase(world.documents.begin());
  world.prune = true;
  world.open_replica();
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  world.expect_equal();
  EXPECT_EQ(world.target.living().size(), 1U);
}

TEST(Reconciler, AWideMarkGoesOnWhereItWasAfterACrash) {
  World world(1, 3);
  world.begin();
  for (int i = 0; i < 60; ++i) world.thing(i, "k" + std::to_string(i), "one");
  world.snapshot();
  world.round_documents = 10;
  world.target.die_after = 35;
  EXPECT_FALSE(world.settle());
  world.target.crash();
  world.target.log.clear();
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  world.expect_equal();
  EXPECT_LT(world.target.log.size(), 40U);
}

TEST(Reconciler, APassThatFindsNothingDoesNotPauseBetweenItsSteps) {
  World world;
  world.begin();
  for (int i = 0; i < 8000; ++i) world.thing(i, "code" + std::to_string(i), "");
  world.put("Parent", {number(1), string("p")});
  world.snapshot();
  ASSERT_TRUE(world.settle());
  const std::int64_t writes = world.target.writes;
  // A mapping that says the same in other words: each document is passed through once more.
  for (DocumentSpec& spec : world.documents) spec.source_text += " # as before";
  world.open_replica();
  world.open_ledger();
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(world.settle());
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  EXPECT_EQ(world.target.writes, writes);
}

TEST(Reconciler, NothingIsWrittenWhileATableIsNotWhole) {
  World world;
  world.begin();
  for (int i = 0; i < 10; ++i) world.thing(i, "k" + std::to_string(i), "one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  const std::int64_t writes = world.target.writes;
  world.gap();
  world.begin();
  world.thing(1, "k1", "two");
  world.end();
  world.start();
  for (int i = 0; i < 20; ++i) {
    world.reconciler->wake();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(world.target.writes, writes);
  EXPECT_FALSE(world.reconciler->status().idle);
  // While nobody looked a row went away; the snapshot shows it.
  world.begin();
  world.remove("Thing", 2);
  world.snapshot();
  ASSERT_TRUE(world.settle());
  world.stop();
  EXPECT_EQ(world.target.writes, writes + 2);
  world.expect_equal();
}

TEST(Reconciler, OnlyTheFirstLoadOfATableThatInitMadeIsUnconditional) {
  World world;
  world.made_tables = {"Items"};
  world.begin();
  for (int i = 0; i < 20; ++i) world.thing(i, "k" + std::to_string(i), "one");
  world.snapshot();
  world.target.die_after = 12;
  EXPECT_FALSE(world.settle());
  world.target.crash();
  for (const Write& write : world.target.log) EXPECT_TRUE(write.unconditional);
  world.target.log.clear();

  // After the crash what was on its way is read, and written with the condition.
  world.made_tables.clear();
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  for (const Write& write : world.target.log) EXPECT_FALSE(write.unconditional);
  world.expect_equal();
  world.target.log.clear();
  world.begin();
  world.thing(99, "new", "one");
  world.end();
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(world.target.log.size(), 1U);
  EXPECT_FALSE(world.target.log[0].unconditional);
}

TEST(Reconciler, AFirstLoadThatHasEndedDoesNotBeginAgainWhenAllIsDeleted) {
  World world;
  world.made_tables = {"Items"};
  world.begin();
  world.thing(1, "a", "one");
  world.snapshot();
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(world.target.log.size(), 1U);
  EXPECT_TRUE(world.target.log[0].unconditional);
  world.begin();
  world.remove("Thing", 1);
  world.end();
  ASSERT_TRUE(world.settle());
  ASSERT_TRUE(world.ledger->items_after("Items", "", 1).empty());
  world.begin();
  world.thing(1, "a", "again");
  world.end();
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  ASSERT_EQ(world.target.log.size(), 3U);
  EXPECT_FALSE(world.target.log[2].unconditional);
  world.expect_equal();
}

TEST(Reconciler, AGapEndsTheFirstLoad) {
  World world;
  world.made_tables = {"Items"};
  world.begin();
  for (int i = 0; i < 20; ++i) world.thing(i, "k" + std::to_string(i), "one");
  world.snapshot();
  world.target.die_after = 12;
  EXPECT_FALSE(world.settle());
  world.target.crash();
  world.target.log.clear();
  world.claim();
  world.gap();
  world.begin();
  world.thing(99, "new", "one");
  world.snapshot();
  world.open_ledger();
  ASSERT_TRUE(world.settle());
  EXPECT_FALSE(world.target.log.empty());
  for (const Write& write : world.target.log) EXPECT_FALSE(write.unconditional);
  world.expect_equal();
}

TEST(Reconciler, SingleMarksDoNotWaitBehindAFirstLoad) {
  World world;
  world.round_documents = 16;
  world.begin();
  for (int i = 0; i < 300; ++i) world.put("Parent", {number(i), string("p")});
  world.snapshot();
  ASSERT_TRUE(world.settle());
  // A new mapping makes all parents dirty; a thing changes when the pass has just begun.
  world.documents[1].source_text = "parent, anew";
  world.documents[1].item.entries.emplace_back("Extra", constant(Attribute::string("x")));
  world.open_replica();
  world.open_ledger();
  world.target.log.clear();
  world.begin();
  world.thing(1, "a", "one");
  world.end();
  ASSERT_TRUE(world.settle());
  world.expect_equal();
  std::size_t place = 0;
  while (place < world.target.log.size() && world.target.log[place].stamp.name != "test/thing") {
    ++place;
  }
  EXPECT_LT(place, 40U);
}

TEST(Reconciler, TellsWhatIsApplied) {
  World world;
  world.begin();
  world.thing(1, "a", "one");
  world.snapshot();
  world.start();
  std::stop_source never;
  EXPECT_TRUE(world.reconciler->wait_applied(world.replica->position().next, never.get_token()));
  EXPECT_EQ(world.note_of("a"), "one");
  ASSERT_TRUE(world.wait_idle());
  ReconcilerStatus status = world.reconciler->status();
  EXPECT_EQ(status.applied.epoch, 5U);
  ASSERT_EQ(status.documents.size(), 2U);
  EXPECT_EQ(status.documents[0].items, 1);
  EXPECT_EQ(status.written, 1);
  never.request_stop();
  EXPECT_FALSE(world.reconciler->wait_applied(1'000'000, never.get_token()));
  world.stop();
}

}  // namespace
}  // namespace tandem::sink
