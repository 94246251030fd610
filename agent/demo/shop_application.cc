#include "agent/demo/shop_application.h"

#include <fmt/format.h>

#include <chrono>
#include <random>
#include <utility>

#include "agent/demo/sample_database.h"
#include "state/sqlite.h"

namespace tandem::agent {
namespace {

std::int64_t pick(state::Database& database, const char* table, const char* key,
                  std::mt19937_64& random) {
  auto highest = database.query_value(fmt::format("SELECT max({}) FROM {}", key, table));
  if (highest.is_null()) return 1;
  auto statement = database.prepare(
      fmt::format("SELECT {0} FROM {1} WHERE {0} >= ? ORDER BY {0} LIMIT 1", key, table));
  statement.bind(1, static_cast<std::int64_t>(
                        random() % static_cast<std::uint64_t>(highest.as_integer()) + 1));
  return statement.step() ? statement.integer(0) : highest.as_integer();
}

constexpr char kTotal[] =
    "UPDATE Invoice SET Total = (SELECT coalesce(round(sum(UnitPrice * Quantity), 2), 0) FROM "
    "InvoiceLine WHERE InvoiceLine.InvoiceId = Invoice.InvoiceId) WHERE InvoiceId = ?";

}  // namespace

ShopApplication::ShopApplication(std::string database, std::uint64_t seed,
                                 int transactions_per_second)
    : path_(std::move(database)),
      thread_([this, seed, transactions_per_second](std::stop_token stop) {
        work(stop, seed, transactions_per_second);
      }) {}

ShopApplication::~ShopApplication() { stop(); }

void ShopApplication::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void ShopApplication::say(std::string what) {
  std::lock_guard lock(mutex_);
  last_ = std::move(what);
}

void ShopApplication::work(std::stop_token stop, std::uint64_t seed, int rate) {
  state::Database database(path_, state::OpenMode::kReadWrite, 10'000);
  database.execute("PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL");
  auto add_line = database.prepare(
      "INSERT INTO InvoiceLine SELECT NULL, ?, TrackId, UnitPrice, 1 FROM Track WHERE TrackId = ?");
  auto add_invoice = database.prepare(
      "INSERT INTO Invoice SELECT NULL, ?, datetime('2024-01-01', (coalesce(max(InvoiceId), 0) + "
      "1) || ' hours'), 0 "
      "FROM Invoice");
  auto total = database.prepare(kTotal);
  auto reprice = database.prepare("UPDATE Track SET UnitPrice = ? WHERE TrackId = ?");
  auto rename = database.prepare("UPDATE Artist SET Name = ? WHERE ArtistId = ?");
  auto cancel = database.prepare("DELETE FROM Invoice WHERE InvoiceId = ?");
  auto forget = database.prepare("DELETE FROM PlaylistTrack WHERE PlaylistId = ? AND TrackId = ?");
  auto remember = database.prepare("INSERT OR REPLACE INTO PlaylistTrack VALUES (?, ?)");
  std::mt19937_64 random(seed);
  auto next = std::chrono::steady_clock::now();
  while (!stop.stop_requested()) {
    state::Transaction transaction(database);
    switch (random() % 8) {
      case 0:
      case 1:
      case 2: {
        std::int64_t customer = pick(database, "Customer", "CustomerId", random);
        add_invoice.bind(1, customer).run();
        std::int64_t invoice = database.last_insert_rowid();
        for (int i = 0; i < 3; ++i) {
          add_line.bind(1, invoice).bind(2, pick(database, "Track", "TrackId", random)).run();
        }
        total.bind(1, invoice).run();
        inserts_ += 4;
        say(fmt::format("customer {} orders three tracks", customer));
        break;
      }
      case 3:
      case 4: {
        std::int64_t track = pick(database, "Track", "TrackId", random);
        reprice.bind(1, state::Value::real(random() % 2 == 0 ? 0.99 : 1.29)).bind(2, track).run();
        ++updates_;
        say(fmt::format("track {} has another price", track));
        break;
      }
      case 5: {
        std::int64_t artist = pick(database, "Artist", "ArtistId", random);
        rename.bind(1, sample_artist(random()) + " Trio").bind(2, artist).run();
        ++renames_;
        say(fmt::format("artist {} has a new name, on every one of their tracks", artist));
        break;
      }
      case 6: {
        std::int64_t invoice = pick(database, "Invoice", "InvoiceId", random);
        cancel.bind(1, invoice).run();
        ++deletes_;
        say(fmt::format("invoice {} is cancelled, with its lines", invoice));
        break;
      }
      default: {
        std::int64_t playlist = pick(database, "Playlist", "PlaylistId", random);
        std::int64_t track = pick(database, "Track", "TrackId", random);
        auto& statement = random() % 2 == 0 ? forget : remember;
        statement.bind(1, playlist).bind(2, track).run();
        ++updates_;
        say(fmt::format("playlist {} changes", playlist));
        break;
      }
    }
    transaction.commit();
    next += std::chrono::microseconds(1'000'000 / rate);
    std::this_thread::sleep_until(next);
  }
}

ShopApplication::Counts ShopApplication::counts() const {
  return {inserts_, updates_, renames_, deletes_};
}

std::string ShopApplication::last() const {
  std::lock_guard lock(mutex_);
  return last_;
}

}  // namespace tandem::agent
