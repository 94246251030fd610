#include "agent/inbox_worker.h"

#include <cstdio>

#include "state/state_directory.h"

namespace tandem::agent {

InboxWorker::InboxWorker(const std::string& path, capture::Publisher& publisher, FoldWorker& fold,
                         sink::Reconciler& reconciler)
    : inbox_(path), publisher_(publisher), fold_(fold), reconciler_(reconciler) {}

void InboxWorker::take() {
  remove_done();
  if (!inbox_.changed()) return;
  for (const state::Request& request : inbox_.waiting()) {
    {
      std::lock_guard lock(mutex_);
      if (!open_.insert(request.id).second) continue;
      had_any_ = true;
    }
    hand_over(request, [this, id = request.id] { note_done(id); });
  }
}

void InboxWorker::remove_done() {
  std::vector<std::int64_t> done;
  {
    std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  for (std::int64_t id : done) inbox_.remove(id);
  {
    std::lock_guard lock(mutex_);
    for (std::int64_t id : done) open_.erase(id);
  }
  changed_.notify_all();
}

void InboxWorker::note_done(std::int64_t id) {
  {
    std::lock_guard lock(mutex_);
    done_.push_back(id);
  }
  changed_.notify_all();
}

bool InboxWorker::had_any() const {
  std::lock_guard lock(mutex_);
  return had_any_;
}

bool InboxWorker::wait_done(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  return changed_.wait(lock, stop, [this] { return done_.size() == open_.size(); });
}

void InboxWorker::hand_over(const state::Request& request, const Done& done) {
  switch (request.kind) {
    case state::RequestKind::kMark:
    case state::RequestKind::kRetry:
      fold_.request_marks(
          [request](state::Marks& marks, const std::stop_token&) {
            if (request.root.empty()) {
              marks.mark_wide(request.document, 0, {});
            } else {
              marks.mark(request.document, request.root);
            }
          },
          done);
      break;
    case state::RequestKind::kDrop:
      reconciler_.drop_dead_letter(request.document, request.root, done);
      break;
    case state::RequestKind::kSnapshot:
      publisher_.request_snapshot(request.text, done);
      break;
    case state::RequestKind::kReplay:
      fold_.request_replay(request.offset, done);
      break;
    case state::RequestKind::kRepair:
      hand_over_repair(request, done);
      break;
  }
}

// The reconciler distrusts what the ledger has of the document; the mark has the document built
// even if the ledger has nothing of it and the process dies now.
void InboxWorker::hand_over_repair(const state::Request& request, const Done& done) {
  if (request.root.empty()) {
    reconciler_.recheck_item(request.document, request.key, done);
    return;
  }
  fold_.request_marks(
      [request](state::Marks& marks, const std::stop_token&) {
        marks.mark(request.document, request.root);
      },
      [this, request, done] { reconciler_.recheck(request.document, request.root, done); });
}

void put_requests(const Config& config, const std::vector<state::Request>& requests) {
  state::StateDirectory directory = state::StateDirectory::look(config.state);
  if (!directory.exists()) {
    throw state::Error("there is no state yet", config.state, "run `tandem run` first");
  }
  state::Inbox inbox(directory.inbox());
  for (const state::Request& request : requests) inbox.put(request);
  std::puts(directory.owner() ? "asked the running agent" : "asked; the next `tandem run` does it");
}

}  // namespace tandem::agent
