#include "sink/reconciler/first_loads.h"

#include <algorithm>

namespace tandem::sink {
namespace {

constexpr char kOpen[] = "open", kEnded[] = "ended";

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
    const std::string key = meta_key(table.name);
    if (contains(made, table.name) && ledger_.meta(key).empty()) {
      const bool empty =
          !contains(occupied, table.name) && ledger_.items_after(table.name, "", 1).empty();
      ledger_.set_meta(key, empty ? kOpen : kEnded);
    }
    open_.push_back(ledger_.meta(key) == kOpen);
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
    if (!loading) end(table);
  }
}

void FirstLoads::end_all() {
  for (std::size_t table = 0; table < open_.size(); ++table) {
    if (open_[table]) end(table);
  }
}

void FirstLoads::end(std::size_t table) {
  open_[table] = false;
  ledger_.set_meta(meta_key(view_.targets()[table].name), kEnded);
}

}  // namespace tandem::sink
