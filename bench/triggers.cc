// What the triggers cost the application: the same inserts and updates on the same table, without
// and with capture installed, alternating, in the same process.
//
// Prints one JSON line per kind of work: statements per second without and with, and what is added.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "capture/sqlite/sqlite_source.h"
#include "state/sqlite.h"

namespace {

using tandem::state::Database;
using tandem::state::OpenMode;

constexpr int kRows = 200'000;
constexpr int kRounds = 3;

struct Work {
  const char* name;
  const char* schema;
  const char* insert;  // with ?1
  const char* update;
  int in_transaction;
};

constexpr Work kWorks[] = {
    {"integer key, transactions of 100",
     "CREATE TABLE T (id INTEGER PRIMARY KEY, name TEXT, email TEXT, amount REAL, note TEXT)",
     "INSERT INTO T (name, email, amount, note) VALUES ('Customer ' || ?1, 'user' || ?1 || "
     "'@example.com', ?1 * 1.25, 'a note of some forty characters, or so it is')",
     "UPDATE T SET amount = amount + 1, note = 'changed' WHERE id = ?1", 100},
    {"integer key, one statement a transaction",
     "CREATE TABLE T (id INTEGER PRIMARY KEY, name TEXT, email TEXT, amount REAL, note TEXT)",
     "INSERT INTO T (name, email, amount, note) VALUES ('Customer ' || ?1, 'user' || ?1 || "
     "'@example.com', ?1 * 1.25, 'a note of some forty characters, or so it is')",
     "UPDATE T SET amount = amount + 1, note = 'changed' WHERE id = ?1", 1},
    {"integer key, unique email, transactions of 100",
     "CREATE TABLE T (id INTEGER PRIMARY KEY, name TEXT, email TEXT UNIQUE, amount REAL, note "
     "TEXT); CREATE INDEX tn ON T (name)",
     "INSERT INTO T (name, email, amount, note) VALUES ('Customer ' || ?1, 'user' || ?1 || "
     "'@example.com', ?1 * 1.25, 'a note of some forty characters, or so it is')",
     "UPDATE T SET amount = amount + 1, note = 'changed' WHERE id = ?1", 100},
    {"text key, transactions of 100",
     "CREATE TABLE T (k TEXT NOT NULL PRIMARY KEY, name TEXT, amount REAL, note TEXT)",
     "INSERT INTO T (k, name, amount, note) VALUES ('key-' || ?1, 'Customer ' || ?1, ?1 * 1.25, "
     "'a note of some forty characters, or so it is')",
     "UPDATE T SET amount = amount + 1, note = 'changed' WHERE k = 'key-' || ?1", 100},
};

double rate(Database& database, const std::string& sql, int rows, int in_transaction) {
  auto statement = database.prepare(sql);
  auto start = std::chrono::steady_clock::now();
  for (int i = 1; i <= rows; ++i) {
    if (in_transaction > 1 && i % in_transaction == 1) database.execute("BEGIN");
    statement.bind(1, static_cast<std::int64_t>(i)).run();
    if (in_transaction > 1 && i % in_transaction == 0) database.execute("COMMIT");
  }
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return rows / took.count();
}

struct Rates {
  double insert = 0, update = 0;
};

Rates run(const Work& work, bool captured) {
  std::string folder = (std::filesystem::temp_directory_path() / "tandem-bench-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) std::exit(1);
  std::string path = folder + "/app.db";
  Rates rates;
  {
    Database database(path, OpenMode::kReadWriteCreate);
    database.execute("PRAGMA journal_mode = wal; PRAGMA synchronous = " +
                     std::string(work.in_transaction == 1 ? "FULL" : "NORMAL"));
    database.execute(work.schema);
    if (captured) tandem::capture::open_sqlite_source(path, {{"T", {}, true}})->install();
    int rows = work.in_transaction == 1 ? kRows / 4 : kRows;
    rates.insert = rate(database, work.insert, rows, work.in_transaction);
    rates.update = rate(database, work.update, rows, work.in_transaction);
  }
  std::filesystem::remove_all(folder);
  return rates;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void report(const char* name, const char* kind, const std::vector<double>& without,
            const std::vector<double>& with) {
  double plain = median(without), captured = median(with);
  std::printf(
      "{\"bench\": \"triggers\", \"work\": \"%s, %s\", \"without_per_s\": %.0f, \"with_per_s\": "
      "%.0f, \"added_percent\": %.0f}\n",
      kind, name, plain, captured, (plain / captured - 1) * 100);
}

}  // namespace

int main() {
  for (const Work& work : kWorks) {
    std::vector<double> insert[2], update[2];
    for (int round = 0; round < kRounds; ++round) {
      for (int captured = 0; captured < 2; ++captured) {
        Rates rates = run(work, captured == 1);
        insert[captured].push_back(rates.insert);
        update[captured].push_back(rates.update);
      }
    }
    report(work.name, "insert", insert[0], insert[1]);
    report(work.name, "update", update[0], update[1]);
  }
}
