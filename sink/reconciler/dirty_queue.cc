#include "sink/reconciler/dirty_queue.h"

#include <algorithm>
#include <utility>

namespace tandem::sink {

void Cause::merge(Cause&& other) {
  number = std::max(number, other.number);
  offset = std::min(offset, other.offset);
  steps.insert(steps.end(), std::make_move_iterator(other.steps.begin()),
               std::make_move_iterator(other.steps.end()));
}

void DirtyQueue::forget_offset(state::Offset offset) {
  auto entry = offsets_.find(offset);
  if (--entry->second == 0) offsets_.erase(entry);
}

void DirtyQueue::merge(Cause& into, Cause&& cause) {
  forget_offset(into.offset);
  into.merge(std::move(cause));
  remember(into.offset);
}

void DirtyQueue::begin(Dirty& dirty, int document, const std::string& root, Cause cause) {
  dirty.document = document;
  dirty.root = root;
  dirty.cause = std::move(cause);
  remember(dirty.cause.offset);
}

void DirtyQueue::merge_into(Dirty& dirty, Cause cause) {
  if (dirty.state == Dirty::State::kQueued || dirty.state == Dirty::State::kBlocked) {
    merge(dirty.cause, std::move(cause));
  } else if (dirty.again) {
    merge(*dirty.again, std::move(cause));
  } else {
    remember(cause.offset);
    dirty.again = std::move(cause);
  }
}

void DirtyQueue::add(int document, const std::string& root, Cause cause) {
  if (resting_.contains(document)) return;
  auto [entry, made] = entries_.try_emplace(Key{document, root});
  Dirty& dirty = entry->second;
  if (!made) return merge_into(dirty, std::move(cause));
  begin(dirty, document, root, std::move(cause));
  waiting_.push_back(&dirty);
}

Dirty* DirtyQueue::take_next() {
  if (waiting_.empty()) return nullptr;
  Dirty* dirty = waiting_.front();
  waiting_.pop_front();
  dirty->state = Dirty::State::kInRound;
  return dirty;
}

Dirty* DirtyQueue::take(int document, const std::string& root, Cause cause) {
  auto [entry, made] = entries_.try_emplace(Key{document, root});
  Dirty& dirty = entry->second;
  if (made) {
    begin(dirty, document, root, std::move(cause));
    dirty.state = Dirty::State::kInRound;
    return &dirty;
  }
  if (dirty.state == Dirty::State::kInRound) {
    merge(dirty.cause, std::move(cause));
    return nullptr;
  }
  const bool waits = dirty.state == Dirty::State::kQueued;
  merge_into(dirty, std::move(cause));
  if (!waits) return nullptr;
  waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &dirty));
  dirty.state = Dirty::State::kInRound;
  return &dirty;
}

Dirty* DirtyQueue::find(int document, const std::string& root) {
  auto entry = entries_.find(Key{document, root});
  return entry == entries_.end() ? nullptr : &entry->second;
}

void DirtyQueue::retry(Dirty& dirty) {
  reset(dirty);
  if (resting_.contains(dirty.document)) return erase(dirty);
  dirty.state = Dirty::State::kQueued;
  waiting_.push_back(&dirty);
}

// As if nothing had been sent yet.
void DirtyQueue::reset(Dirty& dirty) {
  if (dirty.again) {
    forget_offset(dirty.again->offset);
    merge(dirty.cause, std::move(*dirty.again));
    dirty.again.reset();
  }
  dirty.open_writes = 0;
  dirty.retry = false;
  dirty.rejection.clear();
  dirty.rejected_item.clear();
}

void DirtyQueue::block(Dirty& dirty) {
  reset(dirty);
  dirty.state = Dirty::State::kBlocked;
  blocked_.push_back(&dirty);
}

void DirtyQueue::unblock() {
  for (Dirty* dirty : blocked_) {
    dirty->state = Dirty::State::kQueued;
    waiting_.push_back(dirty);
  }
  blocked_.clear();
}

void DirtyQueue::finish(Dirty& dirty) {
  for (const std::shared_ptr<Step>& step : dirty.cause.steps) --step->open;
  if (dirty.again) {
    dirty.cause.steps.clear();
    forget_offset(dirty.cause.offset);
    dirty.cause = std::move(*dirty.again);
    dirty.again.reset();
    retry(dirty);
    return;
  }
  erase(dirty);
}

void DirtyQueue::rest(int document) {
  resting_.insert(document);
  auto of_document = [document](const Dirty* dirty) { return dirty->document == document; };
  std::vector<Dirty*> gone;
  std::copy_if(waiting_.begin(), waiting_.end(), std::back_inserter(gone), of_document);
  std::copy_if(blocked_.begin(), blocked_.end(), std::back_inserter(gone), of_document);
  std::erase_if(waiting_, of_document);
  std::erase_if(blocked_, of_document);
  for (Dirty* dirty : gone) erase(*dirty);
}

void DirtyQueue::erase(Dirty& dirty) {
  forget_offset(dirty.cause.offset);
  entries_.erase(Key{dirty.document, dirty.root});
}

std::optional<state::Offset> DirtyQueue::oldest() const {
  if (offsets_.empty()) return std::nullopt;
  return offsets_.begin()->first;
}

}  // namespace tandem::sink
