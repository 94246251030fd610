#include "agent/capture_side.h"

#include <chrono>
#include <utility>

#include "agent/log.h"
#include "agent/wiring.h"
#include "state/rest.h"

namespace tandem::agent {
namespace {

// How long a run --once waits for a locked source before it gives up.
constexpr std::chrono::seconds kLockPatience{30};

capture::PublisherOptions publisher_options(const Config& config, CaptureSide::Options options) {
  capture::PublisherOptions made;
  made.heartbeat = config.source.heartbeat;
  made.restart_reason = std::move(options.restart_reason);
  made.resumed = std::move(options.resumed);
  made.gap = [](const std::string& reason) {
    log_warning("changes may be missing, so all tables are read again: " + reason);
  };
  return made;
}

std::vector<std::string> names_of(const std::vector<capture::TableRequest>& tables) {
  std::vector<std::string> names;
  names.reserve(tables.size());
  for (const capture::TableRequest& table : tables) names.push_back(table.name);
  return names;
}

}  // namespace

CaptureSide::CaptureSide(const Config& config, state::ChangeLog& log, state::ControlTopic* control,
                         Options options)
    : source_(open_source(config)),
      publisher_(*source_, log, publisher_options(config, std::move(options))),
      watch_(*source_) {
  if (control == nullptr) return;
  control_ =
      std::make_unique<ControlWorker>(*control, publisher_, names_of(captured_tables(config)));
}

state::SourcePosition CaptureSide::read_up_to() const {
  return source_->read_up_to(publisher_.status().checkpoint.position);
}

std::vector<CaptureSide::Work> CaptureSide::works() {
  std::vector<Work> works;
  works.emplace_back([this](std::stop_token stop) { publisher_.run(std::move(stop)); });
  works.emplace_back([this](std::stop_token stop) { watch_.run(std::move(stop)); });
  if (control_) {
    works.emplace_back([this](std::stop_token stop) { control_->run(std::move(stop)); });
  }
  return works;
}

bool CaptureSide::wait_for_all(const std::stop_token& stop) {
  const state::SourcePosition goal = source_->newest(kLockPatience, stop);
  while (!stop.stop_requested()) {
    const capture::PublisherStatus status = publisher_.status();
    if (status.epoch != 0 && !status.snapshotting &&
        status.checkpoint.position.commit >= goal.commit) {
      return true;
    }
    state::rest(std::chrono::milliseconds(5), stop);
  }
  return false;
}

}  // namespace tandem::agent
