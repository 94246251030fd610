#include "sink/reconciler/undeclared.h"

namespace tandem::sink {
namespace {

constexpr std::size_t kPage = 1000;

void prune_items(ReplicaView& view, state::Ledger& ledger, DirtyQueue& queue) {
  for (const TargetTable& table : view.targets()) {
    std::vector<state::LedgerItem> items;
    do {
      items = ledger.items_after(table.name, items.empty() ? "" : items.back().key, kPage);
      for (const state::LedgerItem& item : items) {
        int document = view.document_index(item.document);
        if (document < 0 || view.document(document).declared()) continue;
        queue.add(document, item.root, Cause{});
      }
    } while (items.size() == kPage);
  }
}

}  // namespace

void forget_undeclared(ReplicaView& view, state::Ledger& ledger, Quarantine& quarantine,
                       DirtyQueue& queue, bool prune) {
  ledger.begin();
  for (const std::string& name : ledger.documents()) {
    if (view.document_index(name) >= 0) continue;
    quarantine.clear_all(name);
    if (!ledger.document_fingerprint(name).empty()) ledger.set_document_fingerprint(name, "");
    if (prune) view.add_undeclared(name);
  }
  ledger.commit(false);
  if (prune) prune_items(view, ledger, queue);
}

}  // namespace tandem::sink
