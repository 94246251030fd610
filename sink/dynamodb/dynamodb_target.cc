#include "sink/dynamodb/dynamodb_target.h"

#include <mutex>
#include <random>
#include <unordered_map>

#include "sink/dynamodb/requests.h"
#include "sink/dynamodb/service.h"
#include "sink/dynamodb/tables.h"
#include "sink/dynamodb/write_sender.h"
#include "sink/item_check.h"

namespace tandem::sink {
namespace {

constexpr std::size_t kMaximumWrites = 4096;       // without an outcome
constexpr std::size_t kMaximumBytes = 32U << 20U;  // of their items
constexpr std::size_t kHandOver = 100;             // writes gathered before the sender gets them
constexpr std::size_t kBatchGetKeys = 100;

class DynamodbTarget : public Target {
 public:
  DynamodbTarget(const DynamodbOptions& options, std::vector<TargetTable> tables,
                 TargetOptions target_options)
      : options_(options),
        tables_(std::move(tables)),
        target_options_(std::move(target_options)),
        service_(Session(options.endpoint, options.region)) {}

  std::vector<TargetFinding> check(CheckDepth depth) override {
    return Tables(service(), tables_, target_options_).check(depth);
  }

  std::vector<std::string> create_missing(
      const std::function<void(const std::string&)>& say) override {
    return Tables(service(), tables_, target_options_).create_missing(say);
  }

  std::size_t room() const override {
    const std::size_t writes = outstanding_ + rejected_.size();
    if (writes >= kMaximumWrites || outstanding_bytes_ >= kMaximumBytes) return 0;
    return kMaximumWrites - writes;
  }

  void submit(Write write) override {
    std::size_t bytes = item_size(write.item);
    if (std::string reason = refusal(write, bytes); !reason.empty()) {
      Outcome outcome;
      outcome.ticket = write.ticket;
      outcome.kind = Outcome::Kind::kRejected;
      outcome.reason = std::move(reason);
      rejected_.push_back(std::move(outcome));
      return;
    }
    outstanding_++;
    outstanding_bytes_ += bytes;
    gathered_.push_back({std::move(write), bytes});
    if (gathered_.size() >= kHandOver) sender().send(gathered_, false);
  }

  void wait(std::chrono::milliseconds wait, std::vector<Outcome>& outcomes) override {
    std::move(rejected_.begin(), rejected_.end(), std::back_inserter(outcomes));
    if (!rejected_.empty()) wait = std::chrono::milliseconds(0);
    rejected_.clear();
    if (outstanding_ == 0) return;
    sender().send(gathered_, true);
    const std::size_t before = outcomes.size();
    std::size_t bytes = 0;
    sender().take(wait, outcomes, bytes);
    outstanding_ -= outcomes.size() - before;
    outstanding_bytes_ -= bytes;
  }

  std::vector<std::optional<Item>> read(std::size_t table, const std::vector<Item>& keys) override {
    const TargetTable& described = tables_.at(table);
    std::vector<std::optional<Item>> found(keys.size());
    std::unordered_map<std::string, std::vector<std::size_t>> wanted;
    std::vector<const Item*> distinct;  // a batch must not name a key twice
    for (std::size_t i = 0; i < keys.size(); i++) {
      std::vector<std::size_t>& places = wanted[encode_key(keys[i], described.key)];
      if (places.empty()) distinct.push_back(&keys[i]);
      places.push_back(i);
    }
    for (std::size_t start = 0; start < distinct.size(); start += kBatchGetKeys) {
      const std::size_t end = std::min(distinct.size(), start + kBatchGetKeys);
      read_batch(described,
                 {distinct.begin() + static_cast<std::ptrdiff_t>(start),
                  distinct.begin() + static_cast<std::ptrdiff_t>(end)},
                 [&](const Item& item) {
                   auto places = wanted.find(encode_key(item, described.key));
                   if (places == wanted.end()) return;
                   for (std::size_t place : places->second) found[place] = item;
                 });
    }
    return found;
  }

  void scan(std::size_t table, bool keys_only,
            const std::function<bool(std::vector<Item>&)>& page) override {
    // A service of its own: another thread may be writing and reading.
    Service service(Session(options_.endpoint, options_.region));
    service.set_stop(stop_);
    const TargetTable& described = tables_.at(table);
    std::optional<Item> start;
    do {
      std::string body;
      append_scan(described, target_options_, keys_only, start, body);
      ScanAnswer answer =
          read_scan_answer(service.call("Scan", std::move(body), "table " + described.name));
      count_read(answer.items.size());
      start = std::move(answer.last_key);
      if (!answer.items.empty() && !page(answer.items)) return;
    } while (start.has_value());
  }

  TargetCounters counters() const override {
    std::lock_guard lock(mutex_);
    TargetCounters counters = sender_ ? sender_->counters() : TargetCounters();
    counters.read_calls += read_calls_;
    counters.items_read += items_read_;
    return counters;
  }

 private:
  /// Why DynamoDB would not take this write, "" if it would.
  std::string refusal(const Write& write, std::size_t& bytes) const {
    if (find_attribute(write.item, target_options_.attribute) != nullptr) {
      return "the attribute " + target_options_.attribute + " is Tandem's own";
    }
    std::string reason = check_item(write.item, tables_.at(write.table));
    if (!reason.empty()) return reason;
    bytes += stamp_size_bound(write.stamp);
    if (bytes <= kMaximumItemSize) return "";
    bytes = item_size(write.item) + stamp_size(write.stamp, target_options_);
    if (bytes <= kMaximumItemSize) return "";
    return "the item has " + std::to_string(bytes) + " bytes with " + target_options_.attribute +
           ", the limit is 409600 (400 KB)";
  }

  std::size_t stamp_size_bound(const Stamp& stamp) const {
    constexpr std::size_t kRest = 80;  // hash, version, names of the members and the map itself
    return target_options_.attribute.size() + stamp.name.size() + kRest;
  }

  /// For check, create_missing and read.
  Service& service() {
    service_.set_stop(stop_);
    return service_;
  }

  void read_batch(const TargetTable& table, std::vector<const Item*> keys,
                  const std::function<void(const Item&)>& take) {
    Backoff backoff(std::random_device{}());
    std::vector<Item> left;
    auto deadline = std::chrono::steady_clock::now() + service_.patience();
    for (int attempt = 1;; attempt++) {
      std::string body;
      append_batch_get(keys, table, body);
      BatchGetAnswer answer = read_batch_get_answer(
          service().call("BatchGetItem", std::move(body), "table " + table.name));
      count_read(answer.items.size());
      const bool moved = !answer.items.empty();
      for (const Item& item : answer.items) take(item);
      if (answer.unprocessed_keys.empty()) return;
      left = std::move(answer.unprocessed_keys);
      keys.clear();
      for (const Item& key : left) keys.push_back(&key);
      const auto now = std::chrono::steady_clock::now();
      if (moved) {
        attempt = 0;
        deadline = now + service_.patience();
      } else if (now > deadline) {
        throw state::Error("DynamoDB leaves all keys of a read unprocessed", "table " + table.name,
                           "look at the table's read capacity, then start again");
      }
      service_.pause(backoff.delay(attempt + 1));
    }
  }

  void count_read(std::size_t items) {
    std::lock_guard lock(mutex_);
    read_calls_++;
    items_read_ += static_cast<std::int64_t>(items);
  }

  /// Started by the first write, so that a check or a scan needs no thread.
  WriteSender& sender() {
    if (!sender_) {
      auto started = std::make_unique<WriteSender>(
          Session(options_.endpoint, options_.region), tables_, target_options_,
          WriteSenderOptions{options_.connections, options_.patience, options_.late_batch,
                             may_send_});
      std::lock_guard lock(mutex_);
      sender_ = std::move(started);
    }
    return *sender_;
  }

  const DynamodbOptions options_;
  const std::vector<TargetTable> tables_;
  const TargetOptions target_options_;
  Service service_;
  std::unique_ptr<WriteSender> sender_;
  std::vector<Job> gathered_;
  std::vector<Outcome> rejected_;
  std::size_t outstanding_ = 0;  // writes submitted whose outcome has not been handed back
  std::size_t outstanding_bytes_ = 0;
  mutable std::mutex mutex_;  // guards the counts, and sender_ against counters()
  std::int64_t read_calls_ = 0, items_read_ = 0;
};

}  // namespace

std::unique_ptr<Target> open_dynamodb_target(const DynamodbOptions& options,
                                             std::vector<TargetTable> tables,
                                             TargetOptions target_options) {
  return std::make_unique<DynamodbTarget>(options, std::move(tables), std::move(target_options));
}

}  // namespace tandem::sink
