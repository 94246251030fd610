#include "capture/postgres/capture_session.h"

#include <algorithm>
#include <random>
#include <sstream>
#include <utility>

#include "capture/postgres/catalog.h"
#include "capture/postgres/publication.h"
#include "capture/postgres/settings.h"
#include "capture/postgres/slot.h"
#include "state/failpoint.h"

namespace tandem::capture::postgres {
namespace {

using state::SourcePosition;
using std::chrono::milliseconds;

constexpr char kUndefinedObject[] = "42704";
// How often the catalog is looked at: DDL that changes no row sends nothing.
constexpr std::chrono::seconds kLookEvery{1};
// How long an idle source's position may wait to be logged as a heartbeat.
constexpr std::chrono::seconds kLetGoAfter{1};

// Positions: docs/postgres-capture.md, "Claim, position, confirmation".
SourcePosition begins_at(Lsn commit) { return {commit, 1}; }

std::string random_word() {
  std::random_device device;
  std::ostringstream word;
  word << std::hex << device() << device();
  return word.str();
}

}  // namespace

CaptureSession::CaptureSession(const PostgresOptions& options,
                               const std::vector<TableRequest>& requests,
                               const Installation& installed, Ownership& ownership,
                               StreamNews& news, const std::stop_token& stop)
    : options_(options),
      requests_(requests),
      ownership_(ownership),
      news_(news),
      sql_(address_of(options), application_of(options), Connection::Purpose::kSql, stop),
      word_(random_word()),
      stream_(address_of(options), application_of(options), options.slot, installed.publications,
              stop),
      tables_(requests),
      watch_(requests, options.publication),
      snapshots_(requests, {address_of(options), application_of(options), options.slot, word_,
                            options.snapshot_tables}) {
  // The stream alone would notice that the path is dead, and nobody would hear of it.
  sql_.limit_silence(address_of(options).longest_silence);
  const ReplicationStream::Server& server = stream_.server();
  // Only now that we have it can nobody else move it.
  const std::optional<Slot> slot = read_slot(sql_, options.slot);
  server_ = {server.system,
             server.database,
             options.slot,
             server.timeline,
             server.ended,
             server.newest,
             slot ? slot->confirmed : 0,
             installed.slot_is_new,
             installed.slot_was_lost,
             0};
  state_.system = server_.system;
  state_.database = server_.database;
  state_.slot = server_.slot;
  state_.timeline = server_.timeline;
}

std::uint64_t CaptureSession::claim(const std::string& log_identity, std::uint64_t log_epoch) {
  const Claim claim = ownership_.claim(sql_, log_identity, log_epoch, stream_.backend_pid());
  server_.since = claim.since;
  took_over_ = claim.took_over;
  log_epoch_ = log_epoch;
  state_.epoch = claim.epoch;
  return claim.epoch;
}

void CaptureSession::resume(std::optional<state::Checkpoint> checkpoint, Transactions& out) {
  if (!checkpoint && log_epoch_ != 0 && server_.since > log_epoch_) {
    // Nothing to continue from, and the chain of claims broke since this log was first claimed.
    out.gap("another agent had the source meanwhile, or wrote late");
  }
  std::optional<SourceState> state;
  if (checkpoint) {
    state = SourceState::decode(checkpoint->source_state);
    std::string gap = reason_for_gap(state, checkpoint->position.commit, server_);
    if (!gap.empty()) {
      out.gap(gap);
      checkpoint.reset();
      state.reset();
    }
  }
  position_ = checkpoint ? checkpoint->position : SourcePosition{};
  released_ = {};
  released_at_ = Clock::now();
  state_.newest = state ? state->newest : LoggedTransaction{};
  resent_ = checkpoint ? ResentHistory(state_.newest, server_.confirmed, position_.commit)
                       : ResentHistory();
  reply_wanted_ = in_transaction_ = looked_ = false;
  snapshots_.restore(checkpoint, state);
  if (checkpoint && resent_.is_checked()) stream_.confirm(checkpoint->position.commit);
}

void CaptureSession::release(const SourcePosition& position) {
  TANDEM_FAILPOINT("postgres.confirm.before");
  if (resent_.is_checked()) stream_.confirm(position.commit);
  TANDEM_FAILPOINT("postgres.confirm.after");
  released_ = position;
  released_at_ = Clock::now();
  reply_wanted_ = false;
}

// Every commit asks for one, and hardly any changes more than the position.
state::Checkpoint CaptureSession::checkpoint() const {
  if (saved_version_ != snapshots_.version()) {
    SourceState state = state_;
    saved_.tables.clear();
    snapshots_.save(saved_, state);
    saved_.source_state = state.encode_all_but_newest();
    saved_version_ = snapshots_.version();
  }
  state::Checkpoint checkpoint = saved_;
  checkpoint.source_state += state_.encode_newest();
  checkpoint.position = position_;
  return checkpoint;
}

bool CaptureSession::wants_heartbeat() const {
  if (in_transaction_ || position_ <= released_) return false;
  return reply_wanted_ || Clock::now() - released_at_ >= kLetGoAfter;
}

void CaptureSession::request_snapshot(const std::string& table) {
  snapshots_.request(canonical_table_name(table));
}

// What of DDL and of changes by hand the stream does not tell.
void CaptureSession::look() {
  look_at_ = Clock::now() + kLookEvery;
  ownership_.check(sql_);
  news_.waits_for(snapshots_.waits_for());
  if (snapshots_.snapshotting()) snapshots_.pass_by(current_view(sql_));
  if (!watch_.changed(sql_)) return;
  // Types may have been altered as well: nothing that is known of them is used.
  TypeCatalog types;
  const std::vector<SourceTable> tables = read_requested(sql_, types, requests_);
  const auto added = keep_published(sql_, names_of(options_), tables);
  if (!added) {
    watch_.forget();
    return;
  }
  const auto memberships = read_memberships(sql_, options_.publication);
  for (const SourceTable& table : tables) {
    gone_.erase(table.table.schema.name);
    auto membership = memberships.find(table.oid);
    const bool republished = snapshots_.is_republished(
        table.table.schema.name,
        (memberships.at(0) << 32U) + (membership == memberships.end() ? 0 : membership->second));
    look_at(table, republished || std::find(added->begin(), added->end(),
                                            table.table.schema.name) != added->end());
  }
  std::vector<std::string> missing;
  for (const TableRequest& request : requests_) {
    const bool there = std::any_of(tables.begin(), tables.end(), [&](const SourceTable& table) {
      return table.table.schema.name == request.name;
    });
    snapshots_.set_missing(request.name, !there);
    if (!there) missing.push_back(request.name);
    if (there || (looked_ && !snapshots_.is_logged(request.name))) continue;
    if (!gone_.insert(request.name).second) continue;
    // Once for each: the stream may still have changes of another that went later.
    sql_.query("SELECT pg_catalog.pg_logical_emit_message(true, $1, $2)",
               {kMessagePrefix, options_.slot + " " + word_ + " gone " + request.name});
  }
  news_.missing(std::move(missing));
  looked_ = true;
}

// `unpublished`: changes of it may have gone unpublished for a while.
void CaptureSession::look_at(const SourceTable& table, bool unpublished) {
  const std::string& name = table.table.schema.name;
  if (!table.table.refusal.empty()) {
    throw state::Error("cannot capture the table: " + table.table.refusal, name,
                       "correct the config or the source; `tandem check` lists the choices");
  }
  const bool outdated = snapshots_.is_outdated(table);
  const bool back = !snapshots_.is_logged(name) && !snapshots_.is_due(name);
  // The stream does not describe a table anew when a type of its was renamed.
  if (outdated) tables_.learn_again(table.oid, sql_);
  if (unpublished || outdated || back) snapshots_.distrust(name, unpublished || back);
}

bool CaptureSession::poll(milliseconds wait, const std::stop_token& stop, Transactions& out) {
  const auto until = Clock::now() + wait;
  for (;;) {
    if (Clock::now() >= look_at_) look();
    // What is remembered for the readers is whole transactions.
    if (!in_transaction_) snapshots_.keep_reading();
    // What a table became while it was read is found by looking once more.
    if (snapshots_.has_finished()) watch_.forget();
    while (frames_ && next_frame_ < frames_->size()) {
      if (take(frames_->frame(next_frame_++), out)) return true;
    }
    const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now());
    frames_ = next_frames(std::max(left, milliseconds(0)), stop);
    next_frame_ = 0;
    if (!frames_ && (left.count() <= 0 || stop.stop_requested())) return false;
  }
}

std::unique_ptr<Frames> CaptureSession::next_frames(milliseconds wait,
                                                    const std::stop_token& stop) {
  try {
    return stream_.next(wait, stop, std::move(frames_));
  } catch (const ServerError& error) {
    if (error.sqlstate() != kUndefinedObject) throw;
    throw SlotIsStuck("the slot has changes of a time at which a publication was not there",
                      options_.slot, "nothing to do: Tandem makes another and reads all again");
  }
}

// True if the log has something to make durable now.
bool CaptureSession::take(std::string_view bytes, Transactions& out) {
  const Frame frame = parse_frame(bytes);
  if (frame.kind == Frame::Kind::kData) return take(parse_message(frame.data), out);
  if (!in_transaction_) {
    compare([&] { resent_.heard(frame.end); });
    position_ = std::max(position_, ends_at(frame.end));
    news_.heard(position_.commit);
  }
  reply_wanted_ = reply_wanted_ || frame.reply;
  return false;
}

bool CaptureSession::take(const Message& message, Transactions& out) {
  if (const auto* row_message = std::get_if<RowMessage>(&message)) {
    notice_row(row_message->relation);
    if (!skipping_) row(*row_message, out);
  } else if (const auto* begin = std::get_if<BeginMessage>(&message)) {
    begin_ = *begin;
    in_transaction_ = true;
    opened_ = has_rows_ = false;
    compare([&] { resent_.begins(*begin); });
    skipping_ = begins_at(begin->commit) <= position_;
    if (!skipping_) snapshots_.begin(begin->xid);
    arrivals_.begin();
  } else if (const auto* end = std::get_if<CommitMessage>(&message)) {
    in_transaction_ = false;
    if (std::exchange(skipping_, false)) return false;
    position_ = ends_at(end->end);
    for (const std::string& table : arrivals_.untold()) snapshots_.confused(table);
    if (has_rows_) state_.newest = {begin_.commit, begin_.time};
    if (opened_) news_.logged(end->end);
    news_.heard(end->end);
    if (opened_) out.end(checkpoint());
    return opened_;
  } else if (const auto* relation = std::get_if<RelationMessage>(&message)) {
    tables_.learn(*relation, sql_);
  } else if (const auto* truncation = std::get_if<TruncateMessage>(&message)) {
    for (std::uint32_t oid : truncation->relations) notice_row(oid);
    if (!skipping_) truncate(*truncation, out);
  } else if (const auto* own = std::get_if<LogicalMessage>(&message)) {
    if (!skipping_ && own->transactional && own->prefix == kMessagePrefix) own_message(*own, out);
  }
  return false;
}

void CaptureSession::open(Transactions& out) {
  if (std::exchange(opened_, true)) return;
  out.begin(
      {begins_at(begin_.commit), unix_ms(begin_.time), micros_beyond_ms(begin_.time), begin_.xid});
}

void CaptureSession::meet(const StreamTable& table, Transactions& out) {
  open(out);
  snapshots_.meet(table, out);
}

// Whether it is handed on or not: what is sent again is compared by what is sent.
void CaptureSession::notice_row(std::uint32_t relation) {
  if (has_rows_ && resent_.is_checked()) return;
  const StreamTable* table = tables_.find(relation);
  if (table == nullptr) return;
  has_rows_ = true;
  // A table that is new to the log has rows that it need not have.
  if (skipping_ && snapshots_.is_logged(table->name)) compare([&] { resent_.has_row(); });
}

// What the log has may not be confirmed before it was found to be what the server has.
void CaptureSession::compare(const std::function<void()>& with_log) {
  if (resent_.is_checked()) return;
  try {
    with_log();
  } catch (const SourceReplaced&) {
    ownership_.break_chain(sql_);
    throw;
  }
  if (resent_.is_checked()) stream_.confirm(std::max(released_.commit, resent_.position()));
}

void CaptureSession::row(const RowMessage& message, Transactions& out) {
  const StreamTable* table = tables_.find(message.relation);
  if (table == nullptr || (table->insert_only && message.op != RowMessage::Op::kInsert)) return;
  meet(*table, out);
  state::Row before;
  if (message.before.present()) {
    before = table->row(message.before);
  }
  state::Row key_before;
  if (!before.empty()) key_before = table->schema.key_of(before);
  if (message.op == RowMessage::Op::kDelete) {
    std::optional<std::uint32_t> above;
    if (table->shares_keys && message.whole_before) {
      above = arrivals_.deleted(table->schema, before);
    }
    snapshots_.deletion(*table, key_before, above.has_value());
    out.change(table->name, state::Op::kDelete, std::move(key_before), {}, above);
    return;
  }
  state::Row after = table->row(message.after, message.whole_before ? &before : nullptr);
  for (std::size_t i = 0; i < key_before.size(); ++i) {
    // A key stored out of line is in the identity before, and not in the row after.
    state::Value& value = after[static_cast<std::size_t>(table->schema.key[i])];
    if (value.is_unchanged()) value = key_before[i];
  }
  if (message.op == RowMessage::Op::kInsert) {
    snapshots_.change(*table, {}, after, false);
    std::optional<std::uint32_t> above;
    if (table->shares_keys) above = arrivals_.inserted(table->schema, after);
    out.change(table->name, state::Op::kCreate, {}, std::move(after), above);
    return;
  }
  state::Row key = table->schema.key_of(after);
  const bool moved = !key_before.empty() && key_before != key;
  std::optional<std::uint32_t> above;
  if (table->shares_keys && message.whole_before) {
    above = arrivals_.updated(table->schema, before, after);
  }
  snapshots_.change(*table, moved ? key_before : key, after, above.has_value());
  if (!moved) key_before.clear();
  out.change(table->name, state::Op::kUpdate, std::move(key_before), std::move(after), above);
}

void CaptureSession::truncate(const TruncateMessage& message, Transactions& out) {
  for (std::uint32_t relation : message.relations) {
    const StreamTable* table = tables_.find(relation);
    if (table == nullptr) continue;
    meet(*table, out);
    snapshots_.truncation(*table);
    arrivals_.forget(table->schema);
    out.change(table->name, state::Op::kTruncate, {}, {});
  }
}

// `<slot> <session> chunk <reader> <chunk>` or `<slot> <session> gone <table>`.
void CaptureSession::own_message(const LogicalMessage& message, Transactions& out) {
  std::istringstream words{std::string(message.content)};
  std::string slot, word, kind;
  words >> slot >> word >> kind;
  if (slot != options_.slot || word != word_) return;
  if (kind == "chunk") {
    std::uint64_t reader = 0, chunk = 0;
    words >> reader >> chunk;
    open(out);
    snapshots_.publish(reader, chunk, out);
  } else if (kind == "gone") {
    std::string table;
    words.get();
    std::getline(words, table, '\0');
    if (gone_.erase(table) == 0) return;  // it is there again
    open(out);
    snapshots_.gone(table, out);
  }
}

}  // namespace tandem::capture::postgres
