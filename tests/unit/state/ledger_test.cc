// The ledger: flights, two access paths, marks, and what a change of log does to it.
#include "state/ledger.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "state/ledger_reader.h"

namespace tandem::state {
namespace {

class LedgerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "ledger-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string path() const { return directory_ + "/ledger.db"; }

  static LedgerItem item(const std::string& key, const std::string& root, std::uint8_t mark) {
    LedgerItem item;
    item.document = "order";
    item.root = root;
    item.table = "Orders";
    item.key = key;
    item.hash.fill(mark);
    item.version = {7, mark};
    return item;
  }

  std::string directory_;
};

TEST_F(LedgerTest, AnItemIsUnknownUntilItsFlightLands) {
  Ledger ledger(path(), "log");
  ledger.begin();
  std::int64_t flight = ledger.send_item(item("a", "r1", 1));
  EXPECT_EQ(ledger.send_item(item("b", "r2", 2)), flight);
  ledger.commit(true);
  EXPECT_TRUE(ledger.owner_of("Orders", "a")->unknown);
  LedgerItem refused = item("b", "r2", 2);
  refused.unknown = true;
  ledger.begin();
  ledger.put_item(refused);
  ledger.land(flight);
  ledger.commit(false);
  EXPECT_FALSE(ledger.owner_of("Orders", "a")->unknown);
  EXPECT_TRUE(ledger.owner_of("Orders", "b")->unknown);
  EXPECT_EQ(ledger.newest_version(), (Version{7, 2}));
}

TEST_F(LedgerTest, AFlightThatNeverLandedIsUnknownAfterAReopen) {
  {
    Ledger ledger(path(), "log");
    ledger.begin();
    ledger.send_item(item("a", "r1", 1));
    ledger.commit(true);
  }
  Ledger ledger(path(), "log");
  EXPECT_TRUE(ledger.owner_of("Orders", "a")->unknown);
  ledger.begin();
  std::int64_t next = ledger.send_item(item("b", "r2", 2));
  ledger.land(next);
  ledger.commit(true);
  EXPECT_TRUE(ledger.owner_of("Orders", "a")->unknown)
      << "another flight's landing is not this one's";
}

TEST_F(LedgerTest, AKeyThatGoesOverIsFoundUnderItsNewRootAlone) {
  Ledger ledger(path(), "log");
  ledger.begin();
  ledger.put_item(item("a", "r1", 1));
  ledger.put_item(item("a", "r2", 2));
  ledger.commit(false);
  EXPECT_TRUE(ledger.items_of("order", "r1").empty());
  ASSERT_EQ(ledger.items_of("order", "r2").size(), 1U);
  EXPECT_EQ(ledger.items_of("order", "r2")[0].version, (Version{7, 2}));
  ledger.begin();
  ledger.remove_item("Orders", "a");
  ledger.commit(false);
  EXPECT_FALSE(ledger.owner_of("Orders", "a").has_value());
}

TEST_F(LedgerTest, MarksSettleUpwardsAndAreForgotten) {
  Ledger ledger(path(), "log");
  ledger.begin();
  ledger.settle("order", "r1", 5);
  ledger.settle("order", "r1", 3);
  ledger.commit(false);
  EXPECT_EQ(ledger.settled("order", "r1"), 5);
  EXPECT_EQ(ledger.highest_mark(), 5);
  ledger.begin();
  ledger.forget_settled(5);
  ledger.commit(false);
  EXPECT_FALSE(ledger.settled("order", "r1").has_value());
  Ledger again(path(), "log");
  EXPECT_EQ(again.highest_mark(), 5) << "a forgotten mark's number must not come again";
}

TEST_F(LedgerTest, AnotherLogMakesEveryItemUnknown) {
  {
    Ledger ledger(path(), "log");
    EXPECT_TRUE(ledger.fresh());
    ledger.set_rebuilt();
    ledger.begin();
    ledger.put_item(item("a", "r1", 1));
    ledger.settle("order", "r1", 5);
    ledger.commit(true);
  }
  Ledger ledger(path(), "another");
  EXPECT_FALSE(ledger.fresh());
  EXPECT_TRUE(ledger.owner_of("Orders", "a")->unknown);
  EXPECT_FALSE(ledger.settled("order", "r1").has_value());
  EXPECT_EQ(ledger.highest_mark(), 5);
  EXPECT_EQ(ledger.newest_version(), (Version{}));
}

TEST_F(LedgerTest, LettersAndExpansionsComeBack) {
  Ledger ledger(path(), "log");
  ledger.begin();
  ledger.put_dead_letter({"order", "r1", "Invoice 1", "PK=x", "too large", 4, 9, 100});
  ledger.put_dead_letter({"order", "r1", "Invoice 1", "PK=x", "still too large", 6, 12, 200});
  ledger.put_expansion({"order", 2, {Value::integer(5)}, 8, "p", false});
  ledger.commit(false);
  LedgerReader reader(path());
  auto letter = reader.dead_letter("order", "r1");
  ASSERT_TRUE(letter.has_value());
  EXPECT_EQ(letter->reason, "still too large");
  EXPECT_EQ(letter->first_ms, 100) << "since when it has been dead";
  ASSERT_EQ(reader.expansions().size(), 1U);
  EXPECT_EQ(reader.expansions()[0].values, Row{Value::integer(5)});
  ledger.begin();
  EXPECT_TRUE(ledger.clear_dead_letter("order", "r1"));
  EXPECT_FALSE(ledger.clear_dead_letter("order", "r1"));
  ledger.commit(false);
  EXPECT_TRUE(reader.dead_letters().empty());
}

TEST_F(LedgerTest, FindsUnknownItemsOfTheProcessBeforeWithoutThoseOnTheirWay) {
  std::int64_t landed = 0;
  {
    Ledger ledger(path(), "log");
    ledger.begin();
    landed = ledger.send_item(item("a", "r1", 1));
    ledger.commit(true);
    ledger.begin();
    ledger.land(landed);
    ledger.send_item(item("b", "r2", 2));
    ledger.send_item(item("c", "r3", 3));
    ledger.commit(true);
    EXPECT_TRUE(ledger.unknown_after("Orders", "", 10).empty());
  }
  Ledger ledger(path(), "log");
  std::vector<LedgerItem> unknown = ledger.unknown_after("Orders", "", 10);
  ASSERT_EQ(unknown.size(), 2U);
  EXPECT_EQ(unknown[0].key, "b");
  EXPECT_EQ(ledger.unknown_after("Orders", "b", 10).size(), 1U);
  EXPECT_TRUE(ledger.unknown_after("Others", "", 10).empty());
  // A flight's number is not given twice: an item of a landed flight stays known.
  ledger.begin();
  EXPECT_GT(ledger.send_item(item("d", "r4", 4)), landed);
  ledger.commit(true);
  EXPECT_FALSE(ledger.owner_of("Orders", "a")->unknown);
}

TEST_F(LedgerTest, TheNewestVersionCoversItemsThatWereOnlyRead) {
  {
    Ledger ledger(path(), "log");
    ledger.begin();
    LedgerItem found = item("a", "", 9);
    found.unknown = true;
    ledger.put_item(found);
    ledger.commit(true);
  }
  EXPECT_EQ(Ledger(path(), "log").newest_version(), (Version{7, 9}));
}

}  // namespace
}  // namespace tandem::state
