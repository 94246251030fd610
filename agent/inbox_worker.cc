#include "agent/inbox_worker.h"

#include <cstdio>

#include "state/state_directory.h"

namespace tandem::agent {

InboxWorker::InboxWorker(const std::string& path, capture::Publisher& publisher, FoldWorker& fold,
                         sink::Reconciler& reconciler)
    : inbox_(path), publisher_(publisher), fold_(fold), reconciler_(reconciler) {}

void InboxWorker::take() {
  if (!inbox_.changed()) return;
  for (const state::Request& request : inbox_.waiting()) {
    hand_over(request);
    inbox_.remove(request.id);
  }
}

void InboxWorker::hand_over(const state::Request& request) {
  switch (request.kind) {
    case state::RequestKind::kMark:
    case state::RequestKind::kRetry:
      fold_.request_marks([request](state::Marks& marks) {
        if (request.root.empty()) {
          marks.mark_wide(request.document, 0, {});
        } else {
          marks.mark(request.document, request.root);
        }
      });
      break;
    case state::RequestKind::kDrop:
      reconciler_.drop_dead_letter(request.document, request.root);
      break;
    case state::RequestKind::kSnapshot:
      publisher_.request_snapshot(request.text);
      break;
    case state::RequestKind::kReplay:
      fold_.request_replay(request.offset);
      break;
    case state::RequestKind::kRepair:
      if (request.root.empty()) {
        reconciler_.recheck_item(request.document, request.key);
      } else {
        reconciler_.recheck(request.document, request.root);
      }
      break;
  }
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
