#include "capture/appender.h"

#include <utility>

#include "state/failpoint.h"

namespace tandem::capture {
namespace {

void append_to(state::ChangeLog& log, std::shared_ptr<state::Batch> batch) {
  TANDEM_FAILPOINT("capture.append.before");
  log.append(std::move(batch));
  TANDEM_FAILPOINT("capture.append.after");
}

}  // namespace

Appender::Appender(state::ChangeLog& log)
    : log_(log), thread_([this](const std::stop_token& stop) { run(stop); }) {}

Appender::~Appender() = default;

std::uint64_t Appender::hand_over(std::shared_ptr<state::Batch> batch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_ == nullptr || failure_ != nullptr; });
  check();
  waiting_ = std::move(batch);
  changed_.notify_all();
  return ++handed_over_;
}

// On the calling thread: where nothing else is under way, a handover would only take time.
std::uint64_t Appender::append(std::shared_ptr<state::Batch> batch) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return durable_ == handed_over_ || failure_ != nullptr; });
    check();
  }
  if (batch == nullptr) return handed_over_;
  try {
    append_to(log_, std::move(batch));
  } catch (...) {
    std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    throw;
  }
  std::lock_guard lock(mutex_);
  return durable_ = ++handed_over_;
}

std::uint64_t Appender::durable() {
  std::lock_guard lock(mutex_);
  check();
  return durable_;
}

bool Appender::busy() {
  std::lock_guard lock(mutex_);
  check();
  return durable_ != handed_over_;
}

void Appender::check() const {
  if (failure_ != nullptr) std::rethrow_exception(failure_);
}

void Appender::run(const std::stop_token& stop) {
  for (;;) {
    std::shared_ptr<state::Batch> batch;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return waiting_ != nullptr; })) return;
      if (stop.stop_requested()) return;
      batch = std::move(waiting_);
      waiting_ = nullptr;
      changed_.notify_all();
    }
    std::exception_ptr failure;
    try {
      append_to(log_, std::move(batch));
    } catch (...) {
      failure = std::current_exception();
    }
    std::lock_guard lock(mutex_);
    if (failure != nullptr) {
      failure_ = failure;
    } else {
      ++durable_;
    }
    changed_.notify_all();
    if (failure != nullptr) return;
  }
}

}  // namespace tandem::capture
