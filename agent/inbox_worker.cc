#include "agent/inbox_worker.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "state/state_directory.h"

namespace tandem::agent {

InboxWorker::InboxWorker(const std::string& path, Takers takers)
    : inbox_(path), takers_(std::move(takers)) {}

void InboxWorker::take() {
  remove_done();
  if (!inbox_.changed()) return;
  for (const state::Request& request : inbox_.waiting()) {
    if (!is_ours(request)) continue;
    {
      std::lock_guard lock(mutex_);
      if (!open_.insert(request.id).second) continue;
      had_any_ = true;
    }
    hand_over(request, [this, id = request.id] { note_done(id); });
  }
}

bool InboxWorker::is_ours(const state::Request& request) const {
  return request.kind == state::RequestKind::kSnapshot || takers_.fold != nullptr;
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
      takers_.fold->request_marks(
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
      takers_.reconciler->drop_dead_letter(request.document, request.root, done);
      break;
    case state::RequestKind::kSnapshot:
      takers_.snapshot(request.text, done);
      break;
    case state::RequestKind::kReplay:
      takers_.fold->request_replay(request.offset, done);
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
    takers_.reconciler->recheck_item(request.document, request.key, done);
    return;
  }
  takers_.fold->request_marks(
      [request](state::Marks& marks, const std::stop_token&) {
        marks.mark(request.document, request.root);
      },
      [this, request, done] { takers_.reconciler->recheck(request.document, request.root, done); });
}

void put_requests(const Config& config, const std::vector<state::Request>& requests) {
  const state::StateDirectory whole = state::StateDirectory::look(config.state);
  if (!whole.exists()) {
    throw state::Error("there is no state yet", config.state, "run `tandem run` first");
  }
  // Tables are read by the capture, if it is one that runs apart on this machine.
  const state::StateDirectory apart = state::StateDirectory::look_at_capture(config.state);
  const bool by_capture =
      apart.owner() &&
      std::all_of(requests.begin(), requests.end(), [](const state::Request& request) {
        return request.kind == state::RequestKind::kSnapshot;
      });
  const state::StateDirectory& directory = by_capture ? apart : whole;
  state::Inbox inbox(directory.inbox());
  for (const state::Request& request : requests) inbox.put(request);
  std::puts(directory.owner() ? "asked the running agent" : "asked; the next `tandem run` does it");
}

}  // namespace tandem::agent
