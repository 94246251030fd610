#include "capture/postgres/replication_stream.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "capture/postgres/source_state.h"

namespace tandem::capture::postgres {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr microseconds kNap{500};
// After a read of less there is hardly more. To look again would be to race with the server, which
// adds a message every few microseconds, and makes each a segment of its own for a reader so quick.
constexpr std::size_t kShortRead = 256U << 10U;
// libpq reads no more at once than its buffer holds, 16 KB at first. It grows to what one row
// takes, and stays so.
constexpr char kGrowBuffer[] = "SELECT pg_catalog.repeat('x', 1000000)";
constexpr milliseconds kIdle{100};
// Frames are handed over when so much has come together, or when the socket is empty.
constexpr std::size_t kHandOver = 128U << 10U;
// What waits for the reader; beyond it the server waits.
constexpr std::size_t kQueueBytes = 4U << 20U;
// Memory that is kept for frames to come.
constexpr std::size_t kSpare = 40, kLargestSpare = 1U << 20U;
// How often the server hears from us: for us its wal_sender_timeout is the longest silence
// (Connection), which is 15 s at least.
constexpr std::chrono::seconds kStatusEvery{5};
// How soon a silent server that has our process is asked for it again.
constexpr std::chrono::seconds kAskAgainAfter{5};
// How long a new confirmation may wait to be sent together with later ones.
constexpr milliseconds kConfirmEvery{200};

std::int64_t unix_us() {
  return std::chrono::duration_cast<microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string start_command(const Connection& connection, const std::string& slot,
                          const std::vector<std::string>& publications) {
  std::string names;
  for (const std::string& name : publications) {
    names += (names.empty() ? "" : ",") + connection.identifier(name);
  }
  return "START_REPLICATION SLOT " + connection.identifier(slot) +
         " LOGICAL 0/0 (proto_version '1', publication_names " + connection.literal(names) +
         ", messages 'true')";
}

}  // namespace

class ReplicationStream::Impl {
 public:
  Impl(const ServerAddress& address, const std::string& application, const std::string& slot,
       const std::vector<std::string>& publications, const std::stop_token& stop)
      : address_(address),
        application_(application),
        slot_(slot),
        connection_(address, application, Connection::Purpose::kReplication, stop) {
    // (systemid, timeline, xlogpos, dbname)
    const Rows rows = connection_.execute("IDENTIFY_SYSTEM");
    server_ = {rows.text(0, 0), rows.text(0, 3), static_cast<std::uint64_t>(rows.integer(0, 1)),
               parse_lsn(rows.view(0, 2))};
    if (server_.timeline > 1) {
      const Rows history =
          connection_.execute("TIMELINE_HISTORY " + std::to_string(server_.timeline));
      server_.ended = parse_timeline_history(history.view(0, 1));
    }
    connection_.execute(kGrowBuffer);
    connection_.start_copy_both(start_command(connection_, slot, publications));
    thread_ = std::jthread([this](const std::stop_token& token) { run(token); });
  }

  std::unique_ptr<Frames> next(milliseconds wait, const std::stop_token& stop,
                               std::unique_ptr<Frames> read) {
    std::unique_lock lock(mutex_);
    if (read && spare_.size() < kSpare && read->bytes.capacity() <= kLargestSpare) {
      spare_.push_back(std::move(read));
    }
    arrived_.wait_for(lock, stop, wait, [&] { return !queue_.empty() || failure_ != nullptr; });
    if (queue_.empty()) {
      if (failure_ != nullptr) std::rethrow_exception(failure_);
      return nullptr;
    }
    std::unique_ptr<Frames> frames = std::move(queue_.front());
    queue_.pop_front();
    queued_ -= frames->bytes.size();
    return frames;
  }

  void confirm(Lsn durable) {
    Lsn before = durable_.load();
    while (before < durable && !durable_.compare_exchange_weak(before, durable)) {
    }
  }

  int backend_pid() const { return connection_.backend_pid(); }
  const Server& server() const { return server_; }

 private:
  void run(const std::stop_token& stop) {
    try {
      connection_.set_stop(stop);
      while (!stop.stop_requested()) read(stop);
      // So that the server lets go of what is durable before a successor comes.
      send_status();
    } catch (...) {
      std::lock_guard lock(mutex_);
      if (!stop.stop_requested()) failure_ = std::current_exception();
    }
    arrived_.notify_all();
  }

  void read(const std::stop_token& stop) {
    if (is_full()) {
      tell();
      was_full_ = true;
      std::this_thread::sleep_for(milliseconds(1));
      return;
    }
    bool any = take_all();
    check_alive(any, stop);
    tell();
    if (any) {
      quiet_ = false;
      std::this_thread::sleep_for(kNap);
    } else if (!quiet_) {
      quiet_ = true;
    } else {
      connection_.wait_readable(stop.stop_requested() ? milliseconds(0) : kIdle);
    }
  }

  // Takes what is there. Returns whether there was something.
  bool take_all() {
    std::unique_ptr<Frames> frames = empty_frames();
    bool any = false;
    for (bool more = true; more;) {
      const bool came = connection_.consume();
      any = any || came;  // a part of a large message, perhaps
      std::size_t taken = 0;
      while (auto bytes = connection_.receive()) {
        any = true;
        taken += bytes->size();
        if (bytes->size() >= 18 && bytes->front() == 'k' && parse_frame(*bytes).reply) {
          answer_ = true;
        }
        frames->bytes += *bytes;
        frames->ends.push_back(static_cast<std::uint32_t>(frames->bytes.size()));
        if (frames->bytes.size() >= kHandOver) {
          hand_over(std::move(frames));
          if (is_full()) return true;
          frames = empty_frames();
        }
      }
      more = came && taken >= kShortRead;
    }
    if (frames->size() > 0) {
      hand_over(std::move(frames));
    } else {
      std::lock_guard lock(mutex_);
      spare_.push_back(std::move(frames));
    }
    return any;
  }

  std::unique_ptr<Frames> empty_frames() {
    std::unique_ptr<Frames> frames;
    {
      std::lock_guard lock(mutex_);
      if (!spare_.empty()) {
        frames = std::move(spare_.back());
        spare_.pop_back();
      }
    }
    if (!frames) {
      frames = std::make_unique<Frames>();
      frames->bytes.reserve(kHandOver + kHandOver / 4);
    }
    frames->bytes.clear();
    frames->ends.clear();
    return frames;
  }

  void hand_over(std::unique_ptr<Frames> frames) {
    {
      std::lock_guard lock(mutex_);
      queued_ += frames->bytes.size();
      queue_.push_back(std::move(frames));
    }
    arrived_.notify_one();
  }

  bool is_full() {
    std::lock_guard lock(mutex_);
    return queued_ >= kQueueBytes;
  }

  void tell() {
    const auto now = steady_clock::now();
    const bool news = durable_.load() != told_;
    if (answer_ || now - told_at_ >= kStatusEvery || (news && now - told_at_ >= kConfirmEvery)) {
      send_status();
    }
  }

  // A path that swallows everything looks as a quiet server does, so the server is asked to answer.
  void check_alive(bool any, const std::stop_token& stop) {
    const auto now = steady_clock::now();
    if (any || was_full_) heard_at_ = now;
    was_full_ = false;
    const milliseconds longest = address_.longest_silence;
    if (now - heard_at_ < longest) return;
    if (is_served(stop)) {
      heard_at_ = steady_clock::now() - longest + kAskAgainAfter;
      return;
    }
    throw ConnectionLost("the server has said nothing for " +
                             std::to_string(longest / std::chrono::seconds(1)) + " s",
                         connection_.shown(), "check the network between; Tandem connects anew");
  }

  // Before version 15 a server answers nothing while it passes over a large transaction of which
  // nothing is published. Its process works then; one that waits for something would have answered.
  bool is_served(const std::stop_token& stop) const {
    try {
      Connection sql(address_, application_, Connection::Purpose::kSql, stop);
      sql.limit_silence(kAskAgainAfter);
      return !sql.query(
                     "SELECT 1 FROM pg_catalog.pg_replication_slots s "
                     "JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid "
                     "WHERE s.slot_name = $1 AND s.active_pid = $2 "
                     "AND coalesce(a.wait_event_type, '') NOT IN ('Client', 'Activity')",
                     {slot_, std::to_string(connection_.backend_pid())})
                  .empty();
    } catch (const state::Error&) {
      return false;
    }
  }

  void send_status() {
    told_ = durable_.load();
    told_at_ = steady_clock::now();
    answer_ = false;
    connection_.send(status_update(told_, unix_us(), true));
  }

  const ServerAddress address_;
  const std::string application_, slot_;
  Connection connection_;
  Server server_;
  std::atomic<Lsn> durable_{0};

  // Of the thread.
  Lsn told_ = 0;
  steady_clock::time_point told_at_ = steady_clock::now();
  bool answer_ = false;
  bool quiet_ = true;  // the last look found nothing
  bool was_full_ = false;
  steady_clock::time_point heard_at_ = steady_clock::now();

  std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::deque<std::unique_ptr<Frames>> queue_;   // guarded by mutex_
  std::size_t queued_ = 0;                      // bytes in queue_, guarded by mutex_
  std::vector<std::unique_ptr<Frames>> spare_;  // guarded by mutex_
  std::exception_ptr failure_;                  // guarded by mutex_
  std::jthread thread_;
};

ReplicationStream::ReplicationStream(const ServerAddress& address, const std::string& application,
                                     const std::string& slot,
                                     const std::vector<std::string>& publications,
                                     std::stop_token stop)
    : impl_(std::make_unique<Impl>(address, application, slot, publications, stop)) {}
ReplicationStream::~ReplicationStream() = default;
std::unique_ptr<Frames> ReplicationStream::next(milliseconds wait, const std::stop_token& stop,
                                                std::unique_ptr<Frames> read) {
  return impl_->next(wait, stop, std::move(read));
}
void ReplicationStream::confirm(Lsn durable) { impl_->confirm(durable); }
int ReplicationStream::backend_pid() const { return impl_->backend_pid(); }
const ReplicationStream::Server& ReplicationStream::server() const { return impl_->server(); }

}  // namespace tandem::capture::postgres
