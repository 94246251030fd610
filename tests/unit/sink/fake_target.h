// A target in memory that records what it is asked, answers in any order, and can be made to lose
// answers, to throttle, to refuse, or to die.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sink/target.h"

namespace tandem::sink::testing {

/// What a dying target throws; the process it plays in is gone then.
struct Died {};

class FakeTarget : public Target {
 public:
  using Key = std::pair<std::size_t, std::string>;

  FakeTarget(std::vector<TargetTable> tables, TargetOptions options = {}, unsigned seed = 1)
      : tables_(std::move(tables)), options_(std::move(options)), random_(seed) {}

  // Set by the test while no reconciler runs.
  int lose_one_in = 0;            // answers lost: the write is done or not, the outcome is kUnknown
  int hold_one_in = 0;            // answers that come only at a later wait
  int die_after = -1;             // dies when so many more writes have been submitted
  std::set<std::string> refused;  // values of the attribute `Note` that are rejected for good
  std::function<void()> before_wait;  // called by each wait
  std::function<void()> before_scan;  // called by each scan
  std::function<void()> before_read;  // called by each read

  std::map<Key, Item> items;
  std::vector<Write> log;  // every write ever submitted
  std::int64_t writes = 0, reads = 0, scans = 0;

  std::vector<TargetFinding> check(CheckDepth) override { return {}; }
  std::vector<std::string> create_missing(const std::function<void(const std::string&)>&) override {
    return {};
  }
  std::size_t room() const override { return 500 - std::min<std::size_t>(500, pending_.size()); }

  void submit(Write write) override {
    if (die_after == 0) throw Died();
    if (die_after > 0) --die_after;
    Key key{write.table, encode_key(write.item, tables_[write.table].key)};
    EXPECT_TRUE(in_the_air_.insert(key).second) << "a key was submitted twice";
    ++writes;
    log.push_back(write);
    pending_.push_back(std::move(write));
  }

  void wait(std::chrono::milliseconds, std::vector<Outcome>& outcomes) override {
    if (before_wait) before_wait();
    std::shuffle(pending_.begin(), pending_.end(), random_);
    std::vector<Write> held;
    for (Write& write : pending_) {
      if (one_in(hold_one_in)) {
        held.push_back(std::move(write));
      } else {
        outcomes.push_back(apply(write));
      }
    }
    pending_ = std::move(held);
  }

  /// The process that submitted is gone: what was on its way arrives or does not.
  void crash() {
    for (Write& write : pending_) {
      if (random_() % 2 == 0) apply(write);
    }
    pending_.clear();
    in_the_air_.clear();
    die_after = -1;
  }

  std::vector<std::optional<Item>> read(std::size_t table, const std::vector<Item>& keys) override {
    ++reads;
    if (before_read) before_read();
    std::vector<std::optional<Item>> found;
    for (const Item& key : keys) found.push_back(at(table, encode_key(key, tables_[table].key)));
    return found;
  }

  void scan(std::size_t table, bool, const std::function<bool(std::vector<Item>&)>& page) override {
    ++scans;
    if (before_scan) before_scan();
    std::vector<Item> found;
    for (const auto& [key, item] : items) {
      if (key.first == table) found.push_back(item);
    }
    if (!found.empty()) page(found);
  }

  TargetCounters counters() const override {
    TargetCounters counters;
    counters.write_calls = writes;
    return counters;
  }

  std::optional<Item> at(std::size_t table, const std::string& key) const {
    auto found = items.find({table, key});
    return found == items.end() ? std::nullopt : std::optional<Item>(found->second);
  }

  /// Items that are no tombstones, without our attribute.
  std::map<Key, Item> living() const {
    std::map<Key, Item> living;
    for (const auto& [key, item] : items) {
      std::optional<Stamp> stamp = stamp_of(item, options_.attribute);
      if (stamp && stamp->deleted) continue;
      Item plain = item;
      std::erase_if(plain, [&](const auto& entry) { return entry.first == options_.attribute; });
      living[key] = std::move(plain);
    }
    return living;
  }

 private:
  bool one_in(int n) { return n > 0 && random_() % static_cast<unsigned>(n) == 0; }

  Outcome apply(const Write& write) {
    Key key{write.table, encode_key(write.item, tables_[write.table].key)};
    in_the_air_.erase(key);
    Outcome outcome;
    outcome.ticket = write.ticket;
    const Attribute* note = find_attribute(write.item, "Note");
    if (!write.deletion && note != nullptr && refused.contains(note->text())) {
      outcome.kind = Outcome::Kind::kRejected;
      outcome.reason = "refused by the test";
      return outcome;
    }
    if (one_in(lose_one_in)) {
      outcome.kind = Outcome::Kind::kUnknown;
      if (random_() % 2 == 0) return outcome;
    }
    std::optional<Item> standing = at(key.first, key.second);
    if (!write.unconditional &&
        !may_replace(standing, write.stamp, write.predecessor, options_.attribute)) {
      if (outcome.kind == Outcome::Kind::kUnknown) return outcome;
      outcome.kind = Outcome::Kind::kConflict;
      outcome.found = standing;
      return outcome;
    }
    if (standing) {
      std::optional<Stamp> before = stamp_of(*standing, options_.attribute);
      EXPECT_TRUE(!before || before->version <= write.stamp.version) << "an item went backwards";
    }
    if (write.deletion && options_.tombstones.count() == 0) {
      items.erase(key);
      return outcome;
    }
    Item item = write.item;
    item.emplace_back(options_.attribute, stamp_to_attribute(write.stamp));
    sort_map(item);
    items[key] = std::move(item);
    return outcome;
  }

  std::vector<TargetTable> tables_;
  TargetOptions options_;
  std::mt19937 random_;
  std::vector<Write> pending_;
  std::set<Key> in_the_air_;
};

}  // namespace tandem::sink::testing
