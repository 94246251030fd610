#include "sink/reconciler/first_loads.h"

#include <algorithm>

namespace tandem::sink {
namespace {

std::string meta_key(const std::string& table) { return "first_load:" + table; }

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

FirstLoads::FirstLoads(ReplicaView& view, state::Ledger& ledger,
                       const std::vector<std::string>& made,
                       const std::vector<std::string>& occupied)
    : view_(view), ledger_(ledger) {
  ledger_.begin();
  for (const TargetTable& table : view_.targets()) {
    const bool empty =
        !contains(occupied, table.name) && ledger_.items_after(table.name, "", 1).empty();
    if (contains(made, table.name) && empty) ledger_.set_meta(meta_key(table.name), "open");
    open_.push_back(ledger_.meta(meta_key(table.name)) == "open");
  }
  ledger_.commit(false);
}

void FirstLoads::record(Expansions& expansions) {
  for (std::size_t table = 0; table < open_.size(); ++table) {
    if (!open_[table]) continue;
    bool loading = false;
    for (std::size_t i = 0; i < view_.documents().size(); ++i) {
      const ViewDocument& document = view_.documents()[i];
      loading |=
          document.declared() && document.table == table && !expansions.loaded(static_cast<int>(i));
    }
    if (loading) continue;
    open_[table] = false;
    ledger_.set_meta(meta_key(view_.targets()[table].name), "");
  }
}

}  // namespace tandem::sink
