#include "sink/item_verifier.h"

#include <gtest/gtest.h>

#include "reconciler_world.h"

namespace tandem::sink {
namespace {

using testing::World;

// The world's target as verify sees it: things happen after a scan and after a read.
class Watched : public Target {
 public:
  explicit Watched(Target& target) : target_(target) {}
  std::function<void()> after_scan, after_read;

  std::vector<TargetFinding> check(CheckDepth depth) override { return target_.check(depth); }
  std::vector<std::string> create_missing(
      const std::function<void(const std::string&)>& say) override {
    return target_.create_missing(say);
  }
  std::size_t room() const override { return 0; }
  void submit(Write) override { ADD_FAILURE() << "verify writes"; }
  void wait(std::chrono::milliseconds, std::vector<Outcome>&) override {}
  std::vector<std::optional<Item>> read(std::size_t table, const std::vector<Item>& keys) override {
    auto found = target_.read(table, keys);
    if (after_read) after_read();
    return found;
  }
  void scan(std::size_t table, bool keys_only,
            const std::function<bool(std::vector<Item>&)>& page) override {
    target_.scan(table, keys_only, page);
    if (after_scan) after_scan();
  }
  TargetCounters counters() const override { return target_.counters(); }

 private:
  Target& target_;
};

class ItemVerifier : public ::testing::Test {
 protected:
  ItemVerifier() : target(world.target) {
    world.snapshot();
    world.begin();
    world.thing(1, "a", "one");
    world.thing(2, "b", "two");
    world.put("Parent", {testing::number(5), testing::string("five")});
    world.end();
    EXPECT_TRUE(world.settle());
  }
  ItemReport verify(const std::vector<DocumentSpec>& declared) {
    DocumentSet documents(declared, World::tables());
    ItemVerifierOptions options;
    options.pipeline = "test";
    options.attribute = "_tandem";
    options.replica_path = world.replica_path();
    options.ledger_path = world.ledger_path();
    return verify_items(target, documents, options, {});
  }

  World world;
  Watched target;
};

TEST_F(ItemVerifier, AnItemThatIsJustBeingDeletedIsNotSurplus) {
  target.after_scan = [&] {
    world.begin();
    world.remove("Thing", 2);
    world.end();
  };
  int reads = 0;
  target.after_read = [&] {
    // Verify has seen it stand there; now it goes, and the ledger forgets it.
    if (++reads == 1) {
      EXPECT_TRUE(world.settle());
    }
  };
  const ItemReport report = verify(world.documents);
  EXPECT_GE(reads, 1);
  EXPECT_TRUE(report.differences.empty()) << report.differences[0].item;
  EXPECT_EQ(report.pending, 0);
  EXPECT_FALSE(world.note_of("b").has_value());
}

TEST_F(ItemVerifier, AnItemThatNothingYieldsIsSurplus) {
  auto left_over = *world.target.at(0, World::key("b"));
  for (auto& [name, value] : left_over) {
    if (name == "PK") value = Attribute::string("z");
  }
  world.target.items[{0, World::key("z")}] = left_over;
  const ItemReport report = verify(world.documents);
  ASSERT_EQ(report.differences.size(), 1U);
  EXPECT_EQ(report.differences[0].kind, ItemDifference::Kind::kSurplus);
  EXPECT_EQ(report.differences[0].key, World::key("z"));
  EXPECT_EQ(report.undeclared, 0);
}

TEST_F(ItemVerifier, ItemsOfADocumentNoLongerDeclaredAreCountedApart) {
  const ItemReport report = verify({World::thing()});
  EXPECT_TRUE(report.differences.empty());
  EXPECT_EQ(report.undeclared, 1);
  EXPECT_EQ(report.items_expected, 2);
}

}  // namespace
}  // namespace tandem::sink
