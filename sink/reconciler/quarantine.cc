#include "sink/reconciler/quarantine.h"

#include <algorithm>
#include <chrono>

#include "sink/reconciler/claims.h"

namespace tandem::sink {
namespace {

std::int64_t unix_milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Quarantine::Quarantine(state::Ledger& ledger) : ledger_(ledger) {
  for (const state::DeadLetter& letter : ledger.dead_letters()) {
    letters_[{letter.document, letter.root}] =
        Letter{letter.first_ms, letter.reason.starts_with(kContestedReason), std::nullopt};
    ++counts_[letter.document];
  }
}

void Quarantine::put(state::DeadLetter letter, const ItemKey* contested) {
  DocumentRoot document{letter.document, letter.root};
  auto [entry, made] = letters_.try_emplace(document);
  if (made) {
    entry->second.first_ms = unix_milliseconds();
    ++counts_[letter.document];
  } else {
    forget_contest(document, entry->second);
  }
  letter.first_ms = entry->second.first_ms;
  entry->second.contested = contested != nullptr;
  entry->second.key = contested != nullptr ? std::optional<ItemKey>(*contested) : std::nullopt;
  if (contested != nullptr) contenders_[*contested].push_back(document);
  ledger_.put_dead_letter(letter);
}

void Quarantine::clear(const std::string& document, const std::string& root) {
  auto entry = letters_.find({document, root});
  if (entry == letters_.end()) return;
  forget_contest(entry->first, entry->second);
  if (--counts_[document] == 0) counts_.erase(document);
  letters_.erase(entry);
  ledger_.clear_dead_letter(document, root);
}

void Quarantine::clear_all(const std::string& document) {
  std::vector<std::string> roots;
  for (auto entry = letters_.lower_bound({document, ""});
       entry != letters_.end() && entry->first.first == document; ++entry) {
    roots.push_back(entry->first.second);
  }
  for (const std::string& root : roots) clear(document, root);
}

void Quarantine::forget_contest(const DocumentRoot& document, const Letter& letter) {
  if (!letter.key) return;
  auto found = contenders_.find(*letter.key);
  std::erase(found->second, document);
  if (found->second.empty()) contenders_.erase(found);
}

std::vector<Quarantine::DocumentRoot> Quarantine::contenders(const ItemKey& key) const {
  auto found = contenders_.find(key);
  return found == contenders_.end() ? std::vector<DocumentRoot>{} : found->second;
}

std::vector<std::string> Quarantine::contested(const std::string& document) const {
  std::vector<std::string> roots;
  for (auto entry = letters_.lower_bound({document, ""});
       entry != letters_.end() && entry->first.first == document; ++entry) {
    if (entry->second.contested) roots.push_back(entry->first.second);
  }
  return roots;
}

std::int64_t Quarantine::count(const std::string& document) const {
  auto found = counts_.find(document);
  return found == counts_.end() ? 0 : found->second;
}

std::vector<std::string> Quarantine::documents() const {
  std::vector<std::string> names;
  for (const auto& [name, count] : counts_) names.push_back(name);
  return names;
}

}  // namespace tandem::sink
