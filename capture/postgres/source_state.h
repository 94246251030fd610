// What a checkpoint remembers of the server (Checkpoint::source_state), and how a claim finds out
// whether it is still the same and whether anybody else has had it meanwhile.
//
// Plain values and functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "capture/postgres/pgoutput.h"
#include "capture/postgres/type_catalog.h"

namespace tandem::capture::postgres {

/// A transaction as the server names it; none: 0.
struct LoggedTransaction {
  Lsn commit = 0;         // where its commit record starts
  std::int64_t time = 0;  // of the commit, as BeginMessage::time
};

struct SourceState {
  std::string system;  // the cluster's system identifier
  std::string database;
  std::string slot;
  std::uint64_t timeline = 0;
  std::uint64_t epoch = 0;
  /// What a table's rows in the log were read from.
  struct Table {
    Oid oid = 0;
    std::uint64_t storage = 0;     // SourceTable::storage
    std::uint64_t membership = 0;  // read_memberships(): of the publications, as it was captured
    friend bool operator==(const Table&, const Table&) = default;
  };
  std::map<std::string, Table> tables;
  LoggedTransaction newest;  // up to the position, that had rows of captured tables

  std::string encode() const { return encode_all_but_newest() + encode_newest(); }
  /// In two parts, since hardly any commit changes the first.
  std::string encode_all_but_newest() const;
  std::string encode_newest() const;
  /// Nothing if this version does not know the form.
  static std::optional<SourceState> decode(const std::string& bytes);
};

/// The server as a claim found it.
struct ServerState {
  std::string system, database, slot;
  std::uint64_t timeline = 0;
  std::map<std::uint64_t, Lsn> ended;  // earlier timelines, and where each was left
  Lsn newest = 0;                      // end of what is written
  Lsn confirmed = 0;                   // of the slot
  bool slot_is_new = false;
  std::string slot_was_lost;  // why an earlier slot was given up, "" if it was not
  /// The first epoch of an unbroken chain of claims; 0: the server keeps no owner row.
  std::uint64_t since = 0;
};

/// Of a timeline's history file: a line for each earlier one, "1<TAB>0/5000148<TAB>reason".
std::map<std::uint64_t, Lsn> parse_timeline_history(std::string_view text);

/// Why the log cannot go on behind `position`, "" if it can.
std::string reason_for_gap(const std::optional<SourceState>& before, Lsn position,
                           const ServerState& now);

}  // namespace tandem::capture::postgres
