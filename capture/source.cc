#include "capture/source.h"

#include <utility>

namespace tandem::capture {

const CatalogTable* Catalog::find(std::string_view name) const {
  for (const CatalogTable& table : tables) {
    if (table.schema.name == name) return &table;
  }
  return nullptr;
}

std::pair<std::optional<state::Row>, state::SourcePosition> SourceReader::read_row(
    const state::TableSchema& table, const state::Row& key) {
  Page page = read_rows(table, {key});
  if (page.rows.empty()) return {std::nullopt, page.position};
  return {std::move(page.rows.front()), page.position};
}

}  // namespace tandem::capture
