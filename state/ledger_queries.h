// What the ledger's writer and its readers share: the tables of ledger.db, and reading them.
//
//   documents(id, name, fingerprint)   names as small numbers
//   tables(id, name)                   target tables, likewise
//   items(tbl, key, doc, root, hash, epoch, offset, deleted, flight)
//   flights(id)                        sends without all their answers
//   settled(doc, root, number)         the mark's number that the document was made right at
//   dead_letters(doc, root, row, item, reason, number, offset, first_ms)
//   expansions(doc, path, vals, number, progress, done)
//   meta(key, value)
//
// items.flight is 0 for an item that is known, -1 for one that is unknown, and otherwise the number
// of a flight: the item is unknown while that flight is in `flights`.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "state/ledger.h"
#include "state/sqlite.h"

namespace tandem::state {

extern const char kLedgerTables[];

/// The names that a table of the ledger keeps as small numbers. Names are only ever added, so what
/// was read once stays true, and a read of items needs no join.
class LedgerNames {
 public:
  LedgerNames(Database& database, const std::string& table);
  std::optional<std::int64_t> id(const std::string& name);
  const std::string& name(std::int64_t id);
  /// In order.
  std::vector<std::string> all();

 private:
  void read_again();

  Statement all_;
  std::unordered_map<std::string, std::int64_t> ids_;
  std::unordered_map<std::int64_t, std::string> names_;
};

/// Prepared reads over one connection. One thread.
class LedgerQueries {
 public:
  explicit LedgerQueries(Database& database);

  LedgerNames& documents() { return documents_; }
  LedgerNames& tables() { return tables_; }

  std::vector<LedgerItem> items_of(const std::string& document, const std::string& root);
  std::optional<LedgerItem> owner_of(const std::string& table, const std::string& key);
  std::vector<LedgerItem> items_after(const std::string& table, const std::string& key,
                                      std::size_t limit);
  std::vector<LedgerItem> unknown_after(const std::string& table, const std::string& key,
                                        std::size_t limit);
  std::optional<MarkNumber> settled(const std::string& document, const std::string& root);
  std::vector<DeadLetter> dead_letters();
  std::optional<DeadLetter> dead_letter(const std::string& document, const std::string& root);
  std::vector<Expansion> expansions();
  std::int64_t item_count(const std::string& document);
  bool any_unknown();
  std::string meta(const std::string& key);

 private:
  LedgerItem item(const Statement& row);
  static DeadLetter letter(const Statement& row);

  LedgerNames documents_, tables_;
  Statement items_of_, owner_of_, items_after_, unknown_after_, settled_, dead_letters_,
      dead_letter_, expansions_, item_count_, any_unknown_, meta_;
};

}  // namespace tandem::state
