// The fold alone, beside plain SQLite in the same run: loading chunks into an empty table, reading
// the same chunks again, and random updates over the whole table. Rows are of 10 columns and about
// 200 bytes.
//
// Usage: bench_fold [rows, 1000000 by default] [directory for the files]
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "state/replica.h"

namespace {

using namespace tandem::state;
using std::chrono::duration;
using std::chrono::steady_clock;

constexpr std::int64_t kRowsAChunk = 5'000;
constexpr std::int64_t kChangesATransaction = 10;
constexpr std::int64_t kChangesABatch = 5'000;
constexpr std::int64_t kPlainTransaction = 10'000;

struct Timer {
  static double cpu_now() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  }
  steady_clock::time_point start = steady_clock::now();
  double cpu_start = cpu_now();
  double wall() const { return duration<double>(steady_clock::now() - start).count(); }
  double cpu() const { return cpu_now() - cpu_start; }
};

double report(const char* what, std::int64_t rows, double wall, double cpu) {
  double rate = static_cast<double>(rows) / wall;
  std::printf("%-44s %9.0f rows/s  %9.0f rows a CPU second\n", what, rate,
              static_cast<double>(rows) / cpu);
  std::fflush(stdout);
  return rate;
}

class Random {
 public:
  std::uint64_t number() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return state_ >> 33U;
  }
  std::string text(std::size_t size) {
    std::string made(size, ' ');
    for (char& c : made) c = static_cast<char>('a' + number() % 26);
    return made;
  }

 private:
  std::uint64_t state_ = 42;
};

TableSchema schema() {
  TableSchema made;
  made.name = "Customer";
  made.columns = {{"CustomerId", "INTEGER"}, {"Name", "TEXT"},     {"City", "TEXT"},
                  {"Street", "TEXT"},        {"Score", "INTEGER"}, {"Balance", "REAL"},
                  {"Company", "TEXT"},       {"Email", "TEXT"},    {"Since", "DATETIME"},
                  {"Notes", "NVARCHAR(60)"}};
  made.key = {0};
  made.unique_keys = {{0}};
  return made;
}

Row make_row(Random& random, std::int64_t key) {
  Row row;
  row.push_back(Value::integer(key));
  row.push_back(Value::text(random.text(20)));
  row.push_back(Value::text(random.text(24)));
  row.push_back(Value::text(random.text(40)));
  row.push_back(Value::integer(static_cast<std::int64_t>(random.number())));
  row.push_back(Value::real(static_cast<double>(random.number()) / 100));
  row.push_back(Value::null());
  row.push_back(Value::text(random.text(18) + "@example.com"));
  row.push_back(Value::text("2024-05-06 07:08:09"));
  row.push_back(Value::text(random.text(50)));
  return row;
}

/// Random keys, each of 0 … rows-1 once.
std::vector<std::int64_t> shuffled(Random& random, std::int64_t rows) {
  std::vector<std::int64_t> keys(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<std::int64_t>(i);
  for (std::size_t i = keys.size(); i > 1; --i) std::swap(keys[i - 1], keys[random.number() % i]);
  return keys;
}

/// SQLite by itself: one prepared statement, transactions of 10,000 rows, a cache larger than the
/// fold's, all else as SQLite has it.
class Plain {
 public:
  Plain(const std::string& path, const char* sql) : database_(path, OpenMode::kReadWriteCreate) {
    database_.execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -262144");
    database_.execute(
        "CREATE TABLE IF NOT EXISTS Customer(CustomerId INTEGER PRIMARY KEY, Name TEXT, City TEXT, "
        "Street TEXT, Score INTEGER, Balance REAL, Company TEXT, Email TEXT, Since DATETIME, "
        "Notes NVARCHAR(60))");
    put_ = database_.prepare(sql);
  }
  void put(const Row& row) {
    if (in_transaction_++ == 0) database_.execute("BEGIN IMMEDIATE");
    put_.bind_row(1, row).run();
    if (in_transaction_ == kPlainTransaction) commit();
  }
  void commit() {
    if (std::exchange(in_transaction_, 0) != 0) database_.execute("COMMIT");
  }

 private:
  Database database_;
  Statement put_;
  std::int64_t in_transaction_ = 0;
};

/// Records as the log would number them.
class Log {
 public:
  std::shared_ptr<Batch> batch() {
    auto made = std::make_shared<Batch>();
    made->epoch = 1;
    made->table_index("Customer");
    return made;
  }
  void add(Batch& batch, Record record) {
    batch.records.push_back(std::move(record));
    batch.offsets.push_back(next_++);
  }
  void begin(Batch& batch) { add(batch, Begin{{++commit_, 0}, 1}); }
  void end(Batch& batch) {
    Checkpoint checkpoint;
    checkpoint.position = {commit_, 0};
    add(batch, End{checkpoint});
  }

 private:
  Offset next_ = 1;
  std::uint64_t commit_ = 0;
};

/// Marks each row that changes, as a document over the table alone would.
class MarkingListener : public FoldListener {
 public:
  void tables_changed(Database&, const std::unordered_map<std::string, ReplicaTable>&,
                      Marks&) override {}
  void table_whole(const std::string&, Marks&) override {}
  void row_changed(const TableSchema& table, const Row* before, const Row* after, bool applied,
                   Marks& marks) override {
    if (applied)
      marks.mark("customer", encode_row(table.key_of(after != nullptr ? *after : *before)));
  }
};

struct Totals {
  double wall = 0, cpu = 0;
  std::int64_t written = 0;
};

/// Making the records costs as much as folding them, so the clock runs for the fold alone.
void timed_fold(Replica& replica, std::shared_ptr<Batch> batch, bool flush, Totals& totals) {
  Timer timer;
  totals.written += replica.fold(std::move(batch), flush).rows_written;
  totals.wall += timer.wall();
  totals.cpu += timer.cpu();
}

Totals fold_chunks(Replica& replica, Log& log, std::int64_t rows) {
  Totals totals;
  Random random;
  for (std::int64_t at = 0; at < rows; at += kRowsAChunk) {
    auto batch = log.batch();
    log.begin(*batch);
    if (at == 0) log.add(*batch, SchemaRecord{schema(), true});
    Chunk chunk;
    if (at > 0) chunk.from = {Value::integer(at - 1)};
    std::int64_t end = std::min(at + kRowsAChunk, rows);
    if (end < rows) chunk.to = {Value::integer(end - 1)};
    for (std::int64_t key = at; key < end; ++key) chunk.rows.push_back(make_row(random, key));
    log.add(*batch, std::move(chunk));
    log.end(*batch);
    timed_fold(replica, std::move(batch), end == rows, totals);
  }
  return totals;
}

Totals fold_updates(Replica& replica, Log& log, Random& random,
                    const std::vector<std::int64_t>& keys) {
  Totals totals;
  auto batch = log.batch();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i % kChangesATransaction == 0) log.begin(*batch);
    log.add(*batch, Change{Op::kUpdate, 0, {}, make_row(random, keys[i])});
    bool last = i + 1 == keys.size();
    if ((i + 1) % kChangesATransaction == 0 || last) log.end(*batch);
    if ((i + 1) % kChangesABatch == 0 || last) {
      timed_fold(replica, std::exchange(batch, log.batch()), last, totals);
    }
  }
  return totals;
}

double bench_plain(std::int64_t rows, const std::string& path) {
  {
    Plain plain(path, "INSERT INTO Customer VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    Random random;
    Totals totals;
    std::vector<Row> made;
    for (std::int64_t at = 0; at < rows; at += kPlainTransaction) {
      made.clear();
      for (std::int64_t key = at; key < std::min(at + kPlainTransaction, rows); ++key) {
        made.push_back(make_row(random, key));
      }
      Timer timer;
      for (const Row& row : made) plain.put(row);
      plain.commit();
      totals.wall += timer.wall();
      totals.cpu += timer.cpu();
    }
    report("SQLite: insert, keys in order", rows, totals.wall, totals.cpu);
  }
  Plain plain(path,
              "INSERT INTO Customer VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
              "Name = ?2, City = ?3, Street = ?4, Score = ?5, Balance = ?6, Company = ?7, "
              "Email = ?8, Since = ?9, Notes = ?10");
  Random random;
  std::vector<std::int64_t> keys = shuffled(random, rows);
  Totals totals;
  std::vector<Row> made;
  for (std::size_t at = 0; at < keys.size();) {
    made.clear();
    for (std::int64_t i = 0; i < kPlainTransaction && at < keys.size(); ++i) {
      made.push_back(make_row(random, keys[at++]));
    }
    Timer timer;
    for (const Row& row : made) plain.put(row);
    plain.commit();
    totals.wall += timer.wall();
    totals.cpu += timer.cpu();
  }
  return report("SQLite: upsert, random keys", rows, totals.wall, totals.cpu);
}

void bench_fold(std::int64_t rows, const std::string& path, FoldListener* listener, double plain) {
  Replica replica(path, "bench", listener);
  Log log;
  Totals load = fold_chunks(replica, log, rows);
  report("fold: chunks into an empty table", rows, load.wall, load.cpu);
  Totals again = fold_chunks(replica, log, rows);
  report("fold: the same chunks again", rows, again.wall, again.cpu);
  if (load.written != rows || again.written != 0) std::abort();
  Random random;
  std::vector<std::int64_t> keys = shuffled(random, rows);
  Totals updates = fold_updates(replica, log, random, keys);
  double rate = report("fold: updates, random keys", rows, updates.wall, updates.cpu);
  std::printf("%-44s %9.2f\n", "  times SQLite's random upsert", rate / plain);
}

}  // namespace

int main(int count, char** arguments) {
  std::int64_t rows = count > 1 ? std::atoll(arguments[1]) : 1'000'000;
  std::string directory = count > 2 ? arguments[2] : std::filesystem::temp_directory_path();
  directory += "/tandem_bench_XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) return 1;
  double plain = bench_plain(rows, directory + "/plain.db");
  bench_fold(rows, directory + "/replica.db", nullptr, plain);
  std::puts("with a listener that marks each changed row:");
  MarkingListener listener;
  bench_fold(rows, directory + "/marked.db", &listener, plain);
  std::filesystem::remove_all(directory);
  return 0;
}
