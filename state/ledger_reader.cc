#include "state/ledger_reader.h"

#include "state/ledger_queries.h"

namespace tandem::state {

LedgerReader::LedgerReader(const std::string& path)
    : database_(path, OpenMode::kReadOnly), queries_(std::make_unique<LedgerQueries>(database_)) {}
LedgerReader::~LedgerReader() = default;

std::vector<LedgerItem> LedgerReader::items_of(const std::string& document,
                                               const std::string& root) {
  return queries_->items_of(document, root);
}
std::optional<LedgerItem> LedgerReader::owner_of(const std::string& table, const std::string& key) {
  return queries_->owner_of(table, key);
}
std::optional<MarkNumber> LedgerReader::settled(const std::string& document,
                                                const std::string& root) {
  return queries_->settled(document, root);
}
std::vector<DeadLetter> LedgerReader::dead_letters() { return queries_->dead_letters(); }
std::optional<DeadLetter> LedgerReader::dead_letter(const std::string& document,
                                                    const std::string& root) {
  return queries_->dead_letter(document, root);
}
std::vector<Expansion> LedgerReader::expansions() { return queries_->expansions(); }
std::int64_t LedgerReader::item_count(const std::string& document) {
  return queries_->item_count(document);
}
bool LedgerReader::any_unknown() { return queries_->any_unknown(); }

}  // namespace tandem::state
