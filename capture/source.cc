#include "capture/source.h"

namespace tandem::capture {

const CatalogTable* Catalog::find(std::string_view name) const {
  for (const CatalogTable& table : tables) {
    if (table.schema.name == name) return &table;
  }
  return nullptr;
}

}  // namespace tandem::capture
