// Dead letters: the documents that cannot be written as they are, and which of them wait for a key
// that another document has.
//
// All are held in memory beside the ledger, so that a document without one costs no query. The
// calls that change something belong inside a transaction of the ledger. One thread.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sink/reconciler/standing.h"
#include "state/ledger.h"

namespace tandem::sink {

class Quarantine {
 public:
  using DocumentRoot = std::pair<std::string, std::string>;

  explicit Quarantine(state::Ledger& ledger);

  /// `contested`: the key that another document has, null for any other reason.
  void put(state::DeadLetter letter, const ItemKey* contested);
  void clear(const std::string& document, const std::string& root);
  /// Forgets every letter of the document.
  void clear_all(const std::string& document);

  /// The documents that wait for this key.
  std::vector<DocumentRoot> contenders(const ItemKey& key) const;
  /// Roots of the document whose letter's reason is another document's key. Which key is not
  /// recorded over a restart.
  std::vector<std::string> contested(const std::string& document) const;
  std::int64_t count() const { return static_cast<std::int64_t>(letters_.size()); }
  std::int64_t count(const std::string& document) const;
  /// Names of the documents that have letters.
  std::vector<std::string> documents() const;

 private:
  struct Letter {
    std::int64_t first_ms = 0;
    bool contested = false;
    std::optional<ItemKey> key;
  };
  void forget_contest(const DocumentRoot& document, const Letter& letter);

  state::Ledger& ledger_;
  std::map<DocumentRoot, Letter> letters_;
  std::map<std::string, std::int64_t> counts_;
  std::unordered_map<ItemKey, std::vector<DocumentRoot>, ItemKeyHash> contenders_;
};

}  // namespace tandem::sink
