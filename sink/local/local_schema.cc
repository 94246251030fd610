#include "sink/local/local_schema.h"

#include <unistd.h>

#include <filesystem>

namespace tandem::sink {
namespace {

using state::Database;
using state::OpenMode;
using state::Statement;

constexpr std::string_view kSchema = R"sql(
CREATE TABLE IF NOT EXISTS items(
  tbl TEXT NOT NULL, key BLOB NOT NULL, item TEXT NOT NULL,
  epoch INTEGER, "offset" INTEGER, hash BLOB, deleted INTEGER NOT NULL DEFAULT 0,
  expires INTEGER, PRIMARY KEY(tbl, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_expires ON items(expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS tables(name TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID;
)sql";

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string key_text(const TargetTable& table) {
  std::string text;
  for (const std::string& attribute : table.key) {
    if (!text.empty()) text += '\n';
    text += attribute;
  }
  return text;
}

bool is_ours(Database& database) {
  return database
             .query_value(
                 "SELECT count(*) FROM sqlite_schema WHERE name IN ('items', 'tables') AND "
                 "type = 'table'")
             .as_integer() == 2;
}

// The key of the table as the file has it; "" if it has no such table.
std::string key_in_file(Database& database, const std::string& table) {
  Statement find(database, "SELECT key FROM tables WHERE name = ?1");
  find.bind(1, table);
  return find.step() ? find.text(0) : "";
}

TargetFinding finding(bool ok, const std::string& subject, std::string text, std::string advice) {
  return TargetFinding{ok, subject, std::move(text), std::move(advice)};
}

std::string other_key_text(const std::string& table) {
  return "table " + table + " has other key attributes there than the config gives it";
}
constexpr const char* kOtherKeyAdvice =
    "name another file in target.path, or give the table the key that it has";

}  // namespace

Database open_local_file(const std::string& path, OpenMode mode) {
  if (!exists(path)) {
    throw state::Error("the local target is not there", path, "run `tandem init`, which makes it");
  }
  Database database(path, mode, 1000);
  if (!is_ours(database)) {
    throw state::Error("this file is no local target", path,
                       "name another file in target.path, or run `tandem init` to make it one");
  }
  return database;
}

std::vector<std::string> make_local_tables(const std::string& path,
                                           const std::vector<TargetTable>& tables,
                                           const std::function<void(const std::string&)>& say) {
  const bool made_file = !exists(path);
  Database database(path, OpenMode::kReadWriteCreate);
  if (made_file) {
    database.execute("PRAGMA journal_mode=WAL");
    say("made the file " + path);
  }
  if (!is_ours(database) &&
      database.query_value("SELECT count(*) FROM sqlite_schema").as_integer() > 0) {
    throw state::Error("this SQLite database holds other tables and is no local target", path,
                       "name another file in target.path");
  }
  std::vector<std::string> made;
  state::Transaction transaction(database);
  database.execute(kSchema);
  for (const TargetTable& table : tables) {
    std::string key = key_in_file(database, table.name);
    if (key == key_text(table)) continue;
    if (!key.empty()) throw state::Error(other_key_text(table.name), path, kOtherKeyAdvice);
    Statement add(database, "INSERT INTO tables(name, key) VALUES(?1, ?2)");
    add.bind(1, table.name).bind(2, key_text(table)).run();
    made.push_back(table.name);
  }
  transaction.commit();
  for (const std::string& name : made) say("made the table " + name);
  return made;
}

std::vector<TargetFinding> check_local_file(const std::string& path,
                                            const std::vector<TargetTable>& tables) {
  std::vector<TargetFinding> findings;
  if (!exists(path)) {
    std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
    if (::access(folder.c_str(), W_OK) != 0) {
      findings.push_back(finding(false, path, "the folder is missing or may not be written to",
                                 "make " + folder.string() + " or mend its permissions"));
    } else {
      findings.push_back(
          finding(false, path, "the local target is not there", "run `tandem init`"));
      findings.back().init_makes = true;
    }
    return findings;
  }
  try {
    Database database = open_local_file(path, OpenMode::kReadWrite);
    for (const TargetTable& table : tables) {
      std::string key = key_in_file(database, table.name);
      if (key.empty()) {
        findings.push_back(
            finding(false, table.name, "the table is not there", "run `tandem init`"));
        findings.back().init_makes = true;
      } else if (key != key_text(table)) {
        findings.push_back(finding(false, table.name, other_key_text(table.name), kOtherKeyAdvice));
      } else {
        findings.push_back(finding(true, table.name, "there, with the right key", ""));
      }
    }
    if (::access(path.c_str(), W_OK) != 0) {
      findings.push_back(finding(false, path, "may not be written to", "mend its permissions"));
    }
  } catch (const state::Error& error) {
    findings.push_back(finding(false, path, error.message(), error.hint()));
  }
  return findings;
}

}  // namespace tandem::sink
