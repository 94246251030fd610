#include "capture/sqlite/owner.h"

#include <sys/stat.h>

#include <algorithm>
#include <sstream>

// The source state as text, decimal numbers with one space between:
//
//   state := "1" inode epoch pruned row { number indexes }
//
// The pairs stand in the order of the checkpoint's tables.
namespace tandem::capture {

using state::Database;
using state::Statement;

std::optional<OwnerRow> read_owner(Database& database) {
  {
    Statement exists(database,
                     "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND "
                     "name = '_tandem_owner'");
    if (!exists.step()) return std::nullopt;
  }
  Statement query(database,
                  "SELECT log_identity, epoch, pruned, since FROM _tandem_owner WHERE id = 1");
  if (!query.step()) return std::nullopt;
  return OwnerRow{query.text(0), static_cast<std::uint64_t>(query.integer(1)),
                  static_cast<std::uint64_t>(query.integer(2)),
                  static_cast<std::uint64_t>(query.integer(3))};
}

void write_owner(Database& database, const OwnerRow& owner) {
  Statement write(database,
                  "INSERT OR REPLACE INTO _tandem_owner (id, log_identity, epoch, pruned, since) "
                  "VALUES (1, ?1, ?2, ?3, ?4)");
  write.bind(1, std::string_view(owner.log_identity));
  write.bind(2, static_cast<std::int64_t>(owner.epoch));
  write.bind(3, static_cast<std::int64_t>(owner.pruned));
  write.bind(4, static_cast<std::int64_t>(owner.since)).run();
}

OwnerRow claimed(const std::optional<OwnerRow>& found, const std::string& log_identity,
                 std::uint64_t log_epoch, std::uint64_t now_ms) {
  OwnerRow owner;
  owner.log_identity = log_identity;
  owner.epoch = 1 + std::max({log_epoch, found ? found->epoch : 0, now_ms});
  owner.pruned = found ? found->pruned : 0;
  // The source is always claimed before the log. A row behind the log was restored from a backup; a
  // log behind the row was itself put back from an older copy, and what it wrote since is lost. (A
  // claim that died before the log had it looks the same: reading again is cheap against being
  // wrong.)
  bool unbroken = found && found->log_identity == log_identity && found->epoch == log_epoch;
  owner.since = unbroken ? found->since : owner.epoch;
  return owner;
}

std::string SourceState::encode() const {
  std::string text = "1";
  auto add = [&](std::uint64_t number) { text += " " + std::to_string(number); };
  add(inode);
  add(epoch);
  add(pruned);
  add(row);
  for (const Table& table : tables) {
    add(static_cast<std::uint64_t>(table.number));
    add(table.indexes);
  }
  return text;
}

std::optional<SourceState> SourceState::decode(const std::string& text) {
  std::istringstream in(text);
  int form = 0;
  SourceState state;
  if (!(in >> form >> state.inode >> state.epoch >> state.pruned >> state.row) || form != 1) {
    return std::nullopt;
  }
  Table table;
  while (in >> table.number >> table.indexes) state.tables.push_back(table);
  return state;
}

std::uint64_t stable_hash(const std::string& bytes) {
  std::uint64_t hash = 14695981039346656037U;
  for (char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

std::uint64_t hash_log_row(Statement& query, std::uint64_t seq) {
  query.bind(1, static_cast<std::int64_t>(seq));
  state::Row row;
  if (query.step()) row = query.row(0, query.column_count());
  query.reset();
  if (row.empty()) return 0;
  // The log may have grown more key columns since.
  while (!row.empty() && row.back().is_null()) row.pop_back();
  return stable_hash(state::encode_row(row));
}

std::uint64_t inode_of(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? static_cast<std::uint64_t>(found.st_ino) : 0;
}

}  // namespace tandem::capture
