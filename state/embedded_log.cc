#include "state/embedded_log.h"

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <utility>
#include <variant>

#include "state/failpoint.h"
#include "state/recent_batches.h"

namespace tandem::state {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How often a reader beside a writing process looks for new blocks.
constexpr milliseconds kPoll{20};
// A longer wait would overflow the clock.
constexpr milliseconds kLongestWait{3'600'000};
// So much is removed or given back in one transaction of prune().
constexpr int kBlocksAStep = 16;
constexpr std::uint64_t kBytesAStep = std::uint64_t{4} << 20U;

std::int64_t unix_ms() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

steady_clock::time_point deadline_after(milliseconds wait) {
  return steady_clock::now() + std::min(wait, kLongestWait);
}

// Reads beside the writer of the same process: memory first, the file to catch up.
class LiveReader : public LogReader {
 public:
  LiveReader(std::string path, std::shared_ptr<RecentBatches> recent, Offset from)
      : path_(std::move(path)), recent_(std::move(recent)), next_(from) {}

  std::shared_ptr<const Batch> next(milliseconds wait, std::stop_token stop) override {
    RecentBatches::Found found = recent_->wait_for(next_, deadline_after(wait), stop);
    if (found.batch == nullptr && found.durable) {
      if (file_ == nullptr) file_ = std::make_unique<LogFile>(path_, OpenMode::kReadOnly);
      found.batch = file_->read_from(next_);
    }
    if (found.batch != nullptr) next_ = found.batch->offsets.back() + 1;
    return found.batch;
  }

  Offset position() const override { return next_; }

 private:
  const std::string path_;
  const std::shared_ptr<RecentBatches> recent_;
  std::unique_ptr<LogFile> file_;  // opened when first needed
  Offset next_;
};

// Reads the file of another process, which it can only poll.
class FollowingReader : public LogReader {
 public:
  FollowingReader(const std::string& path, Offset from)
      : file_(path, OpenMode::kReadOnly), next_(from) {}

  std::shared_ptr<const Batch> next(milliseconds wait, std::stop_token stop) override {
    auto deadline = deadline_after(wait);
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      // The version is taken before the read: a commit in between is seen by the next round.
      std::int64_t version = file_.data_version();
      if (version != seen_version_) {
        if (auto batch = file_.read_from(next_)) {
          next_ = batch->offsets.back() + 1;
          return batch;
        }
        seen_version_ = version;
      }
      auto now = steady_clock::now();
      if (now >= deadline) break;
      never.wait_until(lock, stop, std::min(deadline, now + kPoll), [] { return false; });
    }
    return nullptr;
  }

  Offset position() const override { return next_; }

 private:
  LogFile file_;
  Offset next_;
  std::int64_t seen_version_ = -1;  // at which there was nothing more to read
};

}  // namespace

EmbeddedLog::EmbeddedLog(const std::string& path, OpenMode mode, EmbeddedLogOptions options)
    : options_(options),
      writable_(mode == OpenMode::kReadWriteCreate),
      file_(path, mode),
      identity_(file_.identity()),
      recent_(writable_ ? std::make_shared<RecentBatches>(options.memory_bytes, file_.next())
                        : nullptr) {}

EmbeddedLog::EmbeddedLog(const std::string& path, EmbeddedLogOptions options)
    : EmbeddedLog(path, OpenMode::kReadWriteCreate, options) {}

EmbeddedLog::~EmbeddedLog() = default;

std::unique_ptr<EmbeddedLog> EmbeddedLog::open_read_only(const std::string& path) {
  return std::unique_ptr<EmbeddedLog>(new EmbeddedLog(path, OpenMode::kReadOnly, {}));
}

void EmbeddedLog::require_writable() const {
  if (writable_) return;
  throw Error("the log was opened to read only", file_.path(),
              "this is a fault in Tandem; please report it");
}

// Called inside the transaction that is about to write.
void EmbeddedLog::require_newest_epoch() {
  std::uint64_t newest = file_.newest_epoch();
  if (epoch_ == newest && epoch_ != 0) return;
  if (epoch_ == 0) {
    throw Error("the log was not claimed before it was written", file_.path(),
                "this is a fault in Tandem; please report it");
  }
  throw Fenced("another agent has taken over the log with epoch " + std::to_string(newest) +
                   ", this one had " + std::to_string(epoch_),
               file_.path(), "let only one agent run for this pipeline");
}

LogTail EmbeddedLog::read_tail() {
  std::lock_guard lock(mutex_);
  Transaction snapshot(file_.database(), Transaction::Kind::kDeferred);
  LogTail tail;
  tail.epoch = file_.newest_epoch();
  tail.next = file_.next();
  tail_offset_ = file_.first();
  Offset at = tail.next;
  while (std::shared_ptr<Batch> block = file_.read_block_before(at)) {
    at = block->offsets.front();
    if (file_.superseded(block->epoch, at)) continue;
    // An End stands behind its whole transaction: append() sees to it.
    auto newest = std::find_if(block->records.rbegin(), block->records.rend(), is_tail_record);
    if (newest == block->records.rend()) continue;
    if (const End* end = std::get_if<End>(&*newest)) tail.checkpoint = end->checkpoint;
    if (const Heartbeat* beat = std::get_if<Heartbeat>(&*newest)) {
      tail.checkpoint = beat->checkpoint;
    }
    tail_offset_ = block->offsets.back() - (newest - block->records.rbegin());
    break;
  }
  return tail;
}

void EmbeddedLog::claim(std::uint64_t epoch) {
  require_writable();
  auto batch = std::make_shared<Batch>();
  batch->epoch = epoch;
  batch->records = {Epoch{epoch}};
  std::lock_guard lock(mutex_);
  TANDEM_FAILPOINT("log.claim.before");
  Transaction transaction(file_.database());
  std::uint64_t newest = file_.newest_epoch();
  if (epoch <= newest) {
    throw Fenced("another agent has taken over the log with epoch " + std::to_string(newest),
                 file_.path(), "let only one agent run for this pipeline");
  }
  Offset first = file_.next();
  std::uint64_t former = std::exchange(epoch_, epoch);
  std::size_t memory_bytes = 0;
  try {
    file_.write_claim(epoch, first);
    memory_bytes = write(*batch, first);
    transaction.commit();
  } catch (...) {
    epoch_ = former;
    throw;
  }
  grammar_.claimed();
  TANDEM_FAILPOINT("log.claim.after");
  publish(std::move(batch), first, memory_bytes);
}

void EmbeddedLog::append(std::shared_ptr<Batch> batch) {
  require_writable();
  if (batch->records.empty()) return;
  appends_waiting_.fetch_add(1);
  std::lock_guard lock(mutex_);
  appends_waiting_.fetch_sub(1);
  grammar_.check(*batch, file_.path());
  TANDEM_FAILPOINT("log.append.before");
  Transaction transaction(file_.database());
  require_newest_epoch();
  Offset first = file_.next();
  std::size_t memory_bytes = write(*batch, first);
  TANDEM_FAILPOINT("log.append.commit");
  transaction.commit();
  grammar_.wrote(*batch);
  TANDEM_FAILPOINT("log.append.after");
  publish(std::move(batch), first, memory_bytes);
}

// Writes the blocks of the batch; returns what it takes in memory.
std::size_t EmbeddedLog::write(const Batch& batch, Offset first) {
  std::int64_t now = unix_ms();
  std::size_t memory_bytes = 0;
  for (std::size_t at = 0; at < batch.records.size();) {
    Offset block_first = first + static_cast<Offset>(at);
    BlockEncoder::Block block = encoder_.encode(batch, at, block_first, epoch_);
    at = block.end;
    memory_bytes += block.memory_bytes;
    file_.write_block(block_first, first + static_cast<Offset>(at) - 1, epoch_, now, block.bytes);
  }
  return memory_bytes;
}

void EmbeddedLog::publish(std::shared_ptr<Batch> batch, Offset first, std::size_t memory_bytes) {
  batch->epoch = epoch_;
  batch->from = first;
  batch->offsets.resize(batch->records.size());
  for (std::size_t i = 0; i < batch->offsets.size(); ++i) {
    batch->offsets[i] = first + static_cast<Offset>(i);
    if (is_tail_record(batch->records[i])) tail_offset_ = batch->offsets[i];
  }
  recent_->publish(std::move(batch), first, memory_bytes);
}

std::unique_ptr<LogReader> EmbeddedLog::reader(Offset from) {
  from = std::max<Offset>(from, 1);
  if (!writable_) return std::make_unique<FollowingReader>(file_.path(), from);
  return std::make_unique<LiveReader>(file_.path(), recent_, from);
}

Offset EmbeddedLog::first() {
  std::lock_guard lock(mutex_);
  return file_.first();
}

Offset EmbeddedLog::next() {
  if (writable_) return recent_->next();
  std::lock_guard lock(mutex_);
  return file_.next();
}

Offset EmbeddedLog::at(std::int64_t unix_ms) {
  std::lock_guard lock(mutex_);
  return file_.at(unix_ms);
}

void EmbeddedLog::prune(Offset needed_from) {
  require_writable();
  bool looked_up = false;
  {
    std::lock_guard lock(mutex_);
    looked_up = tail_offset_ != 0;
  }
  if (!looked_up) read_tail();
  bool more = true;
  while (more) {
    std::lock_guard lock(mutex_);
    more = remove_some(std::min(needed_from, tail_offset_)) || give_back_some();
    if (appends_waiting_.load() > 0) break;
  }
}

bool EmbeddedLog::remove_some(Offset before) {
  std::int64_t old_ms =
      unix_ms() - std::chrono::duration_cast<milliseconds>(options_.retention_age).count();
  int removed = 0;
  Transaction transaction(file_.database());
  while (removed < kBlocksAStep) {
    std::optional<LogFile::OldestBlock> oldest = file_.oldest();
    if (!oldest || oldest->last >= before) break;
    if (oldest->created_ms >= old_ms && file_.used_bytes() <= options_.retention_bytes) break;
    file_.remove_block(oldest->first);
    ++removed;
  }
  if (removed == 0) return false;
  TANDEM_FAILPOINT("log.prune.before");
  transaction.commit();
  TANDEM_FAILPOINT("log.prune.after");
  return removed == kBlocksAStep;
}

bool EmbeddedLog::give_back_some() {
  std::uint64_t spare = std::max(options_.spare_bytes, file_.used_bytes() / 4);
  std::uint64_t free = file_.free_bytes();
  if (free <= spare) return false;
  file_.give_back(std::min(free - spare, kBytesAStep));
  return file_.free_bytes() > spare;
}

LogExtent EmbeddedLog::extent() {
  LogExtent extent{first(), next(), 0};
  for (const char* suffix : {"", "-wal"}) {
    std::error_code missing;
    std::uintmax_t size = std::filesystem::file_size(file_.path() + suffix, missing);
    if (!missing) extent.bytes += size;
  }
  return extent;
}

}  // namespace tandem::state
