#include "capture/postgres/chunk_reader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>

#include "capture/postgres/connection.h"
#include "capture/postgres/copy_text.h"
#include "capture/postgres/table_query.h"
#include "state/failpoint.h"
#include "state/rest.h"

namespace tandem::capture::postgres {
namespace {

using std::chrono::milliseconds;

// So many chunks wait for their messages: the next is read while one is on its way.
constexpr std::size_t kAhead = 3;
// A chunk is to take about so many bytes of memory. Its number of rows goes by those of the chunk
// before; where they turn out much larger, it is cut.
constexpr std::size_t kChunkBytes = 4U << 20U, kMostBytes = 8U << 20U;
constexpr std::size_t kMostRows = 50'000, kFirstRows = 2'000;
constexpr std::size_t kKeysAtOnce = 1'000;
constexpr milliseconds kRunningEvery{20};

class ServerChunkReader : public ChunkReader {
 public:
  ServerChunkReader(Options options, state::Row from)
      : options_(std::move(options)), from_(std::move(from)) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }

  std::optional<ReadChunk> take(std::uint64_t chunk) override {
    std::lock_guard lock(mutex_);
    if (failure_ != nullptr) std::rethrow_exception(failure_);
    auto found = std::find_if(ready_.begin(), ready_.end(),
                              [&](const Ready& ready) { return ready.number == chunk; });
    if (found == ready_.end()) return std::nullopt;
    ReadChunk taken = std::move(found->chunk);
    ready_.erase(found);
    changed_.notify_all();
    return taken;
  }

  void restart(state::Row from) override {
    std::lock_guard lock(mutex_);
    std::erase_if(ready_, [](const Ready& ready) { return ready.chunk.asked.empty(); });
    from_ = std::move(from);
    at_end_ = false;
    ++generation_;
    changed_.notify_all();
  }

  void start_over() override {
    {
      std::lock_guard lock(mutex_);
      asked_.clear();
    }
    restart({});
  }

  void ask(std::vector<state::Row> keys) override {
    std::lock_guard lock(mutex_);
    std::move(keys.begin(), keys.end(), std::back_inserter(asked_));
    changed_.notify_all();
  }

  void check() override {
    std::lock_guard lock(mutex_);
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

  std::optional<std::uint64_t> waits_for() override {
    std::lock_guard lock(mutex_);
    return waits_for_;
  }

  bool sees(std::uint32_t xid) override {
    std::lock_guard lock(mutex_);
    // Views are taken one after the other, and a later one sees what an earlier one did.
    if (!ready_.empty()) return ready_.front().chunk.view.sees(xid);
    return newest_ && newest_->sees(xid);
  }

 private:
  struct Ready {
    std::uint64_t number;
    ReadChunk chunk;
  };
  struct Work {
    std::vector<state::Row> asked;
    state::Row from;
    std::uint64_t generation = 0;
  };

  void run(const std::stop_token& stop) {
    try {
      Connection connection(options_.address, options_.application, Connection::Purpose::kSql,
                            stop);
      if (options_.wait_for_running) wait_for_running(connection, stop);
      while (auto work = next_work(stop)) {
        std::optional<ReadChunk> chunk = read(connection, *work);
        if (!chunk || !keep(*work, std::move(*chunk))) continue;
        TANDEM_FAILPOINT("postgres.chunk.message.before");
        connection.query(
            "SELECT pg_logical_emit_message(true, $1, $2)",
            {kMessagePrefix, options_.slot + " " + options_.session + " chunk " +
                                 std::to_string(options_.number) + " " + std::to_string(number_)});
        TANDEM_FAILPOINT("postgres.chunk.message.after");
      }
    } catch (...) {
      std::lock_guard lock(mutex_);
      if (!stop.stop_requested()) failure_ = std::current_exception();
    }
  }

  void wait_for_running(Connection& connection, const std::stop_token& stop) {
    const Visibility at_start = current_view(connection);
    for (;;) {
      const Visibility now = current_view(connection);
      const bool ended = now.oldest() >= at_start.next();
      {
        std::lock_guard lock(mutex_);
        waits_for_.reset();
        if (!ended) waits_for_ = now.oldest();
        newest_ = now;
      }
      if (ended || stop.stop_requested()) return;
      state::rest(kRunningEvery, stop);
    }
  }

  std::optional<Work> next_work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop,
                  [&] { return ready_.size() < kAhead && (!asked_.empty() || !at_end_); });
    if (stop.stop_requested()) return std::nullopt;
    Work work;
    const std::size_t count = std::min(asked_.size(), keys_at_once_);
    const auto end = asked_.begin() + static_cast<std::ptrdiff_t>(count);
    work.asked.assign(std::make_move_iterator(asked_.begin()), std::make_move_iterator(end));
    asked_.erase(asked_.begin(), end);
    work.from = from_;
    work.generation = generation_;
    return work;
  }

  // False if the chunk is no longer wanted.
  bool keep(const Work& work, ReadChunk chunk) {
    std::lock_guard lock(mutex_);
    newest_ = chunk.view;
    if (work.generation != generation_ && work.asked.empty()) return false;
    if (work.asked.empty()) {
      at_end_ = chunk.to.empty();
      from_ = chunk.to;
    }
    ready_.push_back({++number_, std::move(chunk)});
    return true;
  }

  // Nothing if the keys that were asked for give too large a chunk: they are to be read in parts.
  std::optional<ReadChunk> read(Connection& connection, const Work& work) {
    if (!table_) table_ = usable(read_table(connection, types_, options_.table));
    TANDEM_FAILPOINT("postgres.chunk.read.before");
    ReadChunk chunk;
    chunk.asked = work.asked;
    if (work.asked.empty()) chunk.from = work.from;
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    // Locked before the transaction's view is taken: a TRUNCATE or a rewriting ALTER TABLE that
    // came between would show rows that no view should see.
    TableQuery(connection, *table_).lock();
    chunk.view = current_view(connection);
    const std::uint64_t before = table_->table.schema.fingerprint();
    table_ = usable(read_table(connection, types_, options_.table));
    chunk.schema = table_->table.schema;
    chunk.oid = table_->oid;
    chunk.storage = table_->storage;
    // Other columns or another key than the chunks before had: from the start.
    if (before != chunk.schema.fingerprint() || chunk.from.size() != chunk.schema.key.size()) {
      chunk.from.clear();
    }
    TableQuery query(connection, *table_);
    bool in_parts = false;
    if (work.asked.empty()) {
      read_range(query, chunk);
    } else {
      in_parts = !read_keys(query, chunk);
    }
    connection.execute("COMMIT");
    TANDEM_FAILPOINT("postgres.chunk.read.after");
    if (!in_parts) return chunk;
    std::lock_guard lock(mutex_);
    asked_.insert(asked_.end(), work.asked.begin(), work.asked.end());
    return std::nullopt;
  }

  void read_range(TableQuery& query, ReadChunk& chunk) {
    const auto [bytes, cut] = query.read_range(chunk.from, limit_, chunk.rows, kMostBytes);
    if (cut || chunk.rows.size() == limit_) chunk.to = chunk.schema.key_of(chunk.rows.back());
    if (chunk.rows.empty()) return;
    const std::size_t each = std::max<std::size_t>(bytes / chunk.rows.size(), 1);
    limit_ = std::clamp<std::size_t>(kChunkBytes / each, 1, kMostRows);
  }

  // False if their rows are too large to be read at once.
  bool read_keys(TableQuery& query, ReadChunk& chunk) {
    // Keys of another shape are of the table as it was before it got another key.
    if (chunk.asked[0].size() != chunk.schema.key.size()) return true;
    const std::size_t count = chunk.asked.size();
    const std::size_t most = count == 1 ? TableQuery::kUnlimited : kMostBytes;
    const bool cut = query.read_keys(chunk.asked, chunk.rows, most).cut;
    keys_at_once_ = cut ? count / 2 : std::min(keys_at_once_ * 2, kKeysAtOnce);
    return !cut;
  }

  SourceTable usable(std::optional<SourceTable> table) const {
    if (!table) {
      throw state::Error("there is no such table", options_.table.name,
                         "correct the config, or make the table");
    }
    if (!table->table.refusal.empty()) {
      throw state::Error("cannot capture the table: " + table->table.refusal, options_.table.name,
                         "correct the config or the source; `tandem check` lists the choices");
    }
    return std::move(*table);
  }

  const Options options_;

  // Of the thread.
  TypeCatalog types_;
  std::size_t limit_ = kFirstRows;
  std::size_t keys_at_once_ = kKeysAtOnce;
  std::optional<SourceTable> table_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  std::deque<Ready> ready_;
  std::uint64_t number_ = 0;
  std::vector<state::Row> asked_;
  state::Row from_;
  bool at_end_ = false;
  std::uint64_t generation_ = 0;
  std::exception_ptr failure_;
  std::optional<std::uint64_t> waits_for_;
  std::optional<Visibility> newest_;  // view that was taken

  std::jthread thread_;
};

}  // namespace

std::unique_ptr<ChunkReader> start_chunk_reader(ChunkReader::Options options, state::Row from) {
  return std::make_unique<ServerChunkReader>(std::move(options), std::move(from));
}

}  // namespace tandem::capture::postgres
