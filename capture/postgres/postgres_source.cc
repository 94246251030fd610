#include "capture/postgres/postgres_source.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <sstream>
#include <utility>

#include "capture/postgres/catalog.h"
#include "capture/postgres/catalog_watch.h"
#include "capture/postgres/installation.h"
#include "capture/postgres/ownership.h"
#include "capture/postgres/preflight.h"
#include "capture/postgres/publication.h"
#include "capture/postgres/replication_stream.h"
#include "capture/postgres/server_health.h"
#include "capture/postgres/settings.h"
#include "capture/postgres/slot.h"
#include "capture/postgres/snapshots.h"
#include "capture/postgres/source_state.h"
#include "capture/postgres/stream_tables.h"
#include "state/failpoint.h"

namespace tandem::capture {
namespace postgres {
namespace {

using state::SourcePosition;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How often the catalog is looked at: DDL that changes no row sends nothing.
constexpr std::chrono::seconds kLookEvery{1};
// How long an idle source's position may wait to be logged as a heartbeat.
constexpr std::chrono::seconds kLetGoAfter{1};
// How old an answer may be that nobody waits for.
constexpr std::chrono::seconds kStillNew{1};

constexpr char kObjectInUse[] = "55006";

// Positions: docs/postgres-capture.md, "Claim, position, confirmation".
SourcePosition begins_at(Lsn commit) { return {commit, 1}; }

std::string random_word() {
  std::random_device device;
  std::ostringstream word;
  word << std::hex << device() << device();
  return word.str();
}

class PostgresSource : public Source {
 public:
  PostgresSource(PostgresOptions options, std::vector<TableRequest> tables)
      : options_(std::move(options)),
        requests_(canonical(std::move(tables))),
        health_(options_.slot) {}

  Catalog catalog(std::stop_token stop) override {
    Connection connection = connect(std::move(stop));
    TypeCatalog types;
    return to_catalog(read_tables(connection, types, requests_));
  }

  std::vector<Finding> check() override {
    return check_postgres(address_of(options_), application_of(options_), options_.slot,
                          options_.publication, requests_);
  }

  void install(std::stop_token stop) override {
    Connection connection = connect(std::move(stop));
    make_installation(connection, names(), requests_);
  }

  std::vector<std::string> uninstall(std::stop_token stop) override {
    Connection connection = connect(std::move(stop));
    return drop_installation(connection, options_.slot, options_.publication);
  }

  std::uint64_t claim(const std::string& log_identity, std::uint64_t log_epoch,
                      std::stop_token stop) override;
  bool took_over() const override { return session().took_over; }
  void resume(std::optional<state::Checkpoint> checkpoint, Transactions& out) override;
  bool poll(milliseconds wait, std::stop_token stop, Transactions& out) override;
  bool has_looked() const override { return looked_; }

  void release(const state::Checkpoint& checkpoint) override {
    TANDEM_FAILPOINT("postgres.confirm.before");
    session().stream.confirm(checkpoint.position.commit);
    TANDEM_FAILPOINT("postgres.confirm.after");
    released_ = checkpoint.position;
    released_at_ = steady_clock::now();
    reply_wanted_ = false;
  }

  state::Checkpoint checkpoint() const override {
    state::Checkpoint checkpoint;
    if (!session_) return checkpoint;
    SourceState state = session_->state;
    checkpoint.position = position_;
    session_->snapshots.save(checkpoint, state);
    checkpoint.source_state = state.encode();
    return checkpoint;
  }

  bool wants_heartbeat() const override {
    if (!session_ || in_transaction_ || position_ <= released_) return false;
    return reply_wanted_ || steady_clock::now() - released_at_ >= kLetGoAfter;
  }

  void request_snapshot(const std::string& table) override {
    session().snapshots.request(canonical_table_name(table));
  }

  void assert_owner(std::stop_token stop) override { ownership().assert_mine(std::move(stop)); }
  void report_late_writes() override { ownership().report_late_writes(); }

  SourcePosition newest(milliseconds patience, std::stop_token stop) override;
  SourceHealth health(std::stop_token stop) override;
  SourcePosition read_up_to(const SourcePosition& logged) const override;
  SourcePosition unchanged_up_to(const SourcePosition& logged, std::stop_token stop) override;

 private:
  // All that lasts from one claim to the next.
  struct Session {
    Session(const ServerAddress& address, const PostgresOptions& options,
            const std::vector<std::string>& publications, const std::vector<TableRequest>& requests,
            const std::stop_token& stop)
        : sql(address, application_of(options), Connection::Purpose::kSql, stop),
          word(random_word()),
          stream(address, application_of(options), options.slot, publications, stop),
          tables(requests),
          watch(requests, options.publication),
          snapshots(requests, {address, application_of(options), options.slot, word,
                               options.snapshot_tables}) {}

    Connection sql;
    const std::string word;  // in messages of this session
    ReplicationStream stream;
    StreamTables tables;
    CatalogWatch watch;
    Snapshots snapshots;
    SourceState state;   // of this server; without the tables
    ServerState server;  // as the claim found it
    std::uint64_t log_epoch = 0;
    bool took_over = false;
    std::unique_ptr<Frames> frames;
    std::size_t next_frame = 0;
    steady_clock::time_point look_at;
    std::vector<std::string> gone;  // tables, until a message of ours comes by
  };

  InstallationNames names() const { return {options_.slot, options_.publication}; }
  Connection connect(std::stop_token stop) const {
    return {address_of(options_), application_of(options_), Connection::Purpose::kSql,
            std::move(stop)};
  }
  Session& session() const {
    if (!session_) {
      throw state::Error("the source was not claimed", options_.slot, "claim it first");
    }
    return *session_;
  }
  Ownership& ownership() {
    std::call_once(ownership_made_, [this] {
      ownership_ =
          std::make_unique<Ownership>(address_of(options_), application_of(options_), names());
    });
    return *ownership_;
  }

  void throw_if_held(std::stop_token stop) const;
  void look();
  void look_at(const SourceTable& table, bool unpublished);
  bool take(std::string_view frame, Transactions& out);
  bool take(const Message& message, Transactions& out);
  void row(const RowMessage& message, Transactions& out);
  void truncate(const TruncateMessage& message, Transactions& out);
  void own_message(const LogicalMessage& message, Transactions& out);
  const StreamTable* meet(std::uint32_t relation, Transactions& out);
  void open(Transactions& out);

  const PostgresOptions options_;
  const std::vector<TableRequest> requests_;

  // Of any thread.
  std::once_flag ownership_made_;
  std::unique_ptr<Ownership> ownership_;
  /// All that ends before it was sent to us, and passed on.
  std::atomic<Lsn> heard_{0};
  /// Where the newest transaction ends that has something for the log. Set before `heard_` is.
  std::atomic<Lsn> logged_{0};
  std::mutex told_;
  std::optional<Snapshots::Wait> wait_;  // guarded by told_
  ServerHealth health_;                  // one at a time, within ownership().ask()
  std::optional<std::pair<steady_clock::time_point, Lsn>> newest_;  // likewise

  // Of the driving thread.
  std::unique_ptr<Session> session_;
  SourcePosition position_, released_;
  steady_clock::time_point released_at_;
  bool reply_wanted_ = false;
  bool looked_ = false;  // since resume()

  // The transaction that the stream is in.
  bool in_transaction_ = false;
  bool skipping_ = false;  // the log has it
  bool opened_ = false;    // something of it was handed on
  BeginMessage begin_;
};

std::uint64_t PostgresSource::claim(const std::string& log_identity, std::uint64_t log_epoch,
                                    std::stop_token stop) {
  session_.reset();
  heard_ = 0;
  const ServerAddress address = address_of(options_);
  Installation installed;
  {
    Connection connection = connect(stop);
    installed = make_installation(connection, names(), requests_);
  }
  TANDEM_FAILPOINT("postgres.claim.before");
  std::unique_ptr<Session> session;
  try {
    session = std::make_unique<Session>(address, options_, installed.publications, requests_, stop);
  } catch (const ServerError& error) {
    if (error.sqlstate() == kObjectInUse) throw_if_held(stop);
    throw;
  }
  TANDEM_FAILPOINT("postgres.claim.after");
  const Claim claim =
      ownership().claim(session->sql, log_identity, log_epoch, session->stream.backend_pid());
  const ReplicationStream::Server& server = session->stream.server();
  session->server = {server.system,       server.database,       options_.slot,
                     server.timeline,     server.ended,          server.newest,
                     installed.confirmed, installed.slot_is_new, installed.slot_was_lost,
                     claim.since};
  session->took_over = claim.took_over;
  session->log_epoch = log_epoch;
  session->state.system = session->server.system;
  session->state.database = session->server.database;
  session->state.slot = options_.slot;
  session->state.timeline = session->server.timeline;
  session->state.epoch = claim.epoch;
  session_ = std::move(session);
  return claim.epoch;
}

// The server's own message tells no more of who has the slot than the number of a process.
void PostgresSource::throw_if_held(std::stop_token stop) const {
  Connection connection = connect(std::move(stop));
  const std::optional<Slot> slot = read_slot(connection, options_.slot);
  if (!slot || slot->active_pid == 0) return;  // let go meanwhile
  throw state::Error("the replication slot is in use by " + slot->holder, options_.slot,
                     "end that process, or name another slot in `source.slot`");
}

void PostgresSource::resume(std::optional<state::Checkpoint> checkpoint, Transactions& out) {
  Session& now = session();
  if (!checkpoint && now.log_epoch != 0 && now.server.since > now.log_epoch) {
    // Nothing to continue from, and the chain of claims broke since this log was first claimed.
    out.gap("another agent had the source meanwhile, or wrote late");
  }
  std::optional<SourceState> state;
  if (checkpoint) {
    state = SourceState::decode(checkpoint->source_state);
    std::string gap = reason_for_gap(state, checkpoint->position.commit, now.server);
    if (!gap.empty()) {
      out.gap(gap);
      checkpoint.reset();
      state.reset();
    }
  }
  position_ = checkpoint ? checkpoint->position : SourcePosition{};
  released_ = {};
  released_at_ = steady_clock::now();
  reply_wanted_ = in_transaction_ = looked_ = false;
  now.snapshots.restore(checkpoint, state);
  if (checkpoint) now.stream.confirm(checkpoint->position.commit);
}

// What of DDL and of changes by hand the stream does not tell.
void PostgresSource::look() {
  Session& now = session();
  now.look_at = steady_clock::now() + kLookEvery;
  ownership().check(now.sql);
  {
    std::lock_guard lock(told_);
    wait_ = now.snapshots.waits_for();
  }
  if (now.snapshots.snapshotting()) now.snapshots.pass_by(current_view(now.sql));
  if (!now.watch.changed(now.sql)) return;
  // Types may have been altered as well: nothing that is known of them is used.
  TypeCatalog types;
  const std::vector<SourceTable> tables = read_requested(now.sql, types, requests_);
  if (lacks_publication(now.sql, names())) {
    throw SourceReplaced("the publication was dropped", options_.publication,
                         "nothing to do: Tandem makes it anew and reads everything again");
  }
  const std::vector<std::string> added = keep_published(now.sql, names(), tables);
  const auto memberships = read_memberships(now.sql, options_.publication);
  for (const SourceTable& table : tables) {
    std::erase(now.gone, table.table.schema.name);
    auto membership = memberships.find(table.oid);
    const bool republished = now.snapshots.is_republished(
        table.table.schema.name,
        (memberships.at(0) << 32U) + (membership == memberships.end() ? 0 : membership->second));
    look_at(table, republished || std::find(added.begin(), added.end(), table.table.schema.name) !=
                                      added.end());
  }
  bool tell = false;
  for (const TableRequest& request : requests_) {
    const bool there = std::any_of(tables.begin(), tables.end(), [&](const SourceTable& table) {
      return table.table.schema.name == request.name;
    });
    now.snapshots.set_missing(request.name, !there);
    if (there || (looked_ && !now.snapshots.is_logged(request.name))) continue;
    now.gone.push_back(request.name);
    tell = true;
  }
  if (tell) {
    now.sql.query("SELECT pg_catalog.pg_logical_emit_message(true, $1, $2)",
                  {kMessagePrefix, options_.slot + " " + now.word + " gone"});
  }
  looked_ = true;
}

// `unpublished`: changes of it may have gone unpublished for a while.
void PostgresSource::look_at(const SourceTable& table, bool unpublished) {
  Session& now = session();
  const std::string& name = table.table.schema.name;
  if (!table.table.refusal.empty()) {
    throw state::Error("cannot capture the table: " + table.table.refusal, name,
                       "correct the config or the source; `tandem check` lists the choices");
  }
  const bool outdated = now.snapshots.is_outdated(table);
  const bool back = !now.snapshots.is_logged(name) && !now.snapshots.is_due(name);
  // The stream does not describe a table anew when a type of its was renamed.
  if (outdated) now.tables.learn_again(table.oid, now.sql);
  if (unpublished || outdated || back) now.snapshots.distrust(name, unpublished || back);
}

bool PostgresSource::poll(milliseconds wait, std::stop_token stop, Transactions& out) {
  Session& now = session();
  const auto until = steady_clock::now() + wait;
  for (;;) {
    if (steady_clock::now() >= now.look_at) look();
    // What is remembered for the readers is whole transactions.
    if (!in_transaction_) now.snapshots.keep_reading();
    // What a table became while it was read is found by looking once more.
    if (now.snapshots.has_finished()) now.watch.forget();
    while (now.frames && now.next_frame < now.frames->size()) {
      if (take(now.frames->frame(now.next_frame++), out)) return true;
    }
    const auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now());
    now.frames = now.stream.next(std::max(left, milliseconds(0)), stop, std::move(now.frames));
    now.next_frame = 0;
    if (!now.frames && (left.count() <= 0 || stop.stop_requested())) return false;
  }
}

// True if the log has something to make durable now.
bool PostgresSource::take(std::string_view bytes, Transactions& out) {
  const Frame frame = parse_frame(bytes);
  if (frame.kind == Frame::Kind::kData) return take(parse_message(frame.data), out);
  if (!in_transaction_) {
    position_ = std::max(position_, ends_at(frame.end));
    heard_ = position_.commit;
  }
  reply_wanted_ = reply_wanted_ || frame.reply;
  return false;
}

bool PostgresSource::take(const Message& message, Transactions& out) {
  Session& now = session();
  if (const auto* row_message = std::get_if<RowMessage>(&message)) {
    if (!skipping_) row(*row_message, out);
  } else if (const auto* begin = std::get_if<BeginMessage>(&message)) {
    begin_ = *begin;
    in_transaction_ = true;
    opened_ = false;
    skipping_ = begins_at(begin->commit) <= position_;
    if (!skipping_) now.snapshots.begin(begin->xid);
  } else if (const auto* end = std::get_if<CommitMessage>(&message)) {
    in_transaction_ = false;
    if (std::exchange(skipping_, false)) return false;
    position_ = ends_at(end->end);
    if (opened_) logged_ = end->end;
    heard_ = end->end;
    if (opened_) out.end(checkpoint());
    return opened_;
  } else if (const auto* relation = std::get_if<RelationMessage>(&message)) {
    now.tables.learn(*relation, now.sql);
  } else if (const auto* truncation = std::get_if<TruncateMessage>(&message)) {
    if (!skipping_) truncate(*truncation, out);
  } else if (const auto* own = std::get_if<LogicalMessage>(&message)) {
    if (!skipping_ && own->transactional && own->prefix == kMessagePrefix) own_message(*own, out);
  }
  return false;
}

void PostgresSource::open(Transactions& out) {
  if (std::exchange(opened_, true)) return;
  out.begin(begins_at(begin_.commit), unix_ms(begin_.time));
}

const StreamTable* PostgresSource::meet(std::uint32_t relation, Transactions& out) {
  Session& now = session();
  const StreamTable* table = now.tables.find(relation);
  if (table == nullptr) return nullptr;
  open(out);
  now.snapshots.meet(*table, out);
  return table;
}

void PostgresSource::row(const RowMessage& message, Transactions& out) {
  const StreamTable* table = meet(message.relation, out);
  if (table == nullptr) return;
  Session& now = session();
  state::Row before;
  if (message.before.present()) {
    before = table->row(message.before);
  }
  state::Row key_before;
  if (!before.empty()) key_before = table->schema.key_of(before);
  if (message.op == RowMessage::Op::kDelete) {
    now.snapshots.deletion(*table, key_before);
    out.change(table->name, state::Op::kDelete, std::move(key_before), {});
    return;
  }
  state::Row after = table->row(message.after, message.whole_before ? &before : nullptr);
  for (std::size_t i = 0; i < key_before.size(); ++i) {
    // A key stored out of line is in the identity before, and not in the row after.
    state::Value& value = after[static_cast<std::size_t>(table->schema.key[i])];
    if (value.is_unchanged()) value = key_before[i];
  }
  if (message.op == RowMessage::Op::kInsert) {
    now.snapshots.change(*table, {}, after);
    out.change(table->name, state::Op::kCreate, {}, std::move(after));
    return;
  }
  state::Row key = table->schema.key_of(after);
  const bool moved = !key_before.empty() && key_before != key;
  now.snapshots.change(*table, moved ? key_before : key, after);
  if (!moved) key_before.clear();
  out.change(table->name, state::Op::kUpdate, std::move(key_before), std::move(after));
}

void PostgresSource::truncate(const TruncateMessage& message, Transactions& out) {
  for (std::uint32_t relation : message.relations) {
    const StreamTable* table = meet(relation, out);
    if (table == nullptr) continue;
    session().snapshots.truncation(*table);
    out.change(table->name, state::Op::kTruncate, {}, {});
  }
}

// `<slot> <session> chunk <reader> <chunk>` or `<slot> <session> gone`.
void PostgresSource::own_message(const LogicalMessage& message, Transactions& out) {
  Session& now = session();
  std::istringstream words{std::string(message.content)};
  std::string slot, word, kind;
  words >> slot >> word >> kind;
  if (slot != options_.slot || word != now.word) return;
  if (kind == "chunk") {
    std::uint64_t reader = 0, chunk = 0;
    words >> reader >> chunk;
    open(out);
    now.snapshots.publish(reader, chunk, out);
  } else if (kind == "gone") {
    open(out);
    for (const std::string& table : std::exchange(now.gone, {})) now.snapshots.gone(table, out);
  }
}

SourcePosition PostgresSource::newest(milliseconds patience, std::stop_token stop) {
  const bool exact = patience >= kStillNew;
  SourcePosition position;
  ownership().ask(std::move(stop), [&](Connection& connection) {
    const auto now = steady_clock::now();
    if (exact || !newest_ || now - newest_->first >= kStillNew) {
      newest_ = {now, exact ? newest_lsn(connection) : flushed_lsn(connection)};
    }
    position = ends_at(newest_->second);
  });
  return position;
}

SourceHealth PostgresSource::health(std::stop_token stop) {
  std::optional<Snapshots::Wait> wait;
  {
    std::lock_guard lock(told_);
    wait = wait_;
  }
  SourceHealth health;
  ownership().ask(std::move(stop),
                  [&](Connection& connection) { health = health_.look(connection, wait); });
  return health;
}

SourcePosition PostgresSource::read_up_to(const SourcePosition& logged) const {
  const Lsn heard = heard_;
  if (logged.commit < logged_) return logged;
  return std::max(logged, ends_at(heard));
}

SourcePosition PostgresSource::unchanged_up_to(const SourcePosition& logged, std::stop_token stop) {
  SourcePosition position = logged;
  try {
    ownership().ask(std::move(stop), [&](Connection& connection) {
      std::vector<std::string> publications;
      for (const Publication& each : read_publications(connection, options_.publication)) {
        publications.push_back(each.name);
      }
      const Lsn end = flushed_lsn(connection);
      if (!has_changes(connection, options_.slot, publications, logged.commit, end)) {
        position = std::max(position, ends_at(end));
      }
    });
  } catch (const ServerError&) {
    // Somebody has the slot, there is none, or it took too long.
    return logged;
  }
  return position;
}

}  // namespace
}  // namespace postgres

std::unique_ptr<Source> open_postgres_source(PostgresOptions options,
                                             std::vector<TableRequest> tables) {
  return std::make_unique<postgres::PostgresSource>(std::move(options), std::move(tables));
}

std::string shown_address(const PostgresOptions& options) {
  return postgres::address_of(options).shown;
}

}  // namespace tandem::capture
