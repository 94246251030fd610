#include "agent/fold_worker.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/log.h"
#include "agent/replay.h"
#include "state/sqlite.h"

namespace tandem::agent {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kWait{20};
constexpr std::chrono::seconds kSweepEvery{1};
constexpr std::chrono::seconds kSyncEvery{10};

}  // namespace

FoldWorker::FoldWorker(state::ChangeLog& log, state::FoldListener& listener, Options options)
    : log_(log), listener_(listener), options_(std::move(options)) {}

void FoldWorker::run(std::stop_token stop) {
  state::Replica replica(options_.replica_path, log_.identity(), &listener_,
                         {.first_mark = options_.first_mark});
  auto reader = log_.reader(std::max(replica.position().next, options_.start_at));
  publish(replica, 0, false);
  auto swept = Clock::now();
  auto synced = Clock::now();
  while (!stop.stop_requested()) {
    auto batch = reader->next(kWait, stop);
    state::FoldResult result;
    bool caught_up =
        batch == nullptr || batch->offsets.empty() || batch->offsets.back() + 1 >= log_.next();
    result = batch != nullptr ? replica.fold(batch, caught_up) : replica.flush();
    {
      std::lock_guard lock(mutex_);
      status_.transactions += result.transactions;
      status_.rows += result.rows;
      status_.rows_written += result.rows_written;
    }
    if (result.committed || batch == nullptr) {
      // What waits to be committed together with more has been read, and is not folded.
      publish(replica, caught_up ? reader->position() : 0, caught_up);
    }
    if (result.committed && options_.committed) options_.committed();
    take_requests(replica, stop);
    if (Clock::now() - swept > kSweepEvery) {
      replica.sweep(options_.ledger_path);
      swept = Clock::now();
    }
    if (Clock::now() - synced > kSyncEvery) {
      log_.prune(replica.sync());
      synced = Clock::now();
    }
  }
  // A run that ends before it was time leaves nothing behind either, however often it is repeated.
  replica.flush();
  replica.sweep(options_.ledger_path);
  log_.prune(replica.sync());
  publish(replica, 0, false);
}

void FoldWorker::take_requests(state::Replica& replica, const std::stop_token& stop) {
  if (!replica.may_mark()) return;
  std::vector<Request> requests;
  {
    std::lock_guard lock(mutex_);
    requests.swap(requests_);
  }
  if (requests.empty()) return;
  for (const Request& request : requests) {
    try {
      replica.mark([&](state::Marks& marks) { request.make(marks, stop); });
    } catch (const state::SqliteError&) {
      throw;
    } catch (const state::Error& error) {
      // It would fail again at every start.
      log_warning("a request can't be done and is dropped: " + std::string(error.what()));
    }
  }
  if (stop.stop_requested()) return;  // perhaps not all is marked: they stay in the inbox
  replica.sync();
  for (const Request& request : requests) request.done();
  if (options_.committed) options_.committed();
}

void FoldWorker::publish(const state::Replica& replica, state::Offset read, bool caught_up) {
  {
    std::lock_guard lock(mutex_);
    status_.position = replica.position();
    status_.read = std::max({status_.read, read, status_.position.next});
    status_.caught_up = caught_up;
  }
  moved_.notify_all();
}

FoldStatus FoldWorker::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

bool FoldWorker::wait_for(state::Offset next, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  return moved_.wait(lock, stop, [&] { return status_.read >= next; });
}

void FoldWorker::request_marks(Make make, std::function<void()> done) {
  std::lock_guard lock(mutex_);
  requests_.push_back({std::move(make), std::move(done)});
}

void FoldWorker::request_replay(state::Offset from, std::function<void()> done) {
  request_marks(
      [this, from](state::Marks& to, const std::stop_token& stop) {
        mark_touched(log_, from, options_.replica_path, listener_, to, stop);
      },
      std::move(done));
}

}  // namespace tandem::agent
