// The ledger (ledger.db): what was last written to the target, what is on its way, what could not
// be written, how far wide marks were expanded, and which marks are settled.
//
// Promise: record_sending() is durable (power loss included) before it returns; a process that dies
// afterwards finds those items as unknown at its next start. All calls are made by one thread (the
// reconciler's); other processes may read the file.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "state/replica.h"

namespace tandem::state {

/// The version of an item: (epoch, offset) of the replica it was built from, one number for the
/// target.
struct Version {
  std::uint64_t epoch = 0;
  Offset offset = 0;
  friend auto operator<=>(const Version&, const Version&) = default;
  /// epoch * 10^15 + offset as decimal digits; at most 35 of DynamoDB's 38.
  std::string to_number() const;
  static std::optional<Version> from_number(std::string_view digits);
};

/// 128 bits of XXH3 over the canonical item.
using Hash = std::array<std::uint8_t, 16>;
std::string to_hex(const Hash& hash);
std::optional<Hash> hash_from_hex(std::string_view hex);

/// What the ledger knows of one item.
struct LedgerItem {
  std::string document;
  std::string root;   // encode_row of the root's key
  std::string table;  // target table
  std::string key;    // canonical bytes of the item's key (sink/item.h)
  Hash hash{};
  Version version;
  bool unknown = false;  // sent without an answer, under repair, or rebuilt: read the target before
                         // trusting it
  bool deleted = false;  // a tombstone of ours stands there
};

struct DeadLetter {
  std::string document;
  std::string root;
  std::string row;   // the root's key for people
  std::string item;  // the item's key for people, "" if it has none
  std::string reason;
  MarkNumber number = 0;
  Offset offset = 0;
  std::int64_t first_ms = 0;  // since when, Unix milliseconds
};

struct Expansion {
  std::string document;
  std::int64_t path = 0;
  Row values;
  MarkNumber number = 0;  // of the wide mark; another number starts over
  std::string progress;   // encode_row of the last root key expanded; "" at the start
  bool done = false;
};

class Ledger {
 public:
  Ledger(const std::string& path, const std::string& log_identity);
  ~Ledger();
  Ledger(const Ledger&) = delete;

  /// True when the file was made just now: what stands at the target must be read first.
  bool fresh() const;
  void set_rebuilt();  // the target's keys, hashes and versions are in
  MarkNumber highest_mark() const;
  /// Newest version of any item that was put or sent.
  Version newest_version() const;

  std::vector<LedgerItem> items_of(const std::string& document, const std::string& root);
  std::optional<LedgerItem> owner_of(const std::string& table, const std::string& key);

  /// One round of the reconciler. Begin, then any of the calls below, then commit (durable if
  /// `durable`; before a send it must be).
  void begin();
  void commit(bool durable);

  void put_item(const LedgerItem& item);  // by (table, key)
  /// Before a send: records the item as unknown until its flight has landed. All sends of one
  /// begin … commit share a flight, so that an answer costs no second write an item. Returns it.
  std::int64_t send_item(const LedgerItem& item);
  /// The answers of the flight are in: its items are known, but for those put otherwise since.
  void land(std::int64_t flight);
  /// Makes every item unknown: what was written since may be more than this ledger knows.
  void distrust_items();
  void remove_item(const std::string& table, const std::string& key);
  void settle(const std::string& document, const std::string& root, MarkNumber number);
  std::optional<MarkNumber> settled(const std::string& document, const std::string& root);
  /// Forgets settled numbers whose marks the replica has swept (numbers it no longer holds).
  void forget_settled(MarkNumber through);

  void put_dead_letter(const DeadLetter& letter);
  bool clear_dead_letter(const std::string& document, const std::string& root);
  std::vector<DeadLetter> dead_letters();

  void put_expansion(const Expansion& expansion);
  std::vector<Expansion> expansions();
  void remove_expansion(const std::string& document, std::int64_t path, const Row& values);

  /// Fingerprints of the documents as they were last applied; a change marks what it touches dirty.
  std::string document_fingerprint(const std::string& document);
  void set_document_fingerprint(const std::string& document, const std::string& fingerprint);
  std::vector<std::string> documents();
  /// Items of the document, by key, for --prune and for verify: those after (table, key), at most
  /// `limit`.
  std::vector<LedgerItem> items_after(const std::string& table, const std::string& key,
                                      std::size_t limit);
  /// Items that were unknown when the ledger was opened or were put as unknown since, after `key`
  /// in the order of keys; those on their way are not among them.
  std::vector<LedgerItem> unknown_after(const std::string& table, const std::string& key,
                                        std::size_t limit);
  std::int64_t item_count(const std::string& document);
  void set_meta(const std::string& key, const std::string& value);
  std::string meta(const std::string& key);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::state
