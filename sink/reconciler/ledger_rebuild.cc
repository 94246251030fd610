#include "sink/reconciler/ledger_rebuild.h"

#include "state/failpoint.h"

namespace tandem::sink {

std::vector<std::string> rebuild_ledger(state::Ledger& ledger, Target& target,
                                        const std::vector<TargetTable>& tables,
                                        const std::string& pipeline, const std::string& attribute) {
  std::vector<std::string> occupied;
  if (!ledger.fresh()) return occupied;
  const std::string prefix = pipeline + "/";
  for (std::size_t table = 0; table < tables.size(); ++table) {
    bool found = false;
    target.scan(table, true, [&](std::vector<Item>& items) {
      found = true;
      ledger.begin();
      for (const Item& item : items) {
        std::optional<Stamp> stamp = stamp_of(item, attribute);
        if (!stamp || stamp->deleted || !stamp->name.starts_with(prefix)) continue;
        state::LedgerItem row;
        row.document = stamp->name.substr(prefix.size());
        row.table = tables[table].name;
        row.key = encode_key(item, tables[table].key);
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
  TANDEM_FAILPOINT("reconciler.rebuild.before");
  ledger.begin();
  ledger.set_rebuilt();
  ledger.commit(true);
  TANDEM_FAILPOINT("reconciler.rebuild.after");
  return occupied;
}

}  // namespace tandem::sink
