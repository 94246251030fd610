#include "agent/target_owner.h"

#include <utility>

#include "state/error.h"
#include "state/random_name.h"

namespace tandem::agent {
namespace {

using state::ControlKind;

// No instance's name: whoever finds it before itself knows that there was another.
constexpr char kLateWriter[] = "late";

}  // namespace

TargetOwner::TargetOwner(state::ControlTopic& control, std::string pipeline, std::string process)
    : control_(control), pipeline_(std::move(pipeline)), process_(std::move(process)) {}

void TargetOwner::read() {
  for (const state::ControlRecord& record : control_.read(next_)) take(record);
}

state::Fenced TargetOwner::succeeded() const {
  return {"another agent has taken over this target", "pipeline " + pipeline_,
          "let only one agent apply this pipeline; another pipeline needs a `name` of its own"};
}

void TargetOwner::look_for_successor() {
  std::lock_guard lock(mutex_);
  read();
  if (returns_ && !newest_.starts_with(process_)) throw succeeded();
}

TargetOwner::Claimed TargetOwner::claim() {
  // First of all: a topic that is not there would be made by what is sent to it.
  look_for_successor();
  std::lock_guard lock(mutex_);
  instance_ = process_ + "-" + state::random_name();
  control_.append({ControlKind::kOwner, pipeline_, instance_, "", 0, 0});
  Claimed claimed{instance_, "", false};
  bool found = false;
  for (const state::ControlRecord& record : control_.read(next_)) {
    if (record.pipeline == pipeline_ && record.kind == ControlKind::kOwner &&
        record.instance == instance_) {
      claimed.before = late_ ? kLateWriter : newest_;
      claimed.took_over = !newest_.empty() && !gone_;
      found = true;
    }
    take(record);
  }
  if (!found) {
    throw state::Error("the broker does not give what it said it has", "the log's control topic",
                       "see the broker's log; start again");
  }
  return claimed;
}

void TargetOwner::take(const state::ControlRecord& record) {
  next_ = record.offset + 1;
  if (record.pipeline != pipeline_) return;
  if (record.kind == ControlKind::kOwner) {
    newest_ = record.instance;
    returns_ = returns_ || newest_.starts_with(process_);
    gone_ = late_ = false;
  } else if (record.kind == ControlKind::kLeft && record.instance == newest_) {
    gone_ = true;
  } else if (record.kind == ControlKind::kLate) {
    late_ = true;
  }
}

void TargetOwner::assert_owner() {
  std::lock_guard lock(mutex_);
  read();
  if (newest_ != instance_) throw succeeded();
  if (!late_) return;
  throw LateWrites("an agent that was succeeded may have written to the target since",
                   "pipeline " + pipeline_, "all items are compared with the target anew");
}

void TargetOwner::report_late_writes() {
  std::lock_guard lock(mutex_);
  read();
  if (newest_ == instance_) return;
  control_.append({ControlKind::kLate, pipeline_, instance_, "", 0, 0});
}

void TargetOwner::leave() {
  std::lock_guard lock(mutex_);
  // A broker that does not answer is not waited for with a message as well.
  read();
  if (newest_ == instance_) control_.append({ControlKind::kLeft, pipeline_, instance_, "", 0, 0});
}

}  // namespace tandem::agent
