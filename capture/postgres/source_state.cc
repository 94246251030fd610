// The form: encode_row of (4, system, database, slot, timeline, epoch, then name, oid, storage
// and membership of each table), and behind it encode_row of the newest transaction's (commit,
// time).
#include "capture/postgres/source_state.h"

#include <sstream>

#include "state/error.h"
#include "state/value.h"

namespace tandem::capture::postgres {
namespace {

constexpr std::int64_t kForm = 4;
constexpr std::size_t kFixed = 6, kEach = 4;

state::Value number(std::uint64_t value) {
  return state::Value::integer(static_cast<std::int64_t>(value));
}

}  // namespace

std::string SourceState::encode_all_but_newest() const {
  state::Row row = {
      state::Value::integer(kForm), state::Value::text(system), state::Value::text(database),
      state::Value::text(slot),     number(timeline),           number(epoch)};
  for (const auto& [name, table] : tables) {
    row.push_back(state::Value::text(name));
    row.push_back(number(table.oid));
    row.push_back(number(table.storage));
    row.push_back(number(table.membership));
  }
  return state::encode_row(row);
}

std::string SourceState::encode_newest() const {
  return state::encode_row({number(newest.commit), state::Value::integer(newest.time)});
}

std::optional<SourceState> SourceState::decode(const std::string& bytes) {
  state::Row row, newest;
  try {
    std::string_view rest = bytes;
    row = state::decode_row_prefix(rest);
    newest = state::decode_row(rest);
  } catch (const state::Error&) {
    return std::nullopt;
  }
  if (row.size() < kFixed || (row.size() - kFixed) % kEach != 0 ||
      row[0] != state::Value::integer(kForm) || newest.size() != 2) {
    return std::nullopt;
  }
  SourceState state;
  state.system = row[1].bytes();
  state.database = row[2].bytes();
  state.slot = row[3].bytes();
  state.timeline = static_cast<std::uint64_t>(row[4].as_integer());
  state.epoch = static_cast<std::uint64_t>(row[5].as_integer());
  for (std::size_t i = kFixed; i < row.size(); i += kEach) {
    state.tables[row[i].bytes()] = {static_cast<Oid>(row[i + 1].as_integer()),
                                    static_cast<std::uint64_t>(row[i + 2].as_integer()),
                                    static_cast<std::uint64_t>(row[i + 3].as_integer())};
  }
  state.newest = {static_cast<Lsn>(newest[0].as_integer()), newest[1].as_integer()};
  return state;
}

std::map<std::uint64_t, Lsn> parse_timeline_history(std::string_view text) {
  std::map<std::uint64_t, Lsn> ended;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::uint64_t timeline = 0;
    std::string lsn;
    if (words >> timeline >> lsn && lsn.find('/') != std::string::npos) {
      ended[timeline] = parse_lsn(lsn);
    }
  }
  return ended;
}

std::string reason_for_gap(const std::optional<SourceState>& before, Lsn position,
                           const ServerState& now) {
  if (!before) return "the log's checkpoint cannot be read by this version";
  if (before->system != now.system)
    return "another PostgreSQL server stands at the source's address";
  if (before->database != now.database) return "the source is another database of the server";
  if (!now.slot_was_lost.empty()) return now.slot_was_lost;
  if (now.slot_is_new) {
    return before->slot == now.slot ? "the replication slot " + now.slot + " was gone"
                                    : "the replication slot is another one, " + now.slot;
  }
  if (before->timeline != now.timeline) {
    // What the old timeline held behind the fork is not in this one.
    auto ended = now.ended.find(before->timeline);
    if (ended == now.ended.end() || ended->second < position) {
      return "the server was restored, or a standby took over that had not got all: it left "
             "timeline " +
             std::to_string(before->timeline) +
             (ended == now.ended.end() ? "" : " at " + to_text(ended->second)) +
             ", and the log holds changes up to " + to_text(position);
    }
  }
  if (now.confirmed > position) {
    return "the slot has let go of changes up to " + to_text(now.confirmed) +
           ", but the log holds them only up to " + to_text(position);
  }
  if (now.newest < position) {
    return "the server's log ends at " + to_text(now.newest) + ", and this one is at " +
           to_text(position) + " already: the source was restored";
  }
  if (before->epoch < now.since) {
    return "the source was restored, or another log was fed from it since this log left it, this "
           "log was put back from an older copy, or a fenced agent wrote late";
  }
  return "";
}

}  // namespace tandem::capture::postgres
