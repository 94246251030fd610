#include "agent/pipeline.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "agent/first_load.h"
#include "agent/inbox_worker.h"
#include "agent/log.h"
#include "agent/wiring.h"
#include "state/ledger.h"

namespace tandem::agent {
namespace {

// How long a run --once waits for a locked source before it gives up.
constexpr std::chrono::seconds kLockPatience{30};

}  // namespace

class Pipeline::Impl {
 public:
  Impl(const Config& config, const state::StateDirectory& directory, PipelineOptions options)
      : config_(config),
        options_(std::move(options)),
        forward_(options_.stop, [this] { workers_.request_stop(); }),
        log_(open_log(config, directory)),
        source_(open_source(config)),
        target_(open_target(config, workers_.get_token())),
        ledger_(directory.ledger(), log_->identity()),
        documents_(config.documents, config.target.tables),
        relations_(documents_),
        publisher_(*source_, *log_, publisher_options(directory)),
        reconciler_(directory.replica(), ledger_, claimed_target(), documents_,
                    reconciler_options()),
        fold_(*log_, relations_, fold_options(directory)),
        inbox_(directory.inbox(), publisher_, fold_, reconciler_),
        watch_(*source_) {}

  void run(const Pipeline& self) {
    inbox_.take();
    {
      std::jthread capture = start([&] { publisher_.run(workers_.get_token()); });
      std::jthread fold = start([&] { fold_.run(workers_.get_token()); });
      std::jthread apply = start([&] { reconciler_.run(workers_.get_token()); });
      std::jthread watch = start([&] { watch_.run(workers_.get_token()); });
      std::jthread once;
      if (options_.once) once = start([&] { wait_for_all(); });
      try {
        while (!workers_.stop_requested()) {
          if (options_.tick) options_.tick(self);
          inbox_.take();
          std::unique_lock lock(mutex_);
          stopped_.wait_for(lock, workers_.get_token(), std::chrono::milliseconds(200),
                            [] { return false; });
        }
      } catch (...) {
        fail();  // the workers end before the failure leaves here
      }
    }
    inbox_.remove_done();
    if (options_.tick) options_.tick(self);
    confirm_ownership();
    if (failure_) std::rethrow_exception(failure_);
  }

  PipelineStatus status() const {
    PipelineStatus status;
    // The source first: what is found of the others then is no older.
    status.source = watch_.seen();
    status.capture = publisher_.status();
    status.read_up_to = source_->read_up_to(status.capture.checkpoint.position);
    status.log_first = log_->first();
    status.log_next = log_->next();
    status.log_bytes = log_->size_bytes();
    status.fold = fold_.status();
    status.apply = reconciler_.status();
    status.target = target_->counters();
    return status;
  }

  bool got_going() const { return publisher_.status().epoch != 0; }

 private:
  // The replica continues from an offset that the log no longer has (the replica was lost, and the
  // log's beginning let go): only a new snapshot can make it whole. A new replica beside a log that
  // has its first record still is folded from there.
  bool replica_is_cut_off(const state::StateDirectory& directory) {
    state::Replica replica(directory.replica(), log_->identity(), nullptr,
                           {.log_next = log_->next()});
    const state::Offset continues = std::max(replica.position().next, state::kFirstOffset);
    return continues < log_->first() && log_->first() < log_->next();
  }

  capture::PublisherOptions publisher_options(const state::StateDirectory& directory) {
    capture::PublisherOptions options;
    options.heartbeat = config_.source.heartbeat;
    options.gap = [](const std::string& reason) {
      log_warning("changes may be missing, so all tables are read again: " + reason);
    };
    options.resumed = [this] { reconciler_.wake(); };
    if (replica_is_cut_off(directory)) {
      options.restart_reason = "the log no longer holds what the replica needs";
      fold_from_ = log_->next();
    }
    return options;
  }

  FoldWorker::Options fold_options(const state::StateDirectory& directory) {
    FoldWorker::Options options;
    options.replica_path = directory.replica();
    options.ledger_path = directory.ledger();
    options.first_mark = ledger_.highest_mark() + 1;
    options.start_at = fold_from_;
    options.committed = [this] { reconciler_.wake(); };
    return options;
  }

  sink::ReconcilerOptions reconciler_options() {
    sink::ReconcilerOptions options;
    options.pipeline = config_.name;
    options.attribute = config_.target.options.attribute;
    options.prune = options_.prune;
    options.made_tables = made_tables(ledger_);
    options.began_at = [this]() -> std::optional<state::Version> {
      const capture::PublisherStatus status = publisher_.status();
      if (status.epoch == 0) return std::nullopt;
      return state::Version{status.epoch, status.resumed_at};
    };
    options.assert_owner = [this] { source_->assert_owner(workers_.get_token()); };
    return options;
  }

  // The target for one who may use it: nothing is read there or sent before the claim. An agent
  // that lost the source by it may go on until its lease has run out. That is waited for, twice as
  // long for what is on its way, so that all it sends comes before whatever we read and send.
  sink::Target& claimed_target() {
    refuse_unready_target();
    publisher_.claim(workers_.get_token());
    if (source_->took_over()) std::this_thread::sleep_for(2 * sink::kLease);
    return *target_;
  }

  // What was sent last may have reached the target after another agent took over and read it: the
  // other one is told, whatever ended this run.
  void confirm_ownership() {
    if (!reconciler_.sent_unconfirmed()) return;
    try {
      source_->assert_owner(workers_.get_token());
    } catch (const state::Fenced&) {
      if (!failure_) failure_ = std::current_exception();
      try {
        source_->report_late_writes();
      } catch (const state::Error& error) {
        log_warning(
            "could not tell the agent that has taken over what was sent last; run `tandem "
            "verify --deep --repair` there: " +
            std::string(error.what()));
      }
    } catch (const state::Error&) {
      // A source that can't be asked says nothing against us.
      return;
    }
  }

  void refuse_unready_target() {
    for (const sink::TargetFinding& finding : target_->check(sink::CheckDepth::kDescriptions)) {
      if (!finding.ok) throw state::Error(finding.text, finding.subject, finding.advice);
    }
  }

  // A worker's first failure stops them all and is thrown by run().
  template <typename Work>
  std::jthread start(Work work) {
    return std::jthread([this, work = std::move(work)] {
      try {
        work();
      } catch (const capture::SourceLocked&) {
        // A wait that a stop ended is no failure.
        if (!workers_.stop_requested()) fail();
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

  // Ends the run when all that was committed or asked for at its start is in the target.
  void wait_for_all() {
    std::stop_token stop = workers_.get_token();
    if (!inbox_.wait_done(stop)) return;
    state::SourcePosition goal = source_->newest(kLockPatience, stop);
    for (;;) {
      capture::PublisherStatus status = publisher_.status();
      if (status.epoch != 0 && !status.snapshotting &&
          status.checkpoint.position.commit >= goal.commit)
        break;
      std::unique_lock lock(mutex_);
      stopped_.wait_for(lock, stop, std::chrono::milliseconds(5), [] { return false; });
      if (stop.stop_requested()) return;
    }
    state::Offset end = log_->next();
    if (!fold_.wait_for(end, stop)) return;
    if (!reconciler_.wait_applied(end - 1, stop)) return;
    // Requests mark documents at offsets that were applied long ago.
    if (inbox_.had_any() && !reconciler_.wait_idle(stop)) return;
    workers_.request_stop();
  }

  const Config& config_;
  PipelineOptions options_;
  std::stop_source workers_;
  std::stop_callback<std::function<void()>> forward_;
  state::Offset fold_from_ = 0;
  std::unique_ptr<state::ChangeLog> log_;
  std::unique_ptr<capture::Source> source_;
  std::unique_ptr<sink::Target> target_;
  state::Ledger ledger_;
  sink::DocumentSet documents_;
  sink::Relations relations_;
  capture::Publisher publisher_;
  sink::Reconciler reconciler_;
  FoldWorker fold_;
  InboxWorker inbox_;
  SourceWatch watch_;
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
