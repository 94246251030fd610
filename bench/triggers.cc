// What the triggers cost the application: the same inserts and updates on the same table, without
// and with capture installed, alternating, in the same process.
//
// Usage: bench_triggers [statements of each kind, 100000 by default]. Prints one JSON line per kind
// of work: microseconds a statement, processor and wall clock, without and with, and what is added.
#include <sys/resource.h>

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

constexpr int kDefaultRows = 100'000;
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

struct Cost {
  double wall = 0, cpu = 0;  // microseconds a statement
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Cost measure(Database& database, const std::string& sql, int rows, int in_transaction) {
  auto statement = database.prepare(sql);
  double cpu = cpu_seconds();
  auto start = std::chrono::steady_clock::now();
  for (int i = 1; i <= rows; ++i) {
    if (in_transaction > 1 && i % in_transaction == 1) database.execute("BEGIN");
    statement.bind(1, static_cast<std::int64_t>(i)).run();
    if (in_transaction > 1 && i % in_transaction == 0) database.execute("COMMIT");
  }
  std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  return {took.count() / rows, (cpu_seconds() - cpu) * 1e6 / rows};
}

struct Costs {
  Cost insert, update;
};

Costs run(const Work& work, bool captured, int all_rows) {
  std::string folder = (std::filesystem::temp_directory_path() / "tandem-bench-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) std::exit(1);
  std::string path = folder + "/app.db";
  Costs costs;
  {
    Database database(path, OpenMode::kReadWriteCreate);
    database.execute("PRAGMA journal_mode = wal; PRAGMA synchronous = " +
                     std::string(work.in_transaction == 1 ? "FULL" : "NORMAL"));
    database.execute(work.schema);
    if (captured) tandem::capture::open_sqlite_source(path, {{"T", {}, true}})->install();
    int rows = work.in_transaction == 1 ? all_rows / 50 : all_rows;
    costs.insert = measure(database, work.insert, rows, work.in_transaction);
    costs.update = measure(database, work.update, rows, work.in_transaction);
  }
  std::filesystem::remove_all(folder);
  return costs;
}

Cost median(std::vector<Cost> costs) {
  Cost middle;
  std::sort(costs.begin(), costs.end(), [](Cost a, Cost b) { return a.wall < b.wall; });
  middle.wall = costs[costs.size() / 2].wall;
  std::sort(costs.begin(), costs.end(), [](Cost a, Cost b) { return a.cpu < b.cpu; });
  middle.cpu = costs[costs.size() / 2].cpu;
  return middle;
}

void report(const char* name, const char* kind, const std::vector<Cost>& without,
            const std::vector<Cost>& with) {
  Cost plain = median(without), captured = median(with);
  std::printf(
      "{\"bench\": \"triggers\", \"work\": \"%s, %s\", \"without_cpu_us\": %.2f, \"with_cpu_us\": "
      "%.2f, \"added_cpu_percent\": %.0f, \"without_wall_us\": %.2f, \"with_wall_us\": %.2f, "
      "\"added_wall_percent\": %.0f}\n",
      kind, name, plain.cpu, captured.cpu, (captured.cpu / plain.cpu - 1) * 100, plain.wall,
      captured.wall, (captured.wall / plain.wall - 1) * 100);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  int rows = count > 1 ? std::atoi(arguments[1]) : kDefaultRows;
  if (rows < 100) return 2;
  for (const Work& work : kWorks) {
    std::vector<Cost> insert[2], update[2];
    for (int round = 0; round < kRounds; ++round) {
      for (int captured = 0; captured < 2; ++captured) {
        Costs costs = run(work, captured == 1, rows);
        insert[captured].push_back(costs.insert);
        update[captured].push_back(costs.update);
      }
    }
    report(work.name, "insert", insert[0], insert[1]);
    report(work.name, "update", update[0], update[1]);
  }
}
