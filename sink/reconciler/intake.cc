#include "sink/reconciler/intake.h"

#include <algorithm>

namespace tandem::sink {
namespace {

constexpr std::size_t kPage = 1000;

std::vector<std::string> names_of(const std::vector<TargetTable>& tables) {
  std::vector<std::string> names;
  names.reserve(tables.size());
  for (const TargetTable& table : tables) names.push_back(table.name);
  return names;
}

}  // namespace

Intake::Intake(ReplicaView& view, state::Ledger& ledger, DirtyQueue& queue)
    : view_(view),
      ledger_(ledger),
      queue_(queue),
      maybe_settled_(ledger.highest_mark()),
      unknown_(names_of(view.targets()),
               [&ledger](const std::string& table, const std::string& key, std::size_t limit) {
                 return ledger.unknown_after(table, key, limit);
               }) {}

void Intake::rescan() {
  maybe_settled_ = std::max(maybe_settled_, cursor_);
  cursor_ = 0;
  unknown_.restart();
}

void Intake::refill(std::size_t limit) {
  while (!unknown_.done() && queue_.size() < limit) {
    for (const state::LedgerItem& item : unknown_.next(kPage)) {
      int document = view_.document_index(item.document);
      // Items whose root is not known are looked for by the document's full pass.
      if (item.root.empty() || document < 0 || !view_.document(document).ready()) continue;
      queue_.add(document, item.root, Cause{});
    }
  }
  drained_ = false;
  while (queue_.size() < limit) {
    std::vector<state::Mark> marks = view_.reader().marks_after(cursor_, kPage);
    for (const state::Mark& mark : marks) read_mark(mark);
    if (!marks.empty()) cursor_ = marks.back().number;
    if (marks.size() < kPage) {
      drained_ = true;
      return;
    }
  }
}

void Intake::read_mark(const state::Mark& mark) {
  int document = view_.document_index(mark.document);
  if (document < 0 || !view_.document(document).declared()) {
    unwanted_.push_back(mark);
    return;
  }
  if (!view_.document(document).ready()) return;
  if (mark.number <= maybe_settled_ &&
      ledger_.settled(mark.document, mark.root).value_or(0) >= mark.number) {
    return;
  }
  queue_.add(document, mark.root, Cause{mark.number, mark.offset, {}});
}

void Intake::record() {
  for (const state::Mark& mark : unwanted_) {
    ledger_.settle(mark.document, mark.root, mark.number);
  }
  unwanted_.clear();
}

void Intake::forget_swept() {
  std::vector<state::Mark> oldest = view_.reader().marks_after(0, 1);
  state::MarkNumber through = oldest.empty() ? cursor_ : oldest.front().number - 1;
  if (through <= forgotten_) return;
  ledger_.forget_settled(through);
  forgotten_ = through;
}

}  // namespace tandem::sink
