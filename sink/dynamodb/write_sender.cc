#include "sink/dynamodb/write_sender.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "sink/dynamodb/write_pipeline.h"

namespace tandem::sink {
namespace {

constexpr std::chrono::milliseconds kLongestWait{1'000};

}  // namespace

class WriteSender::Impl {
 public:
  Impl(Session session, std::vector<TargetTable> tables, TargetOptions target_options,
       WriteSenderOptions options)
      : pipeline_(std::move(session), std::move(tables), std::move(target_options),
                  options.connections, options.patience, options.late_batch,
                  std::move(options.may_send)),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

  ~Impl() {
    thread_.request_stop();
    pipeline_.wake();
    thread_.join();
  }

  void send(std::vector<Job>& jobs, bool flush) {
    bool wake = false;
    {
      std::lock_guard lock(mutex_);
      // Outcomes that came before the failure are taken first; take() throws behind them.
      if (error_ && outcomes_.empty()) std::rethrow_exception(error_);
      outstanding_ += jobs.size();
      std::move(jobs.begin(), jobs.end(), std::back_inserter(handed_over_));
      flush_ = flush_ || flush;
      wake = asleep_ && work_waits();
      if (wake) asleep_ = false;
    }
    jobs.clear();
    if (wake) pipeline_.wake();
  }

  void take(std::chrono::milliseconds wait, std::vector<Outcome>& outcomes, std::size_t& bytes) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, wait,
                      [this] { return !outcomes_.empty() || error_ || outstanding_ == 0; });
    if (outcomes_.empty() && error_) std::rethrow_exception(error_);
    std::move(outcomes_.begin(), outcomes_.end(), std::back_inserter(outcomes));
    outstanding_ -= outcomes_.size();
    outcomes_.clear();
    bytes = bytes_;
    bytes_ = 0;
  }

  TargetCounters counters() const {
    std::lock_guard lock(mutex_);
    return counters_;
  }

 private:
  void run(const std::stop_token& stop) {
    try {
      while (!stop.stop_requested()) {
        accept();
        pipeline_.run(waiting_time());
        publish();
      }
    } catch (...) {
      publish();  // what was taken before it came to this
      std::lock_guard lock(mutex_);
      error_ = std::current_exception();
      arrived_.notify_all();
    }
  }

  void accept() {
    bool flush = false;
    {
      std::lock_guard lock(mutex_);
      asleep_ = false;
      accepted_.swap(handed_over_);
      flush = flush_;
      flush_ = false;
    }
    for (Job& job : accepted_) pipeline_.add(std::move(job));
    accepted_.clear();
    if (flush) pipeline_.flush();
    std::lock_guard lock(mutex_);
    gathering_ = pipeline_.gathering();
  }

  bool work_waits() const { return !handed_over_.empty() || (flush_ && gathering_); }

  std::chrono::milliseconds waiting_time() {
    std::lock_guard lock(mutex_);
    if (work_waits()) return std::chrono::milliseconds(0);
    asleep_ = true;
    return kLongestWait;
  }

  void publish() {
    WriteResults& results = pipeline_.results();
    std::lock_guard lock(mutex_);
    counters_ += results.counters;
    results.counters = {};
    if (results.outcomes.empty()) return;
    std::move(results.outcomes.begin(), results.outcomes.end(), std::back_inserter(outcomes_));
    bytes_ += results.bytes;
    results.outcomes.clear();
    results.bytes = 0;
    arrived_.notify_one();
  }

  WritePipeline pipeline_;     // of the sender's thread, but for wake()
  std::vector<Job> accepted_;  // of the sender's thread

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable arrived_;
  std::vector<Job> handed_over_;
  bool flush_ = false;      // a caller waits: send what is gathered
  bool gathering_ = false;  // a batch is in the making
  bool asleep_ = false;     // the sender waits and must be woken for new work
  std::vector<Outcome> outcomes_;
  std::size_t bytes_ = 0;        // of their items
  std::size_t outstanding_ = 0;  // jobs whose outcome the caller has not taken
  TargetCounters counters_;
  std::exception_ptr error_;

  std::jthread thread_;  // last: it uses all the others
};

WriteSender::WriteSender(Session session, std::vector<TargetTable> tables,
                         TargetOptions target_options, WriteSenderOptions options)
    : impl_(std::make_unique<Impl>(std::move(session), std::move(tables), std::move(target_options),
                                   std::move(options))) {}
WriteSender::~WriteSender() = default;
void WriteSender::send(std::vector<Job>& jobs, bool flush) { impl_->send(jobs, flush); }
void WriteSender::take(std::chrono::milliseconds wait, std::vector<Outcome>& outcomes,
                       std::size_t& bytes) {
  impl_->take(wait, outcomes, bytes);
}
TargetCounters WriteSender::counters() const { return impl_->counters(); }

}  // namespace tandem::sink
