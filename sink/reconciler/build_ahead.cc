#include "sink/reconciler/build_ahead.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace tandem::sink {
namespace {

struct Request {
  std::shared_ptr<const Document> document;
  std::string after;
  std::size_t limit = 0;
  state::ReplicaPosition position;
  std::uint64_t number = 0;

  bool at(const state::ReplicaPosition& other) const {
    return position.next == other.next && position.epoch == other.epoch &&
           position.log_identity == other.log_identity;
  }
};

// Nobody waits for this range any more.
struct Forgotten {};

}  // namespace

class BuildAhead::Impl {
 public:
  Impl(std::string replica_path, std::string own_attribute)
      : path_(std::move(replica_path)),
        attribute_(std::move(own_attribute)),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

  ~Impl() {
    ++wanted_;
    thread_.request_stop();
    thread_.join();
  }

  void ask(Request request) {
    {
      std::lock_guard lock(mutex_);
      request.number = ++wanted_;
      request_ = std::move(request);
      built_.reset();
      done_ = false;
      waiting_ = true;
    }
    changed_.notify_all();
  }

  std::optional<Range> take(const std::shared_ptr<const Document>& document,
                            const std::string& after, const state::ReplicaPosition& position) {
    std::unique_lock lock(mutex_);
    if (!request_ || request_->document != document || request_->after != after ||
        !request_->at(position)) {
      return std::nullopt;
    }
    changed_.wait(lock, [this] { return done_; });
    request_.reset();
    return std::exchange(built_, std::nullopt);
  }

 private:
  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] { return waiting_; })) {
      waiting_ = false;
      const Request request = *request_;
      lock.unlock();
      std::optional<Range> range = build(request);
      lock.lock();
      if (request.number != wanted_) continue;
      built_ = std::move(range);
      done_ = true;
      changed_.notify_all();
    }
  }

  std::optional<Range> build(const Request& request) {
    try {
      if (!reader_) reader_.emplace(path_);
      reader_->renew();
      std::optional<Range> range;
      if (request.at(reader_->position())) range = build_range(request);
      reader_->rest();
      return range;
    } catch (const Forgotten&) {
      reader_->rest();
    } catch (const std::exception&) {
      // The caller builds this range itself and meets the same error where it can tell of it.
      builder_.reset();
      document_.reset();
      reader_.reset();
    }
    return std::nullopt;
  }

  Range build_range(const Request& request) {
    if (document_ != request.document) {
      builder_ = std::make_unique<Builder>(reader_->database(), request.document, attribute_);
      document_ = request.document;
    }
    Range range;
    range.documents.reserve(request.limit);
    range.next = builder_->build_range(
        request.after, request.limit, [&](std::string root, BuiltDocument built) {
          if (wanted_ != request.number) throw Forgotten();
          range.documents.emplace_back(std::move(root), std::move(built));
        });
    return range;
  }

  const std::string path_, attribute_;

  // Of the thread.
  std::optional<state::ReplicaReader> reader_;
  std::unique_ptr<Builder> builder_;
  std::shared_ptr<const Document> document_;  // that builder_ is for

  std::atomic<std::uint64_t> wanted_ = 0;  // the number of the newest request
  std::mutex mutex_;                       // guards what follows
  std::condition_variable_any changed_;
  std::optional<Request> request_;
  bool waiting_ = false;  // the request has not been taken up yet
  bool done_ = false;     // it has been served
  std::optional<Range> built_;

  std::jthread thread_;  // last: it uses all the others
};

BuildAhead::BuildAhead(std::string replica_path, std::string own_attribute)
    : impl_(std::make_unique<Impl>(std::move(replica_path), std::move(own_attribute))) {}
BuildAhead::~BuildAhead() = default;

void BuildAhead::ask(std::shared_ptr<const Document> document, std::string after, std::size_t limit,
                     const state::ReplicaPosition& position) {
  impl_->ask({std::move(document), std::move(after), limit, position, 0});
}

std::optional<BuildAhead::Range> BuildAhead::take(const std::shared_ptr<const Document>& document,
                                                  const std::string& after,
                                                  const state::ReplicaPosition& position) {
  return impl_->take(document, after, position);
}

}  // namespace tandem::sink
