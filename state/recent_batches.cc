#include "state/recent_batches.h"

#include <algorithm>
#include <utility>

namespace tandem::state {
namespace {

std::shared_ptr<const Batch> from_offset(const std::shared_ptr<const Batch>& batch, Offset offset) {
  const auto skip = std::lower_bound(batch->offsets.begin(), batch->offsets.end(), offset) -
                    batch->offsets.begin();
  if (skip == 0) return batch;
  auto rest = std::make_shared<Batch>();
  rest->tables = batch->tables;
  rest->from = offset;
  rest->epoch = batch->epoch;
  rest->records.assign(batch->records.begin() + skip, batch->records.end());
  rest->offsets.assign(batch->offsets.begin() + skip, batch->offsets.end());
  return rest;
}

}  // namespace

void RecentBatches::publish(std::shared_ptr<const Batch> batch, Offset from, std::size_t bytes) {
  {
    std::lock_guard lock(mutex_);
    // An append that failed after its commit was not published: what lies before the hole is read
    // from the file.
    if (from != next_) {
      entries_.clear();
      bytes_ = 0;
    }
    next_ = batch->offsets.back() + 1;
    entries_.push_back({std::move(batch), from, bytes});
    bytes_ += bytes;
    while (bytes_ > limit_bytes_) {
      bytes_ -= entries_.front().bytes;
      entries_.pop_front();
    }
  }
  grown_.notify_all();
}

RecentBatches::Found RecentBatches::wait_for(Offset offset,
                                             std::chrono::steady_clock::time_point deadline,
                                             const std::stop_token& stop) {
  std::shared_ptr<const Batch> found;
  {
    std::unique_lock lock(mutex_);
    if (!grown_.wait_until(lock, stop, deadline, [&] { return offset < next_; })) return {};
    auto behind = std::partition_point(
        entries_.begin(), entries_.end(),
        [offset](const Entry& entry) { return entry.batch->offsets.back() < offset; });
    if (behind == entries_.end() || behind->from > offset) return {nullptr, true};
    found = behind->batch;
  }
  return {from_offset(found, offset), true};
}

Offset RecentBatches::next() const {
  std::lock_guard lock(mutex_);
  return next_;
}

}  // namespace tandem::state
