#include "state/record.h"

namespace tandem::state {

std::uint32_t Batch::table_index(const std::string& name) {
  for (std::size_t i = tables.size(); i-- > 0;) {
    if (tables[i] == name) return static_cast<std::uint32_t>(i);
  }
  tables.push_back(name);
  return static_cast<std::uint32_t>(tables.size() - 1);
}

}  // namespace tandem::state
