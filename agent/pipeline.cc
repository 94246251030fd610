#include "agent/pipeline.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "agent/apply_side.h"
#include "agent/capture_side.h"
#include "agent/inbox_worker.h"
#include "agent/log.h"
#include "agent/wiring.h"
#include "state/replica.h"

namespace tandem::agent {

class Pipeline::Impl {
 public:
  Impl(const Config& config, const state::StateDirectory& directory, PipelineOptions options)
      : config_(config),
        options_(std::move(options)),
        forward_(options_.stop, [this] { workers_.request_stop(); }),
        log_(open_log(config, directory, options_.role, workers_.get_token())),
        control_(open_control(config, workers_.get_token())) {
    if (options_.role != Role::kCapture) look_for_hole(directory);
    if (options_.role != Role::kApply) {
      capture_.emplace(config, *log_, control_.get(),
                       CaptureSide::Options{hole_, [this] {
                                              if (apply_) apply_->reconciler().wake();
                                            }});
    }
    if (options_.role == Role::kCapture) {
      capture_->publisher().claim(workers_.get_token());
    } else {
      apply_.emplace(config, directory, *log_, apply_options());
    }
    inbox_.emplace(directory.inbox(), inbox_takers());
  }

  void run(const Pipeline& self) {
    inbox_->take();
    {
      std::vector<std::jthread> threads;
      if (capture_) start_all(capture_->works(), threads);
      if (apply_) start_all(apply_->works(), threads);
      if (options_.once) {
        threads.push_back(start([this](const std::stop_token&) { wait_for_all(); }));
      }
      try {
        while (!workers_.stop_requested()) {
          if (options_.tick) options_.tick(self);
          inbox_->take();
          std::unique_lock lock(mutex_);
          stopped_.wait_for(lock, workers_.get_token(), std::chrono::milliseconds(200),
                            [] { return false; });
        }
      } catch (...) {
        fail();  // the workers end before the failure leaves here
      }
    }
    inbox_->remove_done();
    confirm_ownership();
    try {
      if (options_.tick) options_.tick(self);
    } catch (const state::Error&) {
      // The last status is no reason to hide how it came to be the last.
      if (!failure_) failure_ = std::current_exception();
    }
    if (failure_) std::rethrow_exception(failure_);
  }

  PipelineStatus status() const {
    PipelineStatus status;
    status.role = options_.role;
    // The source first: what is found of the others then is no older.
    if (capture_) {
      status.source = capture_->seen();
      status.capture = capture_->status();
      status.read_up_to = capture_->read_up_to();
    }
    status.log = log_->extent();
    if (apply_) {
      status.fold = apply_->fold_status();
      status.apply = apply_->status();
      status.target = apply_->counters();
    }
    return status;
  }

  bool got_going() const { return !capture_ || capture_->status().epoch != 0; }

 private:
  // The replica continues from an offset that the log no longer has (the replica was lost, and the
  // log's beginning let go): only a new snapshot can make it whole. A new replica beside a log that
  // has its first record still is folded from there.
  void look_for_hole(const state::StateDirectory& directory) {
    {
      state::Replica replica(directory.replica(), log_->identity(), nullptr,
                             {.log_next = log_->next()});
      const state::Offset continues = std::max(replica.position().next, state::kFirstOffset);
      if (continues >= log_->first() || log_->first() >= log_->next()) return;
    }
    hole_ = "the log no longer holds what the replica needs";
    if (options_.role == Role::kAll) {
      fold_from_ = log_->next();
      return;
    }
    // Behind a gap that capture has been asked for before, or that it met itself, all is well.
    fold_from_ = log_->first();
    if (!has_gap()) ask_for_gap(*control_, config_.name, hole_);
  }

  bool has_gap() {
    auto reader = log_->reader(fold_from_);
    const state::Offset end = log_->next();
    while (reader->position() < end && !workers_.stop_requested()) {
      auto batch = reader->next(std::chrono::milliseconds(1000), workers_.get_token());
      if (batch == nullptr) continue;
      for (const state::Record& record : batch->records) {
        if (std::holds_alternative<state::Gap>(record)) return true;
      }
    }
    return false;
  }

  ApplySide::Options apply_options() {
    ApplySide::Options options;
    options.prune = options_.prune;
    options.fold_from = fold_from_;
    options.control = control_.get();
    options.process = options_.process;
    options.stop = workers_.get_token();
    if (!capture_) return options;
    options.source.claim = [this] {
      capture_->publisher().claim(workers_.get_token());
      return capture_->source().took_over();
    };
    options.source.assert_owner = [this] { capture_->source().assert_owner(workers_.get_token()); };
    options.source.report_late_writes = [this] { capture_->source().report_late_writes(); };
    options.source.began_at = [this]() -> std::optional<state::Version> {
      const capture::PublisherStatus status = capture_->status();
      if (status.epoch == 0) return std::nullopt;
      return state::Version{status.epoch, status.resumed_at};
    };
    return options;
  }

  InboxWorker::Takers inbox_takers() {
    InboxWorker::Takers takers;
    if (apply_) {
      takers.fold = &apply_->fold();
      takers.reconciler = &apply_->reconciler();
    }
    takers.snapshot = [this](const std::string& table, const std::function<void()>& done) {
      if (capture_) {
        capture_->publisher().request_snapshot(table, done);
      } else {
        control_->append({state::ControlKind::kSnapshot, config_.name, "", table, 0, 0});
        done();
      }
    };
    return takers;
  }

  void confirm_ownership() {
    if (!apply_) return;
    try {
      apply_->confirm_ownership();
    } catch (const state::Fenced&) {
      // Whatever else went wrong: another agent runs, and must not be succeeded in turn.
      failure_ = std::current_exception();
    } catch (const state::LogStopped&) {
      // A log that can't be asked says nothing against us.
      return;
    }
  }

  template <typename Works>
  void start_all(Works works, std::vector<std::jthread>& threads) {
    for (auto& work : works) threads.push_back(start(std::move(work)));
  }

  // A worker's first failure stops them all and is thrown by run().
  template <typename Work>
  std::jthread start(Work work) {
    return std::jthread([this, work = std::move(work)] {
      try {
        work(workers_.get_token());
      } catch (const capture::SourceLocked&) {
        // A wait that a stop ended is no failure.
        if (!workers_.stop_requested()) fail();
      } catch (const state::LogStopped&) {
        workers_.request_stop();  // it has been: the token is theirs
      } catch (const sink::TargetStopped&) {
        workers_.request_stop();  // it has been: the token is theirs
      } catch (...) {
        fail();
      }
    });
  }

  // Inside a handler: keeps the exception for run(), unless another worker failed first.
  void fail() {
    {
      std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
    workers_.request_stop();
  }

  // Ends the run when all that was committed or asked for at its start is in the target, or, if
  // that is not ours to do, in the log.
  void wait_for_all() {
    const std::stop_token stop = workers_.get_token();
    if (!inbox_->wait_done(stop)) return;
    if (capture_ && !capture_->wait_for_all(stop)) return;
    // Requests mark documents at offsets that were applied long ago.
    if (apply_ && !apply_->wait_for_all(inbox_->had_any(), stop)) return;
    workers_.request_stop();
  }

  const Config& config_;
  PipelineOptions options_;
  std::stop_source workers_;
  std::stop_callback<std::function<void()>> forward_;
  std::unique_ptr<state::ChangeLog> log_;
  std::unique_ptr<state::ControlTopic> control_;  // null where the log has none
  std::string hole_;  // why the replica cannot be continued from the log; empty: it can
  state::Offset fold_from_ = 0;
  std::optional<CaptureSide> capture_;
  std::optional<ApplySide> apply_;
  std::optional<InboxWorker> inbox_;
  mutable std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::exception_ptr failure_;  // guarded by mutex_
};

Pipeline::Pipeline(const Config& config, const state::StateDirectory& directory,
                   PipelineOptions options)
    : impl_(std::make_unique<Impl>(config, directory, std::move(options))) {}
Pipeline::~Pipeline() = default;
void Pipeline::run() { impl_->run(*this); }
PipelineStatus Pipeline::status() const { return impl_->status(); }
bool Pipeline::got_going() const { return impl_->got_going(); }

}  // namespace tandem::agent
