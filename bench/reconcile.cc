// The reconciler alone: bench_reconcile [ROWS]
//
// Over a replica of ROWS flat rows of ten columns: the first load into a target that takes
// everything, a full pass in which nothing has changed, and single changes into the local target,
// from the replica's commit to the item.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "sink/local/local_target.h"
#include "sink/reconciler.h"
#include "state/ledger.h"
#include "state/replica.h"

namespace {

using namespace tandem;  // NOLINT(google-build-using-namespace)
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Takes every write at once.
class NullTarget : public sink::Target {
 public:
  std::vector<sink::TargetFinding> check() override { return {}; }
  std::vector<std::string> create_missing(const std::function<void(const std::string&)>&) override {
    return {};
  }
  std::size_t room() const override { return 100'000; }
  void submit(sink::Write write) override { tickets_.push_back(write.ticket); }
  void wait(std::chrono::milliseconds, std::vector<sink::Outcome>& outcomes) override {
    writes += static_cast<std::int64_t>(tickets_.size());
    for (std::uint64_t ticket : tickets_) outcomes.emplace_back().ticket = ticket;
    tickets_.clear();
  }
  std::vector<std::optional<sink::Item>> read(std::size_t,
                                              const std::vector<sink::Item>& keys) override {
    return std::vector<std::optional<sink::Item>>(keys.size());
  }
  void scan(std::size_t, bool, const std::function<bool(std::vector<sink::Item>&)>&) override {}
  sink::TargetCounters counters() const override { return {}; }

  std::int64_t writes = 0;

 private:
  std::vector<std::uint64_t> tickets_;
};

state::TableSchema schema() {
  state::TableSchema schema;
  schema.name = "Flat";
  schema.columns.push_back({"id", "INTEGER"});
  for (int i = 1; i < 10; ++i) {
    schema.columns.push_back({"c" + std::to_string(i), i % 3 == 0 ? "REAL" : "TEXT"});
  }
  schema.key = {0};
  schema.unique_keys = {{0}};
  return schema;
}

state::Row row(std::int64_t id, std::int64_t salt) {
  state::Row row{state::Value::integer(id)};
  for (int i = 1; i < 10; ++i) {
    row.push_back(i % 3 == 0 ? state::Value::real(static_cast<double>(id % 1000) + 0.25 * i)
                             : state::Value::text("text of column " + std::to_string(id + salt)));
  }
  return row;
}

class Log {
 public:
  void add(state::Record record) {
    batch_->records.push_back(std::move(record));
    batch_->offsets.push_back(next_++);
    batch_->epoch = 5;
  }
  void begin() { add(state::Begin{{++commit_, 0}, 0}); }
  void end() { add(state::End{{{commit_, 0}, {}, ""}}); }
  state::Batch& batch() { return *batch_; }
  void fold(state::Replica& replica) {
    replica.fold(std::exchange(batch_, std::make_shared<state::Batch>()), true);
  }

 private:
  std::shared_ptr<state::Batch> batch_ = std::make_shared<state::Batch>();
  state::Offset next_ = 1;
  std::uint64_t commit_ = 0;
};

sink::ValueSpec text(const char* source) { return {sink::parse_template(source, 0), 0}; }

sink::DocumentSpec flat(const std::string& version) {
  sink::DocumentSpec spec;
  spec.name = "flat";
  spec.table = "Items";
  spec.root = "Flat";
  spec.item.columns = sink::MapSpec::Columns::kAll;
  spec.item.entries = {{"PK", text("FLAT#{id}")}};
  spec.source_text = version;
  return spec;
}

std::vector<sink::TargetTable> tables() {
  sink::TargetTable table;
  table.name = "Items";
  table.key = {"PK"};
  table.key_types = {sink::AttributeType::kString};
  return {table};
}

/// Runs a reconciler until it is idle; returns the seconds that took.
double until_idle(const std::string& folder, state::Ledger& ledger, sink::Target& target,
                  const std::string& version, const char* what, double items) {
  sink::DocumentSet documents({flat(version)}, tables());
  sink::ReconcilerOptions options;
  options.pipeline = "bench";
  options.made_tables = {"Items"};
  const double cpu = cpu_seconds();
  const Clock::time_point start = Clock::now();
  sink::Reconciler reconciler(folder + "/replica.db", ledger, target, documents, options);
  std::jthread thread([&](std::stop_token stop) { reconciler.run(std::move(stop)); });
  while (!reconciler.status().idle) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  const double seconds = seconds_since(start);
  std::printf("%s: %.0f documents/s, %.2f CPU seconds\n", what, items / seconds,
              cpu_seconds() - cpu);
  return seconds;
}

void latencies(const std::string& folder, state::Replica& replica, state::Ledger& ledger, Log& log,
               std::int64_t rows) {
  auto target = sink::open_local_target(folder + "/items.db", tables(), {});
  target->create_missing([](const std::string&) {});
  sink::DocumentSet documents({flat("1")}, tables());
  sink::ReconcilerOptions options;
  options.pipeline = "bench";
  sink::Reconciler reconciler(folder + "/replica.db", ledger, *target, documents, options);
  std::jthread thread([&](std::stop_token stop) { reconciler.run(std::move(stop)); });
  while (!reconciler.status().idle) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  std::vector<double> took;
  std::stop_source never;
  for (int i = 0; i < 1000; ++i) {
    log.begin();
    log.add(state::Change{
        state::Op::kUpdate, log.batch().table_index("Flat"), {}, row(i % rows, 1'000'000 + i)});
    log.end();
    log.fold(replica);
    const Clock::time_point start = Clock::now();
    reconciler.wake();
    reconciler.wait_applied(replica.position().next - 1, never.get_token());
    took.push_back(seconds_since(start) * 1000);
  }
  std::sort(took.begin(), took.end());
  std::printf("commit to item, local target: p50 %.2f ms, p99 %.2f ms\n", took[took.size() / 2],
              took[took.size() * 99 / 100]);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t rows = argc > 1 ? std::atoll(argv[1]) : 200'000;
  const std::string folder =
      (std::filesystem::temp_directory_path() / "tandem_bench_reconcile").string();
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  {
    sink::DocumentSet documents({flat("1")}, tables());
    sink::Relations relations(documents);
    state::Replica replica(folder + "/replica.db", "log", &relations);
    Log log;
    log.add(state::Epoch{5});
    log.begin();
    log.add(state::SchemaRecord{schema(), true});
    log.end();
    std::int64_t id = 0;
    while (id < rows) {
      state::Row from = id == 0 ? state::Row{} : state::Row{state::Value::integer(id - 1)};
      std::vector<state::Row> chunk;
      for (int i = 0; i < 5000 && id < rows; ++i) chunk.push_back(row(id++, 0));
      state::Row to = id == rows ? state::Row{} : state::Row{state::Value::integer(id - 1)};
      log.begin();
      log.add(state::Chunk{
          log.batch().table_index("Flat"), std::move(from), std::move(to), std::move(chunk), {}});
      log.end();
      log.fold(replica);
    }
    state::Ledger ledger(folder + "/ledger.db", "log");
    NullTarget target;
    const double items = static_cast<double>(rows);
    until_idle(folder, ledger, target, "1", "first load into a null target", items);
    until_idle(folder, ledger, target, "2", "full pass, nothing changed", items);
    until_idle(folder, ledger, target, "1", "full pass again", items);
    std::printf("writes: %lld\n", static_cast<long long>(target.writes));
    latencies(folder, replica, ledger, log, rows);
  }
  std::filesystem::remove_all(folder);
  return 0;
}
