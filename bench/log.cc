// The embedded log alone: encoding, decoding, group commit, and reading by a reader that keeps up
// and by one that comes late. Rows are of 10 columns and about 200 bytes.
//
// Usage: bench_log [rows, 1000000 by default] [directory for the file]
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
#include <thread>
#include <vector>

#include "state/embedded_log.h"
#include "state/log_format.h"

namespace {

using namespace tandem::state;
using std::chrono::duration;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kRowsABatch = 5'000;

double seconds_since(steady_clock::time_point start) {
  return duration<double>(steady_clock::now() - start).count();
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

class Words {
 public:
  std::uint64_t number() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return state_ >> 33U;
  }
  std::string text(std::size_t size) {
    static constexpr const char* kWords[] = {"street ", "garden ", "north ", "music ", "paper ",
                                             "river ",  "seven ",  "glass ", "iron ",  "table "};
    std::string made;
    while (made.size() < size) made += kWords[number() % std::size(kWords)];
    made.resize(size);
    return made;
  }

 private:
  std::uint64_t state_ = 42;
};

std::shared_ptr<Batch> make_batch(Words& words, std::int64_t first_key, int rows) {
  auto batch = std::make_shared<Batch>();
  std::uint32_t table = batch->table_index("Customer");
  batch->records.emplace_back(Begin{{static_cast<std::uint64_t>(first_key), 0}, 1});
  for (int i = 0; i < rows; ++i) {
    Row row;
    row.push_back(Value::integer(first_key + i));
    row.push_back(Value::text(words.text(20)));
    row.push_back(Value::text(words.text(24)));
    row.push_back(Value::text(words.text(40)));
    row.push_back(Value::integer(static_cast<std::int64_t>(words.number())));
    row.push_back(Value::real(static_cast<double>(words.number()) / 100));
    row.push_back(Value::null());
    row.push_back(Value::text(std::to_string(words.number()) + "@example.com"));
    row.push_back(Value::text("2024-05-06 07:08:09"));
    row.push_back(Value::text(words.text(50)));
    batch->records.emplace_back(Change{Op::kUpdate, table, {}, std::move(row)});
  }
  Checkpoint checkpoint;
  checkpoint.position = {static_cast<std::uint64_t>(first_key), 0};
  batch->records.emplace_back(End{checkpoint});
  return batch;
}

void report(const char* what, std::int64_t rows, double bytes, double wall, double cpu) {
  std::printf("%-34s %9.0f rows/s  %7.1f MB/s  %9.0f rows a CPU second\n", what,
              static_cast<double>(rows) / wall, bytes / wall / 1e6,
              static_cast<double>(rows) / cpu);
}

struct Timer {
  steady_clock::time_point start = steady_clock::now();
  double cpu_start = cpu_seconds();
  double wall() const { return seconds_since(start); }
  double cpu() const { return cpu_seconds() - cpu_start; }
};

void bench_format(const std::vector<std::shared_ptr<Batch>>& batches, double bytes) {
  BlockEncoder encoder;
  BlockDecoder decoder;
  std::vector<std::string> blocks;
  std::int64_t rows = static_cast<std::int64_t>(batches.size()) * kRowsABatch;
  double encoded = 0;
  Timer encoding;
  for (const auto& batch : batches) {
    blocks.emplace_back(encoder.encode(*batch, 0, 1, 1).bytes);
    encoded += static_cast<double>(blocks.back().size());
  }
  report("encode", rows, bytes, encoding.wall(), encoding.cpu());
  Timer decoding;
  for (const std::string& block : blocks) decoder.decode(block, "");
  report("decode", rows, bytes, decoding.wall(), decoding.cpu());
  std::printf("%-34s %9.2f\n", "raw bytes a stored byte", bytes / encoded);
}

void read_to(ChangeLog& log, Offset end) {
  auto reader = log.reader(1);
  for (Offset at = 1; at < end;) {
    auto batch = reader->next(milliseconds(10'000), {});
    if (batch == nullptr) std::abort();
    at = batch->offsets.back() + 1;
  }
}

void bench_log(const std::vector<std::shared_ptr<Batch>>& batches, double bytes,
               const std::string& path) {
  std::int64_t rows = static_cast<std::int64_t>(batches.size()) * kRowsABatch;
  Offset end = 2 + rows + 2 * static_cast<Offset>(batches.size());
  EmbeddedLog log(path);
  log.claim(1);
  {
    Timer timer;
    std::jthread reader([&] { read_to(log, end); });
    for (const auto& batch : batches) log.append(batch);
    reader.join();
    report("append, read by one that keeps up", rows, bytes, timer.wall(), timer.cpu());
  }
  {
    auto late = EmbeddedLog::open_read_only(path);
    Timer timer;
    read_to(*late, end);
    report("read from the file", rows, bytes, timer.wall(), timer.cpu());
  }
  // Small commits: what one drain of a lightly loaded source costs.
  Words words;
  std::vector<double> times;
  for (int i = 0; i < 1'000; ++i) {
    auto batch = make_batch(words, i, 5);
    auto start = steady_clock::now();
    log.append(batch);
    times.push_back(seconds_since(start) * 1e3);
  }
  std::sort(times.begin(), times.end());
  std::printf("%-34s p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", "append of 5 rows", times[500],
              times[990], times.back());
  std::printf("%-34s %9.1f MB\n", "size on disk", static_cast<double>(log.extent().bytes) / 1e6);
}

}  // namespace

int main(int count, char** arguments) {
  std::int64_t rows = count > 1 ? std::atoll(arguments[1]) : 1'000'000;
  std::string directory = count > 2 ? arguments[2] : std::filesystem::temp_directory_path();
  directory += "/tandem_bench_XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) return 1;
  Words words;
  std::vector<std::shared_ptr<Batch>> batches;
  double bytes = 0;
  std::string raw;
  for (std::int64_t at = 0; at < rows; at += kRowsABatch) {
    batches.push_back(make_batch(words, at, kRowsABatch));
    for (const Record& record : batches.back()->records) {
      if (const Change* change = std::get_if<Change>(&record)) {
        raw.clear();
        encode_row(change->after, raw);
        bytes += static_cast<double>(raw.size());
      }
    }
  }
  std::printf("%zu batches of %d rows, %.0f bytes a row\n", batches.size(), kRowsABatch,
              bytes / (static_cast<double>(batches.size()) * kRowsABatch));
  bench_format(batches, bytes);
  bench_log(batches, bytes, directory + "/log.db");
  std::filesystem::remove_all(directory);
  return 0;
}
