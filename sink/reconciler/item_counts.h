// How many items each document has by the ledger, kept up to date beside it, because counting them
// there reads an index from end to end. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sink/reconciler/replica_view.h"
#include "state/ledger.h"

namespace tandem::sink {

class ItemCounts {
 public:
  ItemCounts(ReplicaView& view, state::Ledger& ledger) : view_(view), ledger_(ledger) {
    count_anew();
  }

  /// The ledger has changed without us.
  void count_anew() {
    counts_.clear();
    for (const ViewDocument& document : view_.documents()) {
      counts_.push_back(ledger_.item_count(document.name));
    }
  }

  /// The ledger's row of a key becomes another one; null: there is none.
  void change(const state::LedgerItem* before, const state::LedgerItem* after) {
    if (before != nullptr && !before->deleted) add(before->document, -1);
    if (after != nullptr && !after->deleted) add(after->document, 1);
  }
  std::int64_t of(std::size_t document) const {
    return document < counts_.size() ? counts_[document] : 0;
  }

 private:
  void add(const std::string& document, std::int64_t items) {
    const int index = view_.document_index(document);
    if (index < 0) return;
    counts_.resize(view_.documents().size());
    counts_[static_cast<std::size_t>(index)] += items;
  }

  ReplicaView& view_;
  state::Ledger& ledger_;
  std::vector<std::int64_t> counts_;  // by document
};

}  // namespace tandem::sink
