// dynamodb_write ENDPOINT [ITEMS] [batch|single]: the write stage alone. Encodes, signs and sends
// items of ten attributes and reads the answers; items are made inside the clock, as a builder
// would hand them over. Prints items a second and this process's own CPU seconds per 100,000 items.
//
// Run it against bench/null_endpoint, so that the figure is the client's.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "sink/dynamodb/dynamodb_target.h"
#include "state/error.h"

namespace {

using tandem::sink::Attribute;
using tandem::sink::AttributeType;

std::string padded(std::int64_t number, std::size_t width) {
  std::string digits = std::to_string(number);
  return std::string(width - std::min(width, digits.size()), '0') + digits;
}

/// An account of ten attributes, some 520 bytes on the wire.
tandem::sink::Item account(std::int64_t i) {
  std::string notes;
  const std::string sentence = "lorem ipsum dolor sit amet " + std::to_string(i) + " ";
  for (int repetition = 0; repetition < 4; repetition++) notes += sentence;
  const std::string cents = padded(i * 37 % 1'000'000, 3);
  const std::string balance =
      cents.substr(0, cents.size() - 2) + "." + cents.substr(cents.size() - 2);
  tandem::sink::Item item;
  item.reserve(10);
  item.emplace_back("active", Attribute::boolean(i % 2 == 1));
  item.emplace_back("balance", Attribute::number(balance));
  item.emplace_back("created_at",
                    Attribute::string("2024-01-02T03:04:05." + padded(i % 1'000'000, 6) + "Z"));
  item.emplace_back("email", Attribute::string("customer" + padded(i, 8) + "@example.invalid"));
  item.emplace_back("name", Attribute::string("Customer Name " + padded(i, 8)));
  item.emplace_back("notes", Attribute::string(std::move(notes)));
  item.emplace_back("pk", Attribute::string("account#" + padded(i, 12)));
  item.emplace_back("status", Attribute::string(i % 2 == 1 ? "active" : "closed"));
  item.emplace_back("updated_at",
                    Attribute::string("2024-05-06T07:08:09." + padded(i % 1'000'000, 6) + "Z"));
  item.emplace_back("version", Attribute::number(i % 1000));
  return item;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void run(const std::string& endpoint, std::int64_t items, bool batched) {
  tandem::sink::TargetTable table;
  table.name = "accounts";
  table.key = {"pk"};
  table.key_types = {AttributeType::kString};
  tandem::sink::DynamodbOptions options;
  options.endpoint = endpoint;
  auto target = tandem::sink::open_dynamodb_target(options, {table}, {});
  std::vector<tandem::sink::Outcome> outcomes;
  std::int64_t done = 0;
  auto collect = [&](std::chrono::milliseconds wait) {
    outcomes.clear();
    target->wait(wait, outcomes);
    for (const tandem::sink::Outcome& outcome : outcomes) {
      if (outcome.kind != tandem::sink::Outcome::Kind::kDone) {
        throw tandem::state::Error("an item was refused", endpoint, outcome.reason);
      }
    }
    done += static_cast<std::int64_t>(outcomes.size());
  };

  const double cpu_before = cpu_seconds();
  const auto start = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < items; i++) {
    while (target->room() == 0) collect(std::chrono::milliseconds(1000));
    tandem::sink::Write write;
    write.ticket = static_cast<std::uint64_t>(i);
    write.item = account(i);
    write.stamp.version = {1'790'000'000'000, i + 1};
    write.stamp.hash = tandem::sink::hash_item(write.item, "_tandem", {});
    write.stamp.name = "bench/account";
    write.unconditional = batched;
    target->submit(std::move(write));
  }
  while (done < items) collect(std::chrono::milliseconds(1000));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double cpu = cpu_seconds() - cpu_before;
  const auto count = static_cast<double>(items);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf(
      "%s n=%lld secs=%.2f items/s=%.0f client_cpu=%.2f cpu_s_per_100k=%.3f items_per_cpu_s=%.0f "
      "rss_mb=%ld\n",
      batched ? "batch" : "single", static_cast<long long>(items), seconds, count / seconds, cpu,
      cpu * 1e5 / count, count / cpu, usage.ru_maxrss / 1024);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: dynamodb_write ENDPOINT [ITEMS] [batch|single]\n");
    return 2;
  }
  try {
    run(arguments[1], count > 2 ? std::atoll(arguments[2]) : 300'000,
        count < 4 || std::string(arguments[3]) != "single");
  } catch (const tandem::state::Error& error) {
    std::fprintf(stderr, "dynamodb_write: %s\n", error.what());
    return 1;
  }
}
