#include "capture/sqlite/preflight.h"

#include <unistd.h>

#include <algorithm>
#include <optional>

#include "capture/nearest_name.h"
#include "capture/sqlite/index_text.h"
#include "capture/sqlite/installation.h"
#include "capture/sqlite/owner.h"
#include "capture/sqlite/triggers.h"

namespace tandem::capture {
namespace {

using state::Database;
using state::Statement;
using Level = Finding::Level;

void check_file(Database& database, std::vector<Finding>& findings) {
  const std::string& path = database.path();
  if (!is_writable(path)) {
    findings.push_back(
        {Level::kFailure, "source",
         path + " or its folder cannot be written, and Tandem keeps its triggers there",
         "let this user write the file and its folder"});
    return;
  }
  state::Value mode = database.query_value("PRAGMA journal_mode");
  std::string name = mode.kind() == state::ValueKind::kText ? mode.bytes() : "";
  if (name == "wal") {
    findings.push_back(
        {Level::kOk, "source", path + " can be read and written (journal mode wal)", ""});
  } else {
    findings.push_back(
        {Level::kWarning, "source",
         path + " has journal mode " + name +
             ": the application waits while Tandem reads, and Tandem while it writes",
         "if the application allows it, run PRAGMA journal_mode = wal once"});
  }
}

// An application trigger that leaves off the rest of a statement after the row was written can
// keep ours from running. SQLite runs the newest trigger first.
void check_ignoring_triggers(Database& database, const std::string& table,
                             std::vector<Finding>& findings) {
  Statement query(database,
                  "SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger' AND "
                  "tbl_name = ?1 COLLATE NOCASE AND name NOT GLOB '_tandem_*'");
  query.bind(1, std::string_view(table));
  while (query.step()) {
    std::string sql = query.text(1);
    if (!mentions_name(sql, "after") || !mentions_name(sql, "raise") ||
        !mentions_name(sql, "ignore")) {
      continue;
    }
    findings.push_back({Level::kWarning, "table " + table,
                        "its trigger " + query.text(0) +
                            " may end a statement by RAISE(IGNORE) before the change is logged",
                        "make it a BEFORE trigger, or run `tandem verify` from time to time"});
  }
}

void check_table(Database& database, const CapturedTable& table, bool tables_exist,
                 std::vector<Finding>& findings) {
  const std::string subject = "table " + table.request.name;
  if (!table.shape) {
    std::string nearest = nearest_table(database, table.request.name);
    findings.push_back(
        {Level::kFailure, subject, "there is no such table in the source",
         nearest.empty() ? "correct its name in the config" : "did you mean " + nearest + "?"});
    return;
  }
  const TableShape& shape = *table.shape;
  if (!shape.refusal.empty()) {
    findings.push_back({Level::kFailure, subject, "it cannot be captured", shape.refusal});
    return;
  }
  std::string query = shape.key_may_be_null ? query_of_null_keys(database, shape) : "";
  if (!query.empty()) {
    findings.push_back(
        {Level::kFailure, subject, "rows with a null in the key cannot be told from others",
         "give the rows of " + query + " a key, or name other columns in source.tables." +
             shape.schema.name + ".key"});
  }
  for (const std::string& column : shape.unknown_collations) {
    findings.push_back({Level::kWarning, subject,
                        "only the application knows the collation of " + column +
                            "; Tandem joins and sorts the column by its bytes",
                        "use the column for values, not to join or to order"});
  }
  if (table.request.replace_victims) {
    std::string last;
    for (const NamedColumn& named : columns_named_by_victims(shape)) {
      if (named.index == last) continue;
      last = named.index;
      findings.push_back(
          {Level::kWarning, subject,
           "dropping a column of the index " + named.index +
               " right after the index itself would fail in the application",
           "leave a second between the two, or, if the application never uses REPLACE, set "
           "source.tables." +
               shape.schema.name + ".replace_victims: off"});
    }
  }
  check_ignoring_triggers(database, shape.schema.name, findings);
  if (!tables_exist || table.triggers == CapturedTable::Triggers::kBroken) {
    findings.push_back(
        {Level::kWarning, subject, "it has no triggers of Tandem's yet", "run `tandem init`"});
  } else {
    findings.push_back({Level::kOk, subject, "its changes are logged", ""});
  }
}

}  // namespace

bool is_writable(const std::string& path) {
  std::size_t slash = path.rfind('/');
  std::string folder =
      slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  return ::access(path.c_str(), W_OK) == 0 && ::access(folder.c_str(), W_OK) == 0;
}

std::string nearest_table(Database& database, const std::string& name) {
  std::vector<std::string> names;
  Statement query(database,
                  "SELECT name FROM main.sqlite_master WHERE type = 'table' "
                  "AND name NOT GLOB '_tandem_*' ORDER BY name");
  while (query.step()) names.push_back(query.text(0));
  return nearest_name(name, names);
}

std::vector<Finding> check_sqlite(Database& database, const std::vector<TableRequest>& requests) {
  std::vector<Finding> findings;
  check_file(database, findings);
  Installation found = read_installation(database, requests);
  for (const CapturedTable& table : found.captured) {
    check_table(database, table, found.tables_exist, findings);
  }
  return findings;
}

}  // namespace tandem::capture
