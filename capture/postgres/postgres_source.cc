#include "capture/postgres/postgres_source.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "capture/postgres/capture_session.h"
#include "capture/postgres/catalog.h"
#include "capture/postgres/installation.h"
#include "capture/postgres/ownership.h"
#include "capture/postgres/preflight.h"
#include "capture/postgres/publication.h"
#include "capture/postgres/server_health.h"
#include "capture/postgres/settings.h"
#include "capture/postgres/slot.h"
#include "capture/postgres/slot_wait.h"
#include "capture/postgres/stream_news.h"
#include "state/failpoint.h"
#include "state/rest.h"

namespace tandem::capture {
namespace postgres {
namespace {

using state::SourcePosition;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How old an answer may be that nobody waits for.
constexpr std::chrono::seconds kStillNew{1};

constexpr char kObjectInUse[] = "55006";
// How long a claim waits for somebody who asks by SQL what the slot holds, which takes a moment.
constexpr std::chrono::seconds kPassing{10};
constexpr milliseconds kBetweenTries{200};

class PostgresSource : public Source {
 public:
  PostgresSource(PostgresOptions options, std::vector<TableRequest> tables)
      : options_(std::move(options)),
        requests_(canonical(std::move(tables))),
        health_(options_.slot) {}

  Catalog catalog(std::stop_token stop) override {
    Connection connection = connect(std::move(stop));
    connection.limit_silence(kLongestSilence);
    TypeCatalog types;
    return to_catalog(read_tables(connection, types, requests_));
  }

  std::vector<Finding> check() override {
    return check_postgres(address_of(options_), application_of(options_), options_.slot,
                          options_.publication, requests_);
  }

  void install(std::stop_token stop) override {
    make_what_is_missing(names_of(options_), std::move(stop));
  }

  std::vector<std::string> uninstall(std::stop_token stop) override {
    Connection connection = connect(std::move(stop));
    return drop_installation(connection, options_.slot, options_.publication);
  }

  std::uint64_t claim(const std::string& log_identity, std::uint64_t log_epoch,
                      std::stop_token stop) override;
  bool took_over() const override { return session().took_over(); }
  void resume(std::optional<state::Checkpoint> checkpoint, Transactions& out) override {
    session().resume(std::move(checkpoint), out);
  }
  bool poll(milliseconds wait, std::stop_token stop, Transactions& out) override {
    try {
      return session().poll(wait, stop, out);
    } catch (const SlotIsStuck&) {
      session_.reset();
      Connection connection = connect(std::move(stop));
      drop_when_free(connection, options_.slot);
      throw;
    }
  }
  bool has_looked() const override { return session_ && session_->has_looked(); }
  void release(const state::Checkpoint& checkpoint) override {
    session().release(checkpoint.position);
  }
  state::Checkpoint checkpoint() const override {
    return session_ ? session_->checkpoint() : state::Checkpoint();
  }
  bool wants_heartbeat() const override { return session_ && session_->wants_heartbeat(); }
  void request_snapshot(const std::string& table) override { session().request_snapshot(table); }

  void assert_owner(std::stop_token stop) override { ownership().assert_mine(std::move(stop)); }
  void report_late_writes() override { ownership().report_late_writes(); }

  SourcePosition newest(milliseconds patience, std::stop_token stop) override;
  SourceHealth health(const std::stop_token& stop) override;
  SourcePosition read_up_to(const SourcePosition& logged) const override {
    return news_.read_up_to(logged);
  }
  SourcePosition unchanged_up_to(const SourcePosition& logged,
                                 const std::stop_token& stop) override;

 private:
  Connection connect(std::stop_token stop) const {
    return {address_of(options_), application_of(options_), Connection::Purpose::kSql,
            std::move(stop)};
  }
  CaptureSession& session() const {
    if (!session_) {
      throw state::Error("the source was not claimed", options_.slot, "claim it first");
    }
    return *session_;
  }
  Ownership& ownership() {
    std::call_once(ownership_made_, [this] {
      ownership_ = std::make_unique<Ownership>([this] { return address_of(options_); },
                                               application_of(options_), names_of(options_));
    });
    return *ownership_;
  }

  Installation make_what_is_missing(const InstallationNames& names, std::stop_token stop) const;
  std::unique_ptr<CaptureSession> take_slot(const InstallationNames& names,
                                            const std::stop_token& stop);
  bool is_held_in_passing(std::stop_token stop, bool patient) const;

  const PostgresOptions options_;
  const std::vector<TableRequest> requests_;

  // Of any thread.
  std::once_flag ownership_made_;
  std::unique_ptr<Ownership> ownership_;
  StreamNews news_;
  ServerHealth health_;                                             // within ownership().ask()
  std::optional<std::pair<steady_clock::time_point, Lsn>> newest_;  // likewise

  // Of the driving thread.
  std::unique_ptr<CaptureSession> session_;
};

std::uint64_t PostgresSource::claim(const std::string& log_identity, std::uint64_t log_epoch,
                                    std::stop_token stop) {
  session_.reset();
  news_.start();
  InstallationNames names = names_of(options_);
  names.slot_is_known = log_epoch != 0;
  std::unique_ptr<CaptureSession> session = take_slot(names, stop);
  TANDEM_FAILPOINT("postgres.claim.after");
  const std::uint64_t epoch = session->claim(log_identity, log_epoch);
  session_ = std::move(session);
  return epoch;
}

std::unique_ptr<CaptureSession> PostgresSource::take_slot(const InstallationNames& names,
                                                          const std::stop_token& stop) {
  for (const auto began = steady_clock::now();;) {
    try {
      // Each time: whoever had the slot may have moved or dropped it.
      const Installation installed = make_what_is_missing(names, stop);
      TANDEM_FAILPOINT("postgres.claim.before");
      return std::make_unique<CaptureSession>(options_, requests_, installed, ownership(), news_,
                                              stop);
    } catch (const ServerError& error) {
      if (error.sqlstate() != kObjectInUse) throw;
      const bool patient = steady_clock::now() - began < kPassing;
      if (!is_held_in_passing(stop, patient)) throw;
    }
    state::rest(kBetweenTries, stop);
  }
}

Installation PostgresSource::make_what_is_missing(const InstallationNames& names,
                                                  std::stop_token stop) const {
  Connection connection = connect(std::move(stop));
  const SlotWait wait(address_of(options_), application_of(options_), options_.slot,
                      connection.backend_pid(), options_.tell);
  return make_installation(connection, names, requests_);
}

// Throws if somebody has the slot for longer: the server's own message tells no more of who that is
// than the number of a process.
bool PostgresSource::is_held_in_passing(std::stop_token stop, bool patient) const {
  Connection connection = connect(std::move(stop));
  const std::optional<Slot> slot = read_slot(connection, options_.slot);
  const bool let_go = !slot || slot->active_pid == 0;
  if (let_go || (slot->in_passing && patient)) return patient;
  throw state::Error("the replication slot is in use by " + slot->holder, options_.slot,
                     "end that process, or name another slot in `source.slot`");
}

SourcePosition PostgresSource::newest(milliseconds patience, std::stop_token stop) {
  const bool exact = patience >= kStillNew;
  SourcePosition position;
  ownership().ask(std::move(stop), [&](Connection& connection) {
    const auto now = steady_clock::now();
    if (exact || !newest_ || now - newest_->first >= kStillNew) {
      newest_ = {now, exact ? newest_lsn(connection) : flushed_lsn(connection)};
    }
    position = ends_at(newest_->second);
  });
  return position;
}

SourceHealth PostgresSource::health(const std::stop_token& stop) {
  SourceHealth health;
  ownership().ask(stop, [&](Connection& connection) {
    health = health_.look(connection, news_.waits_for(), news_.missing());
  });
  return health;
}

SourcePosition PostgresSource::unchanged_up_to(const SourcePosition& logged,
                                               const std::stop_token& stop) {
  SourcePosition position = logged;
  try {
    ownership().ask(stop, [&](Connection& connection) {
      std::vector<std::string> publications;
      for (const Publication& each : read_publications(connection, options_.publication)) {
        publications.push_back(each.name);
      }
      const Lsn end = flushed_lsn(connection);
      if (!has_changes(connection, options_.slot, publications, logged.commit, end)) {
        position = std::max(position, ends_at(end));
      }
    });
  } catch (const ServerError&) {
    // Somebody has the slot, there is none, or it took too long.
    return logged;
  }
  return position;
}

}  // namespace
}  // namespace postgres

std::unique_ptr<Source> open_postgres_source(PostgresOptions options,
                                             std::vector<TableRequest> tables) {
  return std::make_unique<postgres::PostgresSource>(std::move(options), std::move(tables));
}

}  // namespace tandem::capture
