// The local target: DynamoDB's semantics in an SQLite file.
#include "sink/local/local_target.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "state/sqlite.h"

namespace tandem::sink {
namespace {

class LocalTargetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("tandem_local_" + std::to_string(std::random_device{}()));
    std::filesystem::create_directories(folder_);
    table_.name = "Things";
    table_.key = {"PK"};
    table_.key_types = {AttributeType::kString};
    target_ = open();
    target_->create_missing([](const std::string&) {});
  }
  void TearDown() override {
    target_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string path() const { return (folder_ / "items.db").string(); }
  std::unique_ptr<Target> open() { return open_local_target(path(), {table_}, options_); }

  static Item item(const std::string& key, const std::string& value) {
    Item made{{"PK", Attribute::string(key)}, {"Value", Attribute::string(value)}};
    sort_map(made);
    return made;
  }
  static Item key_of(const std::string& key) { return {{"PK", Attribute::string(key)}}; }
  Stamp stamp(state::Offset offset, const Item& of, std::uint64_t epoch = 5) const {
    Stamp made;
    made.version = {epoch, offset};
    made.hash = hash_item(of, "_tandem", {});
    made.name = "pipeline/thing";
    return made;
  }
  Write put(const std::string& key, const std::string& value, state::Offset offset) {
    Write write;
    write.ticket = ++ticket_;
    write.item = item(key, value);
    write.stamp = stamp(offset, write.item);
    return write;
  }
  Write deletion(const std::string& key, state::Offset offset) {
    Write write;
    write.ticket = ++ticket_;
    write.deletion = true;
    write.item = key_of(key);
    write.stamp = stamp(offset, write.item);
    write.stamp.deleted = true;
    return write;
  }
  Outcome send(Write write) {
    std::uint64_t ticket = write.ticket;
    target_->submit(std::move(write));
    std::vector<Outcome> outcomes;
    target_->wait(std::chrono::milliseconds(100), outcomes);
    EXPECT_EQ(outcomes.size(), 1U);
    EXPECT_EQ(outcomes.at(0).ticket, ticket);
    return outcomes.at(0);
  }
  std::optional<Item> read(const std::string& key) { return target_->read(0, {key_of(key)})[0]; }

  std::filesystem::path folder_;
  TargetTable table_;
  TargetOptions options_;
  std::unique_ptr<Target> target_;
  std::uint64_t ticket_ = 0;
};

TEST_F(LocalTargetTest, WritesNewerAndRefusesOlder) {
  EXPECT_EQ(send(put("a", "one", 10)).kind, Outcome::Kind::kDone);
  EXPECT_EQ(send(put("a", "two", 12)).kind, Outcome::Kind::kDone);
  Outcome refused = send(put("a", "late", 11));
  EXPECT_EQ(refused.kind, Outcome::Kind::kConflict);
  ASSERT_TRUE(refused.found.has_value());
  EXPECT_EQ(find_attribute(*refused.found, "Value")->text(), "two");
  EXPECT_EQ(stamp_of(*refused.found, "_tandem")->version, (state::Version{5, 12}));
  EXPECT_EQ(find_attribute(*read("a"), "Value")->text(), "two");
}

TEST_F(LocalTargetTest, WritesNothingThatTheGuardDoesNotLetPass) {
  ASSERT_EQ(send(put("a", "one", 1)).kind, Outcome::Kind::kDone);
  target_->set_guard([] { throw state::Fenced("another agent has taken over", "", "stop"); });
  target_->submit(put("a", "two", 2));
  std::vector<Outcome> outcomes;
  EXPECT_THROW(target_->wait(std::chrono::milliseconds(0), outcomes), state::Fenced);
  EXPECT_TRUE(outcomes.empty());
  EXPECT_EQ(find_attribute(*target_->read(0, {key_of("a")})[0], "Value")->text(), "one");
}

TEST_F(LocalTargetTest, SameVersionNeedsThePredecessor) {
  Write first = put("a", "one", 10);
  state::Hash hash = first.stamp.hash;
  send(std::move(first));
  EXPECT_EQ(send(put("a", "two", 10)).kind, Outcome::Kind::kConflict);
  Write second = put("a", "two", 10);
  second.predecessor = hash;
  EXPECT_EQ(send(std::move(second)).kind, Outcome::Kind::kDone);
  EXPECT_EQ(find_attribute(*read("a"), "Value")->text(), "two");
}

TEST_F(LocalTargetTest, UnconditionalWritesPassAlways) {
  send(put("a", "new", 20));
  Write write = put("a", "old", 10);
  write.unconditional = true;
  EXPECT_EQ(send(std::move(write)).kind, Outcome::Kind::kDone);
  EXPECT_EQ(find_attribute(*read("a"), "Value")->text(), "old");
}

TEST_F(LocalTargetTest, LeavesATombstoneThatBlocksOlderWrites) {
  send(put("a", "one", 10));
  EXPECT_EQ(send(deletion("a", 11)).kind, Outcome::Kind::kDone);
  std::optional<Item> found = read("a");
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(stamp_of(*found, "_tandem")->deleted);
  EXPECT_EQ(find_attribute(*found, "Value"), nullptr);
  ASSERT_NE(find_attribute(*found, "_tandem_ttl"), nullptr);
  EXPECT_EQ(send(put("a", "late", 10)).kind, Outcome::Kind::kConflict);
  EXPECT_EQ(send(put("a", "again", 12)).kind, Outcome::Kind::kDone);
  EXPECT_EQ(find_attribute(*read("a"), "_tandem_ttl"), nullptr);
}

TEST_F(LocalTargetTest, LetsGoOfExpiredTombstones) {
  send(put("a", "one", 10));
  send(deletion("a", 11));
  {
    state::Database database(path(), state::OpenMode::kReadWrite);
    database.execute("UPDATE items SET expires = 1");
  }
  target_ = open();  // the first transaction of a target looks for expired ones
  send(put("b", "one", 12));
  EXPECT_FALSE(read("a").has_value());
}

TEST_F(LocalTargetTest, DeletesForRealWithoutTombstones) {
  options_.tombstones = std::chrono::seconds(0);
  target_ = open();
  send(put("a", "one", 10));
  EXPECT_EQ(send(deletion("a", 9)).kind, Outcome::Kind::kConflict);
  EXPECT_EQ(send(deletion("a", 11)).kind, Outcome::Kind::kDone);
  EXPECT_FALSE(read("a").has_value());
  EXPECT_EQ(send(deletion("a", 12)).kind, Outcome::Kind::kDone);
}

TEST_F(LocalTargetTest, RejectsWhatDynamodbWould) {
  Outcome outcome = send(put("a", std::string(500'000, 'x'), 10));
  EXPECT_EQ(outcome.kind, Outcome::Kind::kRejected);
  EXPECT_FALSE(outcome.reason.empty());
  EXPECT_FALSE(read("a").has_value());
}

TEST_F(LocalTargetTest, ScansAllPagesWithKeysOnly) {
  for (int i = 0; i < 2500; ++i) target_->submit(put("k" + std::to_string(i), "v", 10));
  std::vector<Outcome> outcomes;
  target_->wait(std::chrono::milliseconds(0), outcomes);
  EXPECT_EQ(outcomes.size(), 2500U);
  std::size_t seen = 0, pages = 0;
  target_->scan(0, true, [&](std::vector<Item>& items) {
    ++pages;
    seen += items.size();
    for (const Item& found : items) EXPECT_EQ(found.size(), 2U);
    return true;
  });
  EXPECT_EQ(seen, 2500U);
  EXPECT_EQ(pages, 3U);
}

TEST_F(LocalTargetTest, KeepsWritesWhileAnotherProcessHoldsTheFile) {
  state::Database other(path(), state::OpenMode::kReadWrite);
  other.execute("BEGIN IMMEDIATE");
  target_->submit(put("a", "one", 10));
  std::vector<Outcome> outcomes;
  target_->wait(std::chrono::milliseconds(0), outcomes);
  EXPECT_TRUE(outcomes.empty());
  other.execute("ROLLBACK");
  target_->wait(std::chrono::milliseconds(0), outcomes);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].kind, Outcome::Kind::kDone);
}

// The condition in SQL is the one that may_replace() states.
TEST_F(LocalTargetTest, AgreesWithMayReplace) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int step = 0; step < 400; ++step) {
    std::string key = "k" + std::to_string(pick(3));
    state::Offset offset = 10 + pick(4);
    Write write = pick(4) == 0 ? deletion(key, offset) : put(key, std::to_string(pick(3)), offset);
    write.stamp.version.epoch = 5 + static_cast<std::uint64_t>(pick(2));
    std::optional<Item> standing = read(key);
    if (pick(2) == 0 && standing) write.predecessor = stamp_of(*standing, "_tandem")->hash;
    bool expected = may_replace(standing, write.stamp, write.predecessor, "_tandem");
    EXPECT_EQ(send(std::move(write)).kind == Outcome::Kind::kDone, expected) << step;
  }
}

TEST_F(LocalTargetTest, ChecksAndRefusesForeignFiles) {
  for (const TargetFinding& finding : target_->check(CheckDepth::kPermissions))
    EXPECT_TRUE(finding.ok) << finding.text;
  std::string missing = (folder_ / "missing.db").string();
  auto absent = open_local_target(missing, {table_}, options_);
  EXPECT_FALSE(absent->check(CheckDepth::kPermissions).at(0).ok);
  EXPECT_THROW(absent->read(0, {key_of("a")}), state::Error);
  EXPECT_FALSE(std::filesystem::exists(missing));

  std::string foreign = (folder_ / "foreign.db").string();
  state::Database(foreign, state::OpenMode::kReadWriteCreate).execute("CREATE TABLE theirs(a)");
  auto wrong = open_local_target(foreign, {table_}, options_);
  EXPECT_FALSE(wrong->check(CheckDepth::kPermissions).at(0).ok);
  EXPECT_THROW(wrong->create_missing([](const std::string&) {}), state::Error);

  TargetTable other = table_;
  other.key = {"Id"};
  EXPECT_FALSE(
      open_local_target(path(), {other}, options_)->check(CheckDepth::kPermissions).at(0).ok);
}

TEST_F(LocalTargetTest, MakesEachTableOnce) {
  EXPECT_TRUE(target_->create_missing([](const std::string&) {}).empty());
  TargetTable more = table_;
  more.name = "More";
  auto both = open_local_target(path(), {table_, more}, options_);
  EXPECT_EQ(both->create_missing([](const std::string&) {}), std::vector<std::string>{"More"});
}

}  // namespace
}  // namespace tandem::sink
