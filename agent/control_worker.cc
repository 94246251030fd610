#include "agent/control_worker.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/log.h"
#include "state/rest.h"

namespace tandem::agent {
namespace {

constexpr std::chrono::milliseconds kPause{500};

bool is_request(const state::ControlRecord& record) {
  return record.kind == state::ControlKind::kSnapshot || record.kind == state::ControlKind::kGap;
}

// The records that ask for something, but for those that a later one says are done.
std::vector<state::ControlRecord> waiting(const std::vector<state::ControlRecord>& records) {
  state::Offset done = 0;
  for (const state::ControlRecord& record : records) done = std::max(done, record.upto);
  std::vector<state::ControlRecord> found;
  for (const state::ControlRecord& record : records) {
    if (is_request(record) && record.offset >= done) found.push_back(record);
  }
  return found;
}

}  // namespace

ControlWorker::ControlWorker(state::ControlTopic& control, capture::Publisher& publisher,
                             std::vector<std::string> tables)
    : control_(control), publisher_(publisher), tables_(std::move(tables)) {}

// NOLINTNEXTLINE(performance-unnecessary-value-param): a thread's function takes its token so
void ControlWorker::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    look();
    state::rest(kPause, stop);
  }
  note_done();
}

void ControlWorker::look() {
  const std::vector<state::ControlRecord> records = control_.read(next_);
  for (const state::ControlRecord& record : waiting(records)) hand_over(record);
  if (!records.empty()) next_ = records.back().offset + 1;
  note_done();
}

void ControlWorker::hand_over(const state::ControlRecord& record) {
  {
    std::lock_guard lock(mutex_);
    requests_[record.offset] = false;
  }
  auto done = [this, offset = record.offset] {
    std::lock_guard lock(mutex_);
    requests_[offset] = true;
  };
  if (record.kind == state::ControlKind::kGap) {
    log_warning("pipeline " + record.pipeline +
                " asks for everything to be read again: " + record.text);
    publisher_.request_gap(record.text, done);
  } else if (std::binary_search(tables_.begin(), tables_.end(), record.text)) {
    publisher_.request_snapshot(record.text, done);
  } else {
    log_warning("pipeline " + record.pipeline + " asks for table " + record.text +
                " to be read again, which is not captured; let a document of this config read it");
    done();
  }
}

void ControlWorker::note_done() {
  state::Offset upto = 0;
  {
    std::lock_guard lock(mutex_);
    while (!requests_.empty() && requests_.begin()->second) {
      upto = requests_.begin()->first + 1;
      requests_.erase(requests_.begin());
    }
  }
  if (upto > noted_) control_.append({state::ControlKind::kDone, "", "", "", upto, 0});
  noted_ = std::max(noted_, upto);
}

bool ask_for_gap(state::ControlTopic& control, const std::string& pipeline,
                 const std::string& reason) {
  for (const state::ControlRecord& record : waiting(control.read())) {
    if (record.kind == state::ControlKind::kGap && record.pipeline == pipeline) return false;
  }
  log_warning(reason + ", so capture is asked to read everything again");
  control.append({state::ControlKind::kGap, pipeline, "", reason, 0, 0});
  return true;
}

}  // namespace tandem::agent
