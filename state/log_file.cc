#include "state/log_file.h"

#include <filesystem>
#include <random>
#include <utility>

#include "state/error.h"

namespace tandem::state {
namespace {

constexpr std::int64_t kApplicationId = 0x54644c67;  // "TdLg"
constexpr std::int64_t kLayout = 1;

// Ends the statement's read transaction when its row has been used.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(Statement& statement) : statement_(statement) {}
  ~ResetAtEnd() { statement_.reset(); }
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;

 private:
  Statement& statement_;
};

std::string random_identity() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string identity;
  while (identity.size() < 32) identity += kDigits[random() & 15];
  return identity;
}

Database open(const std::string& path, OpenMode mode) {
  if (mode != OpenMode::kReadWriteCreate && !std::filesystem::exists(path)) {
    throw Error("there is no log yet", path, "start `tandem run` first");
  }
  return {path, mode};
}

std::int64_t one_integer(Statement& statement) {
  ResetAtEnd reset(statement);
  return statement.step() ? statement.integer(0) : 0;
}

}  // namespace

LogFile::LogFile(const std::string& path, OpenMode mode) : database_(open(path, mode)) {
  bool empty = database_.query_value("SELECT count(*) FROM sqlite_master").as_integer() == 0;
  if (empty && mode == OpenMode::kReadWriteCreate) create();
  open_existing();
}

// A crash in here leaves a file without tables, which the next open makes a log.
void LogFile::create() {
  // Large pages: a block is one blob, and each commit writes whole pages.
  database_.execute("PRAGMA page_size=16384");
  database_.execute("PRAGMA auto_vacuum=INCREMENTAL");
  database_.execute("PRAGMA journal_mode=WAL");
  database_.execute("PRAGMA synchronous=FULL");
  Transaction transaction(database_);
  database_.execute(
      "CREATE TABLE blocks(first INTEGER PRIMARY KEY, last INTEGER NOT NULL,"
      " epoch INTEGER NOT NULL, created_ms INTEGER NOT NULL, bytes BLOB NOT NULL);"
      "CREATE TABLE claims(epoch INTEGER PRIMARY KEY, at INTEGER NOT NULL);"
      "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;");
  database_.execute("INSERT INTO meta VALUES('identity', " + quote_literal(random_identity()) +
                    ")");
  database_.execute("PRAGMA application_id=" + std::to_string(kApplicationId));
  database_.execute("PRAGMA user_version=" + std::to_string(kLayout));
  transaction.commit();
}

void LogFile::open_existing() {
  if (database_.query_value("PRAGMA application_id").as_integer() != kApplicationId) {
    throw Error("this file is not a log of tandem", path(),
                "check the path of the state directory");
  }
  if (database_.query_value("PRAGMA user_version").as_integer() != kLayout) {
    throw Error("the log was written by another version of tandem", path(),
                "use the version that wrote it, or `tandem reset --confirm` and sync again");
  }
  // FULL: a commit is on disk, power loss included, before it returns.
  database_.execute("PRAGMA synchronous=FULL");
  // A huge transaction leaves a huge write-ahead file; it is cut back to this.
  database_.execute("PRAGMA journal_size_limit=67108864");
  Value identity = database_.query_value("SELECT value FROM meta WHERE name='identity'");
  if (identity.kind() != ValueKind::kText) {
    throw Error("the log has no identity", path(), "`tandem reset --confirm` and sync again");
  }
  identity_ = identity.bytes();
  page_size_ = static_cast<std::uint64_t>(database_.query_value("PRAGMA page_size").as_integer());

  first_ = database_.prepare("SELECT coalesce(min(first), 1) FROM blocks");
  at_ = database_.prepare("SELECT min(first) FROM blocks WHERE created_ms >= ?");
  next_ = database_.prepare("SELECT last + 1 FROM blocks ORDER BY first DESC LIMIT 1");
  epoch_ = database_.prepare("SELECT max(epoch) FROM claims");
  superseded_ = database_.prepare("SELECT 1 FROM claims WHERE epoch > ?1 AND at < ?2 LIMIT 1");
  read_ = database_.prepare(
      "SELECT first, last, bytes FROM blocks WHERE first <= ?1 ORDER BY first DESC LIMIT 1");
  read_before_ = database_.prepare(
      "SELECT first, last, bytes FROM blocks WHERE first < ?1 ORDER BY first DESC LIMIT 1");
  version_ = database_.prepare("PRAGMA data_version");
  oldest_ = database_.prepare(
      "SELECT first, last, created_ms FROM blocks WHERE first < (SELECT max(first) FROM blocks)"
      " ORDER BY first LIMIT 1");
  insert_ = database_.prepare("INSERT INTO blocks VALUES(?1, ?2, ?3, ?4, ?5)");
  claim_ = database_.prepare("INSERT INTO claims VALUES(?1, ?2)");
  remove_ = database_.prepare("DELETE FROM blocks WHERE first = ?1");
  pages_ = database_.prepare("PRAGMA page_count");
  free_ = database_.prepare("PRAGMA freelist_count");
}

Offset LogFile::first() { return one_integer(first_); }

Offset LogFile::next() {
  Offset next = one_integer(next_);
  return next == 0 ? 1 : next;
}

Offset LogFile::at(std::int64_t unix_ms) {
  at_.bind(1, unix_ms);
  ResetAtEnd reset(at_);
  return at_.step() && !at_.is_null(0) ? at_.integer(0) : next();
}

std::uint64_t LogFile::newest_epoch() { return static_cast<std::uint64_t>(one_integer(epoch_)); }

bool LogFile::superseded(std::uint64_t epoch, Offset offset) {
  superseded_.bind(1, static_cast<std::int64_t>(epoch)).bind(2, offset);
  return one_integer(superseded_) != 0;
}

std::shared_ptr<Batch> LogFile::decode(Statement& row) {
  std::shared_ptr<Batch> batch = decoder_.decode(row.view(2), path());
  if (batch->offsets.front() != row.integer(0) || batch->offsets.back() != row.integer(1)) {
    throw Error("a block of the log stands in the wrong place", path(),
                "check the disk; `tandem reset --confirm` and a new sync repair the state");
  }
  return batch;
}

std::shared_ptr<Batch> LogFile::read_from(Offset offset) {
  read_.bind(1, offset);
  std::shared_ptr<Batch> batch;
  {
    ResetAtEnd reset(read_);
    if (read_.step()) {
      if (read_.integer(1) < offset) return nullptr;
      batch = decode(read_);
    }
  }
  if (batch == nullptr) {
    Offset oldest = first();
    if (oldest <= offset) return nullptr;
    throw Error("offset " + std::to_string(offset) +
                    " is no longer in the log: its retention has let it go, the oldest offset kept "
                    "is " +
                    std::to_string(oldest),
                path(), "start at a kept offset, or read the tables again with `tandem snapshot`");
  }
  auto skip = static_cast<std::ptrdiff_t>(offset - batch->offsets.front());
  batch->records.erase(batch->records.begin(), batch->records.begin() + skip);
  batch->offsets.erase(batch->offsets.begin(), batch->offsets.begin() + skip);
  batch->from = offset;
  return batch;
}

std::shared_ptr<Batch> LogFile::read_block_before(Offset offset) {
  read_before_.bind(1, offset);
  ResetAtEnd reset(read_before_);
  return read_before_.step() ? decode(read_before_) : nullptr;
}

std::int64_t LogFile::data_version() { return one_integer(version_); }

void LogFile::write_block(Offset first, Offset last, std::uint64_t epoch, std::int64_t created_ms,
                          std::string_view bytes) {
  insert_.bind(1, first).bind(2, last).bind(3, static_cast<std::int64_t>(epoch));
  insert_.bind(4, created_ms).bind_blob(5, bytes).run();
}

void LogFile::write_claim(std::uint64_t epoch, Offset at) {
  claim_.bind(1, static_cast<std::int64_t>(epoch)).bind(2, at).run();
}

std::optional<LogFile::OldestBlock> LogFile::oldest() {
  ResetAtEnd reset(oldest_);
  if (!oldest_.step()) return std::nullopt;
  return OldestBlock{oldest_.integer(0), oldest_.integer(1), oldest_.integer(2)};
}

void LogFile::remove_block(Offset first) { remove_.bind(1, first).run(); }

std::uint64_t LogFile::free_bytes() {
  return static_cast<std::uint64_t>(one_integer(free_)) * page_size_;
}

std::uint64_t LogFile::used_bytes() {
  return static_cast<std::uint64_t>(one_integer(pages_)) * page_size_ - free_bytes();
}

void LogFile::give_back(std::uint64_t bytes) {
  database_.execute("PRAGMA incremental_vacuum(" + std::to_string(bytes / page_size_ + 1) + ")");
}

}  // namespace tandem::state
