// The ledger, read by another thread or process than the one that writes it. Each call sees the
// newest commit. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "state/ledger.h"

namespace tandem::state {

class LedgerQueries;

class LedgerReader {
 public:
  /// Throws Error if there is no ledger.
  explicit LedgerReader(const std::string& path);
  ~LedgerReader();

  std::vector<LedgerItem> items_of(const std::string& document, const std::string& root);
  std::optional<LedgerItem> owner_of(const std::string& table, const std::string& key);
  std::optional<MarkNumber> settled(const std::string& document, const std::string& root);
  std::vector<DeadLetter> dead_letters();
  std::optional<DeadLetter> dead_letter(const std::string& document, const std::string& root);
  std::vector<Expansion> expansions();
  std::int64_t item_count(const std::string& document);
  /// Whether an item is unknown or a write has no answer yet.
  bool any_unknown();

 private:
  Database database_;
  std::unique_ptr<LedgerQueries> queries_;
};

}  // namespace tandem::state
