// Capture of PostgreSQL alone: the slot's stream, or a snapshot, into a log that drops everything,
// into the embedded log, or into a Kafka topic.
//
// Usage: bench_postgres_capture URL SLOT PUBLICATION TABLE LOG snapshot
//        bench_postgres_capture URL SLOT PUBLICATION TABLE LOG stream|stream-null CHANGES
// LOG is the embedded log's file, or kafka:BROKERS/TOPIC. Prints one JSON object. A stream goes on
// behind a snapshot of the same slot and publication, whose log is LOG: into that log, or into one
// that begins where it ends and keeps nothing. A stream is never confirmed, so the slot can be read
// again.
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "capture/postgres/postgres_source.h"
#include "capture/publisher.h"
#include "state/embedded_log.h"
#include "state/kafka_log.h"
#include "state/rest.h"

namespace {

using namespace tandem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Promises nothing: what an append costs a log that does nothing. Begins where another log ends.
class NullLog : public state::ChangeLog {
 public:
  explicit NullLog(state::ChangeLog& before)
      : identity_(before.identity()), tail_(before.read_tail()), next_(tail_.next) {}
  const std::string& identity() const override { return identity_; }
  state::LogTail read_tail() override { return tail_; }
  void claim(std::uint64_t /*epoch*/) override {}
  void append(std::shared_ptr<state::Batch> batch) override {
    next_ += static_cast<state::Offset>(batch->records.size());
  }
  std::unique_ptr<state::LogReader> reader(state::Offset /*from*/) override { return nullptr; }
  state::Offset first() override { return state::kFirstOffset; }
  state::Offset next() override { return next_; }
  void prune(state::Offset /*needed_from*/) override {}
  state::LogExtent extent() override { return {}; }

 private:
  const std::string identity_;
  const state::LogTail tail_;
  std::atomic<state::Offset> next_;
};

// The source with what the measurement must not do left out.
class Measured : public capture::Source {
 public:
  Measured(std::unique_ptr<capture::Source> source, bool stream)
      : source_(std::move(source)), stream_(stream) {}

  capture::Catalog catalog(std::stop_token stop) override { return source_->catalog(stop); }
  std::vector<capture::Finding> check() override { return source_->check(); }
  void install(std::stop_token stop) override { source_->install(stop); }
  std::vector<std::string> uninstall(std::stop_token stop) override {
    return source_->uninstall(stop);
  }
  std::uint64_t claim(const std::string& identity, std::uint64_t epoch,
                      std::stop_token stop) override {
    return source_->claim(identity, epoch, stop);
  }
  bool took_over() const override { return source_->took_over(); }
  void resume(std::optional<state::Checkpoint> checkpoint, capture::Transactions& out) override {
    source_->resume(std::move(checkpoint), out);
  }
  bool poll(milliseconds wait, std::stop_token stop, capture::Transactions& out) override {
    return source_->poll(wait, stop, out);
  }
  bool has_looked() const override { return source_->has_looked(); }
  void release(const state::Checkpoint& checkpoint) override {
    if (!stream_) source_->release(checkpoint);
  }
  state::Checkpoint checkpoint() const override { return source_->checkpoint(); }
  void request_snapshot(const std::string& table) override { source_->request_snapshot(table); }
  void assert_owner(std::stop_token stop) override { source_->assert_owner(stop); }
  void report_late_writes() override {}
  state::SourcePosition newest(milliseconds patience, std::stop_token stop) override {
    return source_->newest(patience, stop);
  }

 private:
  std::unique_ptr<capture::Source> source_;
  const bool stream_;
};

constexpr char kKafka[] = "kafka:";

std::unique_ptr<state::ChangeLog> open_log(const std::string& name, const std::string& what) {
  if (name.starts_with(kKafka)) {
    const std::size_t slash = name.rfind('/');
    state::KafkaLogOptions options;
    options.kafka.brokers =
        name.substr(std::string(kKafka).size(), slash - std::string(kKafka).size());
    options.kafka.topic = name.substr(slash + 1);
    options.origin = {"postgresql", "bench", "bench", "bench"};
    return std::make_unique<state::KafkaLog>(options);
  }
  if (what == "stream-null") {
    return std::make_unique<NullLog>(*state::EmbeddedLog::open_read_only(name));
  }
  return std::make_unique<state::EmbeddedLog>(name, state::EmbeddedLogOptions{});
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

int run(const std::vector<std::string>& arguments) {
  const std::string& what = arguments.at(5);
  const bool stream = what != "snapshot";
  const std::int64_t wanted = stream ? std::atoll(arguments.at(6).c_str()) : 0;
  capture::PostgresOptions options;
  options.url = arguments.at(0);
  options.pipeline = "bench";
  options.slot = arguments.at(1);
  options.publication = arguments.at(2);
  Measured source(capture::open_postgres_source(options, {{arguments.at(3), {}, true}}), stream);
  const std::unique_ptr<state::ChangeLog> log = open_log(arguments.at(4), what);
  capture::Publisher publisher(source, *log, {});
  const auto began = steady_clock::now();
  std::stop_source stop;
  std::exception_ptr failure;
  std::atomic<bool> failed = false;
  std::jthread thread([&] {
    try {
      publisher.run(stop.get_token());
    } catch (...) {
      failure = std::current_exception();
      failed = true;
    }
  });
  capture::PublisherStatus status;
  for (;;) {
    if (failed) std::rethrow_exception(failure);
    status = publisher.status();
    if (stream ? status.changes >= wanted : status.snapshot_rows > 0 && !status.snapshotting) break;
    state::rest(milliseconds(1), {});
  }
  const double took = std::chrono::duration<double>(steady_clock::now() - began).count();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf(
      "{\"changes\": %lld, \"rows\": %lld, \"seconds\": %.3f, \"cpu\": %.3f, \"memory_mib\": "
      "%.1f}\n",
      static_cast<long long>(status.changes), static_cast<long long>(status.snapshot_rows), took,
      seconds(usage.ru_utime) + seconds(usage.ru_stime),
      static_cast<double>(usage.ru_maxrss) / 1024);
  stop.request_stop();
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count < 7 || (count < 8 && std::string(words[6]) != "snapshot")) {
    std::fputs("usage: see bench/postgres_capture.cc\n", stderr);
    return 2;
  }
  try {
    return run({words + 1, words + count});
  } catch (const state::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
