#include "capture/sqlite/sqlite_source.h"

#include <chrono>
#include <mutex>
#include <set>
#include <utility>

#include "capture/sqlite/catalog.h"
#include "capture/sqlite/change_watch.h"
#include "capture/sqlite/installation.h"
#include "capture/sqlite/lock_patience.h"
#include "capture/sqlite/owner.h"
#include "capture/sqlite/preflight.h"
#include "capture/sqlite/progress.h"
#include "capture/sqlite/prune.h"
#include "state/failpoint.h"

namespace tandem::capture {
namespace {

using state::Database;
using state::SourcePosition;
using state::Statement;

std::int64_t unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::uint64_t max_seq(Database& database) {
  state::Value newest = database.query_value("SELECT max(seq) FROM _tandem_log");
  return newest.is_null() ? 0 : static_cast<std::uint64_t>(newest.as_integer());
}

// One claimed connection with all that lives on it. A new claim makes a new one.
struct Session {
  Session(const std::string& path, const std::string& log_identity)
      : database(path, state::OpenMode::kReadWrite, kLockWaitMs), identity(log_identity) {
    // Large drains sort their keys on disk, in little memory.
    database.execute("PRAGMA temp_store = 1; PRAGMA cache_size = -8000");
  }

  Database database;
  std::string identity;
  std::stop_token stop;
  OwnerRow owner;               // as this claim wrote it
  std::uint64_t log_epoch = 0;  // the log's newest when it was claimed
  bool took_over = false;
  std::unique_ptr<ChangeWatch> watch;
  std::unique_ptr<Pruner> pruner;
  Statement schema_version, state, log_row, numbers;
  std::int64_t known_schema = -1;
  bool look = true;  // there may be something to drain although nothing is committed any more
  std::optional<std::chrono::steady_clock::time_point> locked_since;
};

class SqliteSource : public Source {
 public:
  SqliteSource(std::string path, std::vector<TableRequest> tables)
      : path_(std::move(path)), requests_(std::move(tables)) {}

  Catalog catalog(std::stop_token stop) override {
    Catalog catalog;
    try {
      Database database(path_, state::OpenMode::kReadWrite, kLockWaitMs);
      while_locked_retry(path_, stop, [&] { catalog = read_catalog(database, requests_); });
    } catch (const state::SqliteError&) {
      // Without the right to write, a file in WAL mode cannot even be read.
      refuse_unwritable();
      throw;
    }
    return catalog;
  }

  std::vector<Finding> check() override {
    try {
      Database database(path_, state::OpenMode::kReadWrite);
      return check_sqlite(database, requests_);
    } catch (const state::SqliteError& error) {
      return {{Finding::Level::kFailure, "source", path_ + ": " + error.message(), error.hint()}};
    }
  }

  void install(std::stop_token stop) override {
    refuse_unwritable();
    Database database(path_, state::OpenMode::kReadWrite, kLockWaitMs);
    in_write_transaction(database, stop, [&] {
      refuse_unusable(read_installation(database, requests_));
      make_installation(database, requests_);
    });
  }

  std::vector<std::string> uninstall(std::stop_token stop) override {
    refuse_unwritable();
    Database database(path_, state::OpenMode::kReadWrite, kLockWaitMs);
    in_write_transaction(database, stop, [&] { remove_installation(database); });
    return {};
  }

  std::uint64_t claim(const std::string& log_identity, std::uint64_t log_epoch,
                      std::stop_token stop) override;
  bool took_over() const override { return session().took_over; }
  void resume(std::optional<state::Checkpoint> checkpoint, Transactions& out) override;
  bool poll(std::chrono::milliseconds wait, std::stop_token stop, Transactions& out) override;

  bool has_looked() const override { return looked_; }

  void release(const state::Checkpoint& checkpoint) override {
    session().pruner->release(checkpoint.position.commit);
  }

  state::Checkpoint checkpoint() const override {
    SourceState state;
    state::Checkpoint checkpoint;
    if (!session_) return checkpoint;
    state.inode = session_->watch->inode();
    state.epoch = session_->owner.epoch;
    state.pruned = session_->pruner->pruned();
    state.row = row_hash_;
    checkpoint.position = position_;
    progress_.save(checkpoint, state);
    checkpoint.source_state = state.encode();
    return checkpoint;
  }

  void request_snapshot(const std::string& table) override { progress_.request_snapshot(table); }

  void assert_owner(std::stop_token stop) override;
  void report_late_writes() override;

  SourcePosition newest(std::chrono::milliseconds patience, std::stop_token stop) override {
    SourcePosition newest;
    Database database(path_, state::OpenMode::kReadWrite, kLockWaitMs);
    auto read = [&] {
      state::Value there = database.query_value(
          "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = '_tandem_log'");
      newest = {there.is_null() ? 0 : max_seq(database), 0};
    };
    while_locked_retry(path_, stop, read, patience);
    return newest;
  }

 private:
  Session& session() const {
    if (!session_) throw state::Error("the source was not claimed", path_, "claim it first");
    return *session_;
  }
  OwnerRow own_claim();
  void refuse_unwritable() const;
  void refuse_unusable(const Installation& found) const;
  std::string reason_for_gap(const state::Checkpoint& checkpoint,
                             const std::optional<SourceState>& state, std::uint64_t newest);
  std::optional<std::int64_t> begin_reading();
  bool follow_schema(std::int64_t version);
  std::uint64_t check_continuity();
  bool publish(Transactions& out, const std::stop_token& stop);

  const std::string path_;
  const std::vector<TableRequest> requests_;

  // Of the driving thread.
  std::unique_ptr<Session> session_;
  Progress progress_;
  SourcePosition position_;
  std::uint64_t row_hash_ = 0;  // of the row at position_.commit
  bool fresh_ = true;           // no checkpoint: the first drain starts at what is newest then
  bool looked_ = false;         // since resume()

  // Of any thread.
  std::mutex claim_mutex_;
  OwnerRow claim_;
};

void SqliteSource::refuse_unwritable() const {
  if (inode_of(path_) == 0 || is_writable(path_)) return;
  throw state::Error("the source cannot be written, and Tandem keeps its triggers there", path_,
                     "let this user write the file and its folder, or mount it writable");
}

void SqliteSource::refuse_unusable(const Installation& found) const {
  std::string what, hint;
  for (const CapturedTable& table : found.captured) {
    if (table.usable()) continue;
    std::string reason = table.shape ? table.shape->refusal : "there is no such table";
    what += (what.empty() ? "" : "; ") + table.request.name + ": " + reason;
  }
  if (what.empty()) return;
  throw state::Error("cannot capture " + what, path_,
                     "correct the config or the source; `tandem check` lists the choices");
}

std::uint64_t SqliteSource::claim(const std::string& log_identity, std::uint64_t log_epoch,
                                  std::stop_token stop) {
  session_.reset();
  refuse_unwritable();
  std::unique_ptr<Session> session;
  while_locked_retry(path_, stop,
                     [&] { session = std::make_unique<Session>(path_, log_identity); });
  session->stop = stop;
  Database& database = session->database;
  in_write_transaction(database, stop, [&] {
    make_installation(database, requests_);
    const std::optional<OwnerRow> found = read_owner(database);
    session->owner = claimed(found, log_identity, log_epoch, static_cast<std::uint64_t>(unix_ms()));
    session->took_over = found && session->owner.since == session->owner.epoch;
    write_owner(database, session->owner);
  });
  session->log_epoch = log_epoch;
  session->watch = std::make_unique<ChangeWatch>(database, path_);
  session->pruner =
      std::make_unique<Pruner>(database, log_identity, session->owner.epoch, session->owner.pruned);
  session->schema_version = Statement(database, "PRAGMA schema_version");
  session->state = Statement(database,
                             "SELECT log_identity, epoch, pruned, since, "
                             "ifnull((SELECT max(seq) FROM _tandem_log), 0) "
                             "FROM _tandem_owner WHERE id = 1");
  session->log_row = Statement(database, kLogRowQuery);
  session->numbers = Statement(database,
                               "SELECT DISTINCT t FROM _tandem_log WHERE seq > ?1 AND seq <= ?2 "
                               "AND typeof(t) = 'integer' AND t > -9223372036854775807");
  session_ = std::move(session);
  std::lock_guard lock(claim_mutex_);
  claim_ = session_->owner;
  return claim_.epoch;
}

std::string SqliteSource::reason_for_gap(const state::Checkpoint& checkpoint,
                                         const std::optional<SourceState>& state,
                                         std::uint64_t newest) {
  const OwnerRow& owner = session().owner;
  std::uint64_t commit = checkpoint.position.commit;
  if (!state) return "the log's checkpoint cannot be read by this version";
  if (state->epoch < owner.since) {
    return "the source was restored, replaced, or fed another log since this log left it, this log "
           "was put back from an older copy, or a fenced agent wrote late";
  }
  if (state->inode != session().watch->inode()) return "another file stands at the source's path";
  if (owner.pruned > commit) {
    return "the source has let go of changes up to " + std::to_string(owner.pruned) +
           ", but the log holds them only up to " + std::to_string(commit);
  }
  if (newest < commit) {
    return "the source's newest change is " + std::to_string(newest) + ", the log is at " +
           std::to_string(commit) + " already: the source was restored";
  }
  if (owner.pruned < state->pruned) return "the source was restored from an older copy";
  if (commit != 0 && hash_log_row(session().log_row, commit) != state->row) {
    return "the source holds another change at the log's position: it was restored";
  }
  return "";
}

void SqliteSource::resume(std::optional<state::Checkpoint> checkpoint, Transactions& out) {
  Database& database = session().database;
  const std::stop_token& stop = session().stop;
  if (!checkpoint && session().log_epoch != 0 && session().owner.since > session().log_epoch) {
    // Nothing to continue from, and the chain of claims broke since this log was first claimed.
    out.gap("another agent had the source meanwhile, or wrote late");
  }
  std::optional<SourceState> state;
  if (checkpoint) state = SourceState::decode(checkpoint->source_state);
  std::string gap;
  while_locked_retry(path_, stop, [&] {
    state::Transaction read(database, state::Transaction::Kind::kDeferred);
    refuse_unusable(read_installation(database, requests_));
    if (checkpoint) gap = reason_for_gap(*checkpoint, state, max_seq(database));
  });
  if (!gap.empty()) {
    // Positions must not go back, or readers would take what follows for a repetition.
    std::uint64_t behind = checkpoint->position.commit + 1;
    in_write_transaction(database, stop, [&] {
      Statement mark(database, "INSERT OR IGNORE INTO _tandem_log (seq, t) VALUES (?1, 0)");
      if (max_seq(database) < behind) mark.bind(1, static_cast<std::int64_t>(behind)).run();
    });
    out.gap(gap);
    checkpoint.reset();
  }
  fresh_ = !checkpoint;
  progress_.restore(checkpoint, state);
  position_ = checkpoint ? checkpoint->position : SourcePosition{};
  row_hash_ = checkpoint && state ? state->row : 0;
  looked_ = false;
  session().known_schema = -1;
  session().look = true;
}

// Called inside a read transaction. Returns false if the transaction was ended to repair triggers.
bool SqliteSource::follow_schema(std::int64_t version) {
  Session& now = session();
  if (version == now.known_schema) return true;
  Installation found = read_installation(now.database, requests_);
  if (!found.tables_exist) {
    throw SourceReplaced("Tandem's tables are gone from the source", path_,
                         "nothing to do: Tandem makes them anew and reads everything again");
  }
  if (!found.complete()) return false;
  progress_.adopt(now.database, found);
  now.known_schema = version;
  return true;
}

// Called inside a read transaction. Returns the newest seq.
std::uint64_t SqliteSource::check_continuity() {
  Session& now = session();
  const auto replaced = [&](const std::string& what) {
    return SourceReplaced(what, path_, "nothing to do: Tandem reads everything again");
  };
  if (!now.state.step()) {
    now.state.reset();
    throw replaced("the owner row is gone from the source");
  }
  std::string identity = now.state.text(0);
  auto epoch = static_cast<std::uint64_t>(now.state.integer(1));
  auto pruned = static_cast<std::uint64_t>(now.state.integer(2));
  auto since = static_cast<std::uint64_t>(now.state.integer(3));
  auto newest = static_cast<std::uint64_t>(now.state.integer(4));
  now.state.reset();
  if (identity != now.identity || epoch > now.owner.epoch) {
    throw state::Fenced("another agent has taken over the source", path_,
                        "stop one of the two; this one has stopped writing");
  }
  if (epoch < now.owner.epoch || pruned < now.pruner->pruned()) {
    throw replaced("the source was restored from an older copy");
  }
  if (since > now.owner.epoch) throw replaced("an agent that was fenced may have written late");
  if (fresh_) return newest;
  if (newest < position_.commit ||
      (position_.commit != 0 && hash_log_row(now.log_row, position_.commit) != row_hash_)) {
    throw replaced("the source was restored: changes that the log holds are gone from it");
  }
  return newest;
}

// Takes the read lock and returns the schema's version; nothing while the file is locked.
std::optional<std::int64_t> SqliteSource::begin_reading() {
  Session& now = session();
  try {
    now.schema_version.step();
  } catch (const state::SqliteError& error) {
    if (!error.busy()) throw;
    const auto time = std::chrono::steady_clock::now();
    if (!now.locked_since) now.locked_since = time;
    if (time - *now.locked_since < kLockPatience) return std::nullopt;
    throw SourceLocked("the source stayed locked for reading", path_,
                       "end the application's long transaction or its exclusive lock, then start "
                       "again");
  }
  now.locked_since.reset();
  std::int64_t version = now.schema_version.integer(0);
  now.schema_version.reset();
  return version;
}

bool SqliteSource::publish(Transactions& out, const std::stop_token& stop) {
  Session& now = session();
  state::Transaction read(now.database, state::Transaction::Kind::kDeferred);
  std::optional<std::int64_t> version = begin_reading();
  now.look = !version;
  if (!version) return false;
  if (!follow_schema(*version)) {
    read.rollback();
    in_write_transaction(now.database, stop, [&] { make_installation(now.database, requests_); });
    return publish(out, stop);
  }
  const std::uint64_t newest = check_continuity();
  const std::uint64_t after = fresh_ ? newest : position_.commit;
  bool something = newest > after || progress_.has_schemas_to_log() || progress_.snapshotting();
  if (!something) {
    // An empty source has a position as well.
    if (fresh_) position_ = {newest, 0};
    if (fresh_ && newest != 0) row_hash_ = hash_log_row(now.log_row, newest);
    fresh_ = false;
    looked_ = true;
    return false;
  }
  SourcePosition at = {newest, 0};
  if (!fresh_ && newest == position_.commit) at.ordinal = position_.ordinal + 1;
  out.begin({at, unix_ms()});
  std::set<std::int64_t> touched;
  if (newest > after) {
    now.watch->note_activity();
    now.numbers.bind(1, static_cast<std::int64_t>(after));
    now.numbers.bind(2, static_cast<std::int64_t>(newest));
    while (now.numbers.step()) {
      std::int64_t number = now.numbers.integer(0);
      // A negative number: more rows than those named were touched, see capture/sqlite/triggers.cc.
      if (number < 0) progress_.read_again(-number);
      touched.insert(number < 0 ? -number : number);
    }
    now.numbers.reset();
  }
  progress_.log_schemas(out);
  for (std::int64_t number : touched) {
    if (TableReader* reader = progress_.reader(number)) reader->changes(after, newest, out);
  }
  TANDEM_FAILPOINT("capture.drain.middle");
  progress_.chunk(out);
  position_ = at;
  row_hash_ = newest != 0 ? hash_log_row(now.log_row, newest) : 0;
  fresh_ = false;
  looked_ = true;
  out.end(checkpoint());
  return true;
}

bool SqliteSource::poll(std::chrono::milliseconds wait, std::stop_token stop, Transactions& out) {
  using std::chrono::steady_clock;
  Session& now = session();
  const auto until = steady_clock::now() + wait;
  while (!stop.stop_requested()) {
    now.pruner->run_if_due();
    bool changed = now.watch->changed();
    if (changed || now.look || progress_.snapshotting()) {
      if (publish(out, stop)) return true;
    }
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_clock::now());
    if (left.count() <= 0) return false;
    now.watch->rest(left, stop);
  }
  return false;
}

OwnerRow SqliteSource::own_claim() {
  std::lock_guard lock(claim_mutex_);
  return claim_;
}

// No row, or an older one, means that the file was restored, which is for the next drain to find.
bool taken_over(const std::optional<OwnerRow>& owner, const OwnerRow& mine) {
  return owner && (owner->log_identity != mine.log_identity || owner->epoch > mine.epoch);
}

void SqliteSource::assert_owner(std::stop_token stop) {
  const OwnerRow mine = own_claim();
  if (mine.epoch == 0) return;
  Database database(path_, state::OpenMode::kReadWrite, kLockWaitMs);
  std::optional<OwnerRow> owner;
  while_locked_retry(path_, stop, [&] { owner = read_owner(database); });
  if (!taken_over(owner, mine)) return;
  throw state::Fenced("another agent has taken over the source", path_,
                      "stop one of the two; this one has stopped writing");
}

void SqliteSource::report_late_writes() {
  const OwnerRow mine = own_claim();
  if (mine.epoch == 0) return;
  Database database(path_, state::OpenMode::kReadWrite, kLockWaitMs);
  in_write_transaction(database, {}, [&] {
    std::optional<OwnerRow> owner = read_owner(database);
    if (!taken_over(owner, mine)) return;
    owner->since = owner->epoch + 1;
    write_owner(database, *owner);
  });
}

}  // namespace

std::unique_ptr<Source> open_sqlite_source(std::string path, std::vector<TableRequest> tables) {
  return std::make_unique<SqliteSource>(std::move(path), std::move(tables));
}

}  // namespace tandem::capture
