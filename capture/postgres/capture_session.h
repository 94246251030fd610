// Capture from one claim of the slot to the next: the stream, and all that is known of it.
//
// Promises and errors are those of Source. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "capture/postgres/arrivals.h"
#include "capture/postgres/catalog_watch.h"
#include "capture/postgres/connection.h"
#include "capture/postgres/installation.h"
#include "capture/postgres/ownership.h"
#include "capture/postgres/postgres_source.h"
#include "capture/postgres/replication_stream.h"
#include "capture/postgres/resent_history.h"
#include "capture/postgres/snapshots.h"
#include "capture/postgres/source_state.h"
#include "capture/postgres/stream_news.h"
#include "capture/postgres/stream_tables.h"

namespace tandem::capture::postgres {

/// A change in the slot was made while there was no publication of the name, and the server can
/// send neither it nor anything behind it. Only another slot helps.
class SlotIsStuck : public SourceReplaced {
 public:
  using SourceReplaced::SourceReplaced;
};

class CaptureSession {
 public:
  /// Takes the slot. Throws ServerError (55006: another has it). `requests` under canonical names;
  /// they, the ownership and the news must outlive this.
  CaptureSession(const PostgresOptions& options, const std::vector<TableRequest>& requests,
                 const Installation& installed, Ownership& ownership, StreamNews& news,
                 const std::stop_token& stop);

  /// Makes the source ours, and returns the epoch.
  std::uint64_t claim(const std::string& log_identity, std::uint64_t log_epoch);
  bool took_over() const { return took_over_; }
  void resume(std::optional<state::Checkpoint> checkpoint, Transactions& out);
  bool poll(std::chrono::milliseconds wait, const std::stop_token& stop, Transactions& out);
  bool has_looked() const { return looked_; }
  void release(const state::SourcePosition& position);
  state::Checkpoint checkpoint() const;
  bool wants_heartbeat() const;
  void request_snapshot(const std::string& table);

 private:
  using Clock = std::chrono::steady_clock;

  void look();
  void look_at(const SourceTable& table, bool unpublished);
  std::unique_ptr<Frames> next_frames(std::chrono::milliseconds wait, const std::stop_token& stop);
  bool take(std::string_view frame, Transactions& out);
  bool take(const Message& message, Transactions& out);
  void compare(const std::function<void()>& with_log);
  void notice_row(std::uint32_t relation);
  void row(const RowMessage& message, Transactions& out);
  void truncate(const TruncateMessage& message, Transactions& out);
  void own_message(const LogicalMessage& message, Transactions& out);
  void meet(const StreamTable& table, Transactions& out);
  void open(Transactions& out);

  const PostgresOptions& options_;
  const std::vector<TableRequest>& requests_;
  Ownership& ownership_;
  StreamNews& news_;

  Connection sql_;
  const std::string word_;  // in messages of this session
  ReplicationStream stream_;
  StreamTables tables_;
  CatalogWatch watch_;
  Snapshots snapshots_;
  SourceState state_;  // of this server; without the tables
  ResentHistory resent_;
  ServerState server_;  // as the claim found it
  std::uint64_t log_epoch_ = 0;
  bool took_over_ = false;

  /// The newest checkpoint but for its position, and the version of the snapshots that it is of.
  mutable state::Checkpoint saved_;
  mutable std::optional<std::uint64_t> saved_version_;

  state::SourcePosition position_, released_;
  Clock::time_point released_at_;
  bool reply_wanted_ = false;
  bool looked_ = false;  // since resume()
  Clock::time_point look_at_;
  std::set<std::string> gone_;  // tables, until the message of their end comes by

  std::unique_ptr<Frames> frames_;
  std::size_t next_frame_ = 0;

  // The transaction that the stream is in.
  bool in_transaction_ = false;
  bool skipping_ = false;  // the log has it
  bool opened_ = false;    // something of it was handed on
  bool has_rows_ = false;  // of captured tables
  BeginMessage begin_;
  Arrivals arrivals_;
};

}  // namespace tandem::capture::postgres
