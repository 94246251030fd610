// The target half of verify: compares every item that the documents yield from the replica with
// what stands at the target, and every item that stands there with what the documents yield.
//
// Promise: a difference is counted only if nothing newer is on its way to that item: its document
// is not dirty before and after both sides were read again. Writes nothing. One thread. Errors:
// those of the target, the replica and the ledger.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "sink/relations.h"
#include "sink/target.h"

namespace tandem::sink {

struct AttributeDifference {
  std::string name;
  std::string expected, found;  // as JSON; "" where the attribute is not there
};
/// Attribute by attribute, our own and the volatile ones aside.
std::vector<AttributeDifference> compare_items(const Item& expected, const Item& found,
                                               std::string_view own_attribute,
                                               const std::vector<std::string>& volatile_names);

struct ItemDifference {
  enum class Kind { kMissing, kSurplus, kDifferent } kind = Kind::kDifferent;
  std::string document, root;  // root as encode_row; "" where it is not known
  std::string row;             // the root for people
  std::string table;
  std::string key;   // encode_key
  std::string item;  // the key for people
  std::vector<AttributeDifference> attributes;
};

struct ItemReport {
  std::int64_t items_expected = 0, items_found = 0, tombstones = 0, foreign = 0;
  std::int64_t undeclared = 0;    // items of documents no longer declared, which stay by design
  std::int64_t pending = 0;       // documents left out because something newer is on its way
  std::int64_t dead_letters = 0;  // documents left out because they are dead letters
  std::vector<ItemDifference> differences;
};

struct ItemVerifierOptions {
  std::string pipeline, attribute, replica_path, ledger_path;
  bool deep = false;  // hash the target's contents instead of trusting the stored hash
  std::chrono::milliseconds patience{10'000};  // how long to wait for what is on its way
  std::function<void(std::int64_t done, std::int64_t total)> progress;
};

ItemReport verify_items(Target& target, DocumentSet& documents, const ItemVerifierOptions& options,
                        std::stop_token stop);

}  // namespace tandem::sink
