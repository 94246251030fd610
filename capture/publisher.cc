#include "capture/publisher.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "capture/appender.h"
#include "state/failpoint.h"

namespace tandem::capture {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPollWait{100};
// How long whole transactions may wait for others before they are appended together.
constexpr milliseconds kGroup{2};

std::size_t size_of(const state::Row& row) {
  std::size_t size = 16;
  for (const state::Value& value : row) size += 9 + value.bytes().size();
  return size;
}

std::int64_t unix_ms() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// A session ends, for the next to begin with a gap.
struct GapAsked {};

bool is_snapshotting(const state::Checkpoint& checkpoint) {
  return std::any_of(checkpoint.tables.begin(), checkpoint.tables.end(),
                     [](const state::TableProgress& table) { return table.snapshotting; });
}

}  // namespace

class Publisher::Impl : public Transactions {
 public:
  Impl(Source& source, state::ChangeLog& log, PublisherOptions options)
      : source_(source), log_(log), options_(std::move(options)) {}

  void claim(const std::stop_token& stop) {
    std::uint64_t epoch = source_.claim(log_.identity(), log_.read_tail().epoch, stop);
    TANDEM_FAILPOINT("capture.claim.between");
    log_.claim(epoch);
    TANDEM_FAILPOINT("capture.claim.after");
    claimed_ = epoch;
  }

  void run(const std::stop_token& stop) {
    for (;;) {
      const std::int64_t before = transactions_;
      try {
        session(stop);
        return;
      } catch (const GapAsked&) {
        if (stop.stop_requested()) return;
      } catch (const SourceReplaced&) {
        // Claiming anew finds out what was lost. If that did not get anywhere, it will not now.
        if (stop.stop_requested()) return;
        if (restarted_ && transactions_ == before) throw;
        restarted_ = true;
      } catch (const SourceLocked&) {
        // A wait that the stop ended is no failure.
        if (!stop.stop_requested()) throw;
        return;
      }
    }
  }

  PublisherStatus status() const {
    std::lock_guard lock(mutex_);
    PublisherStatus status = status_;
    // A request counts from the moment it was made, not from its first chunk.
    status.snapshotting = status.snapshotting || !requests_.empty() || !gap_requests_.empty();
    return status;
  }

  void request_snapshot(const std::string& table, std::function<void()> recorded) {
    std::lock_guard lock(mutex_);
    requests_.push_back({table, std::move(recorded)});
  }

  void request_gap(const std::string& reason, std::function<void()> recorded) {
    std::lock_guard lock(mutex_);
    gap_requests_.push_back({reason, std::move(recorded)});
  }

  void begin(const state::Begin& begin) override {
    open_ = true;
    add(begin, 32);
  }

  void schema(state::TableSchema schema, bool reread) override {
    std::size_t size = 64 * (schema.columns.size() + 1);
    add(state::SchemaRecord{std::move(schema), reread}, size);
  }

  void change(const std::string& table, state::Op op, state::Row key_before, state::Row after,
              std::optional<std::uint32_t> above) override {
    ++changes_;
    state::Change change{op, batch_->table_index(table), std::move(key_before), std::move(after),
                         above};
    std::size_t size = size_of(change.key_before) + size_of(change.after);
    add(std::move(change), size);
  }

  void chunk(const std::string& table, state::Row from, state::Row to, std::vector<state::Row> rows,
             std::vector<state::Row> touched) override {
    snapshot_rows_ += static_cast<std::int64_t>(rows.size());
    std::size_t size = size_of(from) + size_of(to);
    for (const state::Row& row : rows) size += size_of(row);
    for (const state::Row& key : touched) size += size_of(key);
    add(state::Chunk{batch_->table_index(table), std::move(from), std::move(to), std::move(rows),
                     std::move(touched)},
        size);
  }

  void end(state::Checkpoint checkpoint) override {
    open_ = false;
    ++transactions_;
    ended_ = checkpoint;
    batch_->records.emplace_back(state::End{std::move(checkpoint)});
    if (bytes_ >= options_.batch_bytes) hand_over();
  }

  void gap(std::string reason) override {
    gap_ = true;
    batch_->records.emplace_back(state::Gap{reason});
    append();
    if (options_.gap) options_.gap(reason);
  }

 private:
  struct Request {
    std::string text;  // the table, or the reason
    std::function<void()> recorded;
  };

  void session(const std::stop_token& stop) {
    {
      // What is known of the last session says nothing until this one has claimed the source.
      std::lock_guard lock(mutex_);
      status_.epoch = 0;
    }
    gap_ = open_ = false;
    start_batch();
    ended_.reset();
    // What the last session did not append is found missing in the log's tail.
    appender_.reset();
    unsettled_.clear();
    if (!claimed_) claim(stop);
    const std::uint64_t epoch = *std::exchange(claimed_, std::nullopt);
    state::LogTail tail = log_.read_tail();
    appender_.emplace(log_);
    const std::vector<Request> asked = take_gap_requests();
    if (!asked.empty() && restart_reason_.empty()) restart_reason_ = asked.front().text;
    if (!restart_reason_.empty()) {
      gap(std::exchange(restart_reason_, {}));
      tail.checkpoint.reset();
    }
    for (const Request& request : asked) {
      if (request.recorded) request.recorded();
    }
    source_.resume(tail.checkpoint, *this);
    settle();
    const bool continues = tail.checkpoint.has_value() && !gap_;
    {
      std::lock_guard lock(mutex_);
      status_.epoch = epoch;
      status_.resumed_at = log_.next();
      status_.checkpoint = continues ? *tail.checkpoint : state::Checkpoint{};
      status_.snapshotting = true;
    }
    if (options_.resumed) options_.resumed();
    last_append_ = steady_clock::now();
    first_look(stop, continues);
    while (!stop.stop_requested()) {
      // A source may pause in the middle of a transaction.
      if (!open_) pass_on_requests();
      poll(stop);
      if (!open_ && !ended_ && heartbeat_is_due()) beat();
    }
    if (ended_) append();
    settle();
  }

  // Beside a source that pauses everything is made durable at once. While it goes on, appends run
  // beside it, and the slower they are the more they take together.
  void poll(const std::stop_token& stop) {
    const bool pending = ended_ || appender_->busy();
    if (!source_.poll(pending ? milliseconds(0) : poll_wait(), stop, *this)) {
      if (ended_) append();
      settle();
    } else if (ended_ && !appender_->busy() && steady_clock::now() - batch_started_ >= kGroup) {
      hand_over();
    }
    release_durable();
  }

  // A source that is locked may take a while. Until it was looked at, no checkpoint of its may be
  // written: it would say of tables that nobody has seen that they need no reading. Requests wait.
  void first_look(const std::stop_token& stop, bool continues) {
    while (!source_.has_looked()) {
      if (stop.stop_requested()) return;
      poll(stop);
    }
    // What it found is told when it is durable. Without a place to continue at, there is something.
    if (ended_ || !unsettled_.empty() || !continues) return;
    std::lock_guard lock(mutex_);
    status_.snapshotting = is_snapshotting(source_.checkpoint());
  }

  bool heartbeat_is_due() const {
    return steady_clock::now() - last_append_ >= options_.heartbeat || source_.wants_heartbeat();
  }

  milliseconds poll_wait() const { return std::min(kPollWait, options_.heartbeat); }

  std::vector<Request> take_gap_requests() {
    std::lock_guard lock(mutex_);
    return std::exchange(gap_requests_, {});
  }

  void pass_on_requests() {
    std::vector<Request> requests;
    {
      std::lock_guard lock(mutex_);
      if (!gap_requests_.empty()) throw GapAsked();
      requests.swap(requests_);
    }
    if (requests.empty()) return;
    // The checkpoint at hand was taken before the requests, the heartbeat's own is taken behind
    // them.
    if (ended_) append();
    for (const Request& request : requests) source_.request_snapshot(request.text);
    beat();
    for (const Request& request : requests) {
      if (request.recorded) request.recorded();
    }
  }

  void start_batch() {
    batch_ = std::make_shared<state::Batch>();
    bytes_ = 0;
  }

  void add(state::Record record, std::size_t size) {
    if (batch_->records.empty()) batch_started_ = steady_clock::now();
    batch_->records.push_back(std::move(record));
    bytes_ += size;
    // A transaction larger than a batch goes out in parts; it exists for readers at its end.
    if (bytes_ >= options_.batch_bytes) hand_over();
  }

  // Gives what was gathered to the appender.
  void hand_over() { note(appender_->hand_over(take_batch())); }

  // Makes everything gathered durable.
  void append() { note(appender_->append(take_batch())); }

  // Waits until everything handed over is durable, and lets the source go of it.
  void settle() {
    appender_->append(nullptr);
    release_durable();
  }

  std::shared_ptr<state::Batch> take_batch() {
    std::shared_ptr<state::Batch> batch = std::move(batch_);
    start_batch();
    return batch;
  }

  // What the source may be let go of when the batch of this number is durable.
  void note(std::uint64_t number) {
    last_append_ = steady_clock::now();
    if (!ended_) return;
    unsettled_.push_back(
        {number, *std::exchange(ended_, std::nullopt), transactions_, changes_, snapshot_rows_});
  }

  // Lets the source go of the transactions that are durable.
  void release_durable() {
    if (unsettled_.empty()) return;
    const std::uint64_t durable = appender_->durable();
    std::optional<Ended> newest;
    while (!unsettled_.empty() && unsettled_.front().batch <= durable) {
      newest = std::move(unsettled_.front());
      unsettled_.pop_front();
    }
    if (newest) release(*newest);
  }

  void beat() {
    state::Checkpoint checkpoint = source_.checkpoint();
    batch_->records.emplace_back(state::Heartbeat{checkpoint, unix_ms()});
    ended_ = std::move(checkpoint);
    append();
    settle();
  }

  // What had been read when a whole transaction ended, which a batch holds.
  struct Ended {
    std::uint64_t batch;
    state::Checkpoint checkpoint;
    std::int64_t transactions, changes, snapshot_rows;
  };

  void release(const Ended& ended) {
    source_.release(ended.checkpoint);
    std::lock_guard lock(mutex_);
    status_.checkpoint = ended.checkpoint;
    status_.transactions = ended.transactions;
    status_.changes = ended.changes;
    status_.snapshot_rows = ended.snapshot_rows;
    status_.snapshotting = is_snapshotting(ended.checkpoint);
  }

  Source& source_;
  state::ChangeLog& log_;
  const PublisherOptions options_;
  std::string restart_reason_ = options_.restart_reason;

  // Of the running thread.
  std::shared_ptr<state::Batch> batch_ = std::make_shared<state::Batch>();
  std::size_t bytes_ = 0;
  steady_clock::time_point batch_started_, last_append_;
  std::optional<state::Checkpoint> ended_;  // of the newest whole transaction in the batch
  std::deque<Ended> unsettled_;             // of batches that the source was not yet let go of
  std::int64_t transactions_ = 0, changes_ = 0, snapshot_rows_ = 0;
  std::optional<std::uint64_t> claimed_;  // the epoch of a claim that no session has used
  bool restarted_ = false;
  bool gap_ = false;   // this session began with a gap
  bool open_ = false;  // a transaction has begun and not ended

  mutable std::mutex mutex_;
  PublisherStatus status_;
  std::vector<Request> requests_, gap_requests_;
  std::optional<Appender> appender_;  // of the session
};

Publisher::Publisher(Source& source, state::ChangeLog& log, PublisherOptions options)
    : impl_(std::make_unique<Impl>(source, log, std::move(options))) {}
Publisher::~Publisher() = default;
void Publisher::claim(const std::stop_token& stop) { impl_->claim(stop); }
// NOLINTNEXTLINE(performance-unnecessary-value-param): a thread's function takes its token so
void Publisher::run(std::stop_token stop) { impl_->run(stop); }
PublisherStatus Publisher::status() const { return impl_->status(); }
void Publisher::request_snapshot(const std::string& table, std::function<void()> recorded) {
  impl_->request_snapshot(table, std::move(recorded));
}
void Publisher::request_gap(const std::string& reason, std::function<void()> recorded) {
  impl_->request_gap(reason, std::move(recorded));
}

}  // namespace tandem::capture
