#include "sink/reconciler/ledger_rebuild.h"

#include "state/failpoint.h"

namespace tandem::sink {

namespace {

// Puts the items of the pipeline that stand at the target into the ledger, as unknown and without a
// root, but for those that it knows. Returns the tables in which anything stands. Ends early when a
// stop is asked for.
std::vector<std::string> adopt_items(state::Ledger& ledger, Target& target,
                                     const std::vector<TargetTable>& tables,
                                     const std::string& pipeline, const std::string& attribute,
                                     const std::stop_token& stop = {}) {
  std::vector<std::string> occupied;
  const std::string prefix = pipeline + "/";
  for (std::size_t table = 0; table < tables.size() && !stop.stop_requested(); ++table) {
    bool found = false;
    target.scan(table, true, [&](std::vector<Item>& items) {
      if (stop.stop_requested()) return false;
      found = true;
      ledger.begin();
      for (const Item& item : items) {
        std::optional<Stamp> stamp = stamp_of(item, attribute);
        if (!stamp || stamp->deleted || !stamp->name.starts_with(prefix)) continue;
        state::LedgerItem row;
        row.document = stamp->name.substr(prefix.size());
        row.table = tables[table].name;
        row.key = encode_key(item, tables[table].key);
        if (ledger.owner_of(row.table, row.key)) continue;
        row.hash = stamp->hash;
        row.version = stamp->version;
        row.unknown = true;
        ledger.put_item(row);
      }
      ledger.commit(false);
      return true;
    });
    if (found) occupied.push_back(tables[table].name);
  }
  return occupied;
}

}  // namespace

std::vector<std::string> rebuild_ledger(state::Ledger& ledger, Target& target,
                                        const std::vector<TargetTable>& tables,
                                        const std::string& pipeline, const std::string& attribute) {
  if (!ledger.fresh()) return {};
  std::vector<std::string> occupied = adopt_items(ledger, target, tables, pipeline, attribute);
  TANDEM_FAILPOINT("reconciler.rebuild.before");
  ledger.begin();
  ledger.set_rebuilt();
  ledger.commit(true);
  TANDEM_FAILPOINT("reconciler.rebuild.after");
  return occupied;
}

bool distrust_ledger(state::Ledger& ledger, Target& target, const std::vector<TargetTable>& tables,
                     const std::string& pipeline, const std::string& attribute,
                     const std::stop_token& stop) {
  ledger.begin();
  ledger.distrust_items();
  ledger.commit(false);
  adopt_items(ledger, target, tables, pipeline, attribute, stop);
  return !stop.stop_requested();
}

}  // namespace tandem::sink
