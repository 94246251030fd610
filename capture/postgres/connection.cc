#include "capture/postgres/connection.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "capture/postgres/connection_advice.h"
#include "capture/postgres/host_list.h"
#include "capture/source.h"

namespace tandem::capture::postgres {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How soon a stop is noticed.
constexpr milliseconds kStep{100};
// With a host, where `connect_timeout` is no limit.
constexpr std::chrono::seconds kConnectPatience{15};

constexpr char kQueryCanceled[] = "57014";
// Without it nothing here is known to work, the settings below to begin with.
constexpr int kOldestVersion = 140000;

// Every setting that changes how a value is written, or that could end a session of ours. With an
// empty search_path names of types and tables come with their schema. row_security off makes a
// policy that would hide rows an error.
constexpr char kSettings[] =
    "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; "
    "SET extra_float_digits = 1; SET timezone = 'UTC'; SET bytea_output = 'hex'; "
    "SET lc_monetary = 'C'; SET xmlbinary = 'base64'; SET search_path = ''; "
    "SET row_security = off; SET synchronous_commit = local; SET statement_timeout = 0; "
    "SET lock_timeout = 0; SET idle_session_timeout = 0; SET idle_in_transaction_session_timeout = "
    "0; "
    "SET default_transaction_read_only = off; SET default_transaction_isolation = "
    "'read committed'; SET standard_conforming_strings = on; "
    "SET array_nulls = on; SET quote_all_identifiers = off";

std::string one_line(const char* message) {
  std::string text = message == nullptr ? "" : message;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

[[noreturn]] void throw_refused(PGresult* result, const std::string& where) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  std::string sqlstate = state == nullptr ? "" : state;
  std::string text = one_line(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
  if (text.empty()) text = one_line(PQresultErrorMessage(result));
  std::string detail = one_line(PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
  if (!detail.empty()) text += " (" + detail + ")";
  throw ServerError("the server refused: " + text, where, advice(sqlstate), sqlstate);
}

milliseconds patience_of(PGconn* connection) {
  const std::string text = effective_setting(connection, "connect_timeout");
  int limit = 0;
  std::from_chars(text.data(), text.data() + text.size(), limit);
  return limit > 0 ? std::chrono::seconds(limit) : kConnectPatience;
}

}  // namespace

Rows::Rows(pg_result* result) : result_(result) {}
void Rows::Clear::operator()(pg_result* result) const { PQclear(result); }
int Rows::count() const { return PQntuples(result_.get()); }
int Rows::columns() const { return PQnfields(result_.get()); }
bool Rows::is_null(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) != 0;
}
std::string_view Rows::view(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::int64_t Rows::integer(int row, int column) const {
  std::string_view text = view(row, column);
  std::int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw state::Error("the server gave no integer where one was expected: " + std::string(text),
                       "a query of the catalog", "report this");
  }
  return number;
}

std::string array_text(const std::vector<std::string>& texts) {
  std::string array = "{";
  for (const std::string& text : texts) {
    array += array.size() > 1 ? ",\"" : "\"";
    for (char c : text) {
      if (c == '"' || c == '\\') array += '\\';
      array += c;
    }
    array += '"';
  }
  return array + "}";
}

void Connection::Finish::operator()(pg_conn* connection) const { PQfinish(connection); }
void Connection::FreeMemory::operator()(char* memory) const { PQfreemem(memory); }

Connection::Connection(const ServerAddress& address, const std::string& application,
                       Purpose purpose, std::stop_token stop)
    : shown_(address.shown), stop_(std::move(stop)) {
  connect(address, application, purpose);
  limit_silence(kConnectPatience);
  if (server_version() < kOldestVersion) {
    throw state::Error("PostgreSQL " + std::to_string(server_version() / 10000) + " is too old",
                       shown_, "upgrade the server to 14 or newer");
  }
  // A server that does not know its own encoding would check every text, and refuse some.
  const char* encoding = PQparameterStatus(connection_.get(), "server_encoding");
  const bool unknown = encoding != nullptr && std::string_view(encoding) == "SQL_ASCII";
  execute(unknown ? "SET client_encoding = 'SQL_ASCII'" : "SET client_encoding = 'UTF8'");
  execute(kSettings);
  if (server_version() >= 170000) execute("SET transaction_timeout = 0");
  // Where the path dies, both ends notice at about the same time, and the slot is free when we come
  // back. A server that is quicker to give up would do so in a pause of ours.
  if (purpose == Purpose::kReplication) {
    execute("SET wal_sender_timeout = " + std::to_string(address.longest_silence.count()));
  }
  limit_silence(milliseconds(0));
}

void Connection::connect(const ServerAddress& address, const std::string& application,
                         Purpose purpose) {
  ServerAddress left = address;
  std::string silent;  // hosts that did not answer
  for (;;) {
    start(left, application, purpose);
    if (finish_connecting(left, silent)) break;
    silent += (silent.empty() ? "" : " and ") + present_host(connection_.get());
    if (!leave_out_present_host(connection_.get(), left)) {
      throw ConnectionLost("no answer from " + silent, shown_,
                           "check host, port and the network between");
    }
  }
  PQsetnonblocking(connection_.get(), 1);
  // Notices are for people at a prompt; libpq would print them to stderr.
  PQsetNoticeReceiver(
      connection_.get(), [](void*, const PGresult*) {}, nullptr);
}

void Connection::start(const ServerAddress& address, const std::string& application,
                       Purpose purpose) {
  std::vector<const char*> names, values;
  auto add = [&](const char* name, const char* value) {
    names.push_back(name);
    values.push_back(value);
  };
  add("fallback_application_name", application.c_str());
  for (const auto& [name, value] : address.parameters) add(name.c_str(), value.c_str());
  if (purpose == Purpose::kReplication) add("replication", "database");
  names.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectStartParams(names.data(), values.data(), 0));
  if (!connection_) throw std::bad_alloc();
}

// False: the host that libpq is at does not answer. From one that refuses, libpq goes on to the
// next by itself, but where nobody waits for it, it heeds no limit of time.
bool Connection::finish_connecting(const ServerAddress& address, const std::string& silent) {
  const milliseconds patience = patience_of(connection_.get());
  std::string trying;
  steady_clock::time_point deadline;
  for (;;) {
    PostgresPollingStatusType state = PQstatus(connection_.get()) == CONNECTION_BAD
                                          ? PGRES_POLLING_FAILED
                                          : PQconnectPoll(connection_.get());
    if (state == PGRES_POLLING_OK) return true;
    if (state == PGRES_POLLING_FAILED) {
      std::string text = one_line(PQerrorMessage(connection_.get()));
      std::string hint = advice_on_connecting(connection_.get(), text, address);
      if (!silent.empty()) text += "; no answer from " + silent;
      throw ConnectionLost("cannot connect: " + text, shown_, hint);
    }
    // A host may have several addresses.
    std::string now = present_host(connection_.get()) + " " + PQhostaddr(connection_.get());
    if (now != trying) {
      trying = std::move(now);
      deadline = steady_clock::now() + patience;
    } else if (steady_clock::now() >= deadline) {
      return false;
    }
    wait(state == PGRES_POLLING_READING, state == PGRES_POLLING_WRITING, kStep);
    check_stop();
  }
}

void Connection::check_stop() const {
  if (stop_.stop_requested()) {
    throw SourceLocked("stopped while waiting for the server", shown_, "nothing to do");
  }
}

void Connection::check_silence(steady_clock::time_point since) const {
  if (longest_silence_ == milliseconds(0) || steady_clock::now() - since < longest_silence_) return;
  throw ConnectionLost(
      "the server has said nothing for " +
          std::to_string(
              std::chrono::duration_cast<std::chrono::seconds>(longest_silence_).count()) +
          " s",
      shown_, "look for locks on its tables and at the network between, then try again");
}

void Connection::wait(bool readable, bool writable, milliseconds patience) const {
  pollfd descriptor{PQsocket(connection_.get()),
                    static_cast<short>((readable ? POLLIN : 0) | (writable ? POLLOUT : 0)), 0};
  ::poll(&descriptor, 1, static_cast<int>(patience.count()));
}

void Connection::lost() const {
  throw ConnectionLost("the connection broke: " + one_line(PQerrorMessage(connection_.get())),
                       shown_, "nothing to do if the server comes back: Tandem tries again");
}

void Connection::flush() {
  const auto began = steady_clock::now();
  for (;;) {
    int left = PQflush(connection_.get());
    if (left == 0) return;
    if (left < 0) lost();
    wait(true, true, kStep);
    if (PQconsumeInput(connection_.get()) == 0) lost();
    check_stop();
    check_silence(began);
  }
}

// Null at the end of the statement.
pg_result* Connection::next_result() {
  flush();
  const auto began = steady_clock::now();
  while (PQisBusy(connection_.get()) != 0) {
    wait(true, false, kStep);
    if (PQconsumeInput(connection_.get()) == 0) lost();
    check_stop();
    check_silence(began);
  }
  return PQgetResult(connection_.get());
}

// Reads all results of what was sent; the last one's rows count.
Rows Connection::finish_query() {
  std::optional<Rows> rows;
  std::optional<Rows> refused;
  PGresult* why = nullptr;
  while (PGresult* result = next_result()) {
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) return Rows(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) {
      rows.emplace(result);
    } else if (refused) {
      PQclear(result);
    } else {
      refused.emplace(result);
      why = result;
    }
  }
  if (PQstatus(connection_.get()) != CONNECTION_OK) lost();
  if (refused) throw_refused(why, shown_);
  if (!rows) lost();
  return std::move(*rows);
}

Rows Connection::query(const std::string& sql, const std::vector<Parameter>& parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const Parameter& parameter : parameters) {
    values.push_back(parameter ? parameter->c_str() : nullptr);
  }
  if (PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                        values.data(), nullptr, nullptr, 0) == 0) {
    lost();
  }
  return finish_query();
}

Rows Connection::execute(const std::string& sql) {
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) lost();
  return finish_query();
}

// Asks the server to give up the statement that runs. Whether it heard does not matter.
void Connection::cancel() {
  struct Free {
    void operator()(PGcancel* cancel) const { PQfreeCancel(cancel); }
  };
  std::unique_ptr<PGcancel, Free> request(PQgetCancel(connection_.get()));
  char reason[256];
  if (request) PQcancel(request.get(), reason, sizeof reason);
}

void Connection::copy_out(const std::string& sql,
                          const std::function<bool(std::string_view row)>& row) {
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) lost();
  finish_query();
  bool wanted = true;
  auto heard = steady_clock::now();
  for (;;) {
    char* bytes = nullptr;
    int size = PQgetCopyData(connection_.get(), &bytes, 1);
    message_.reset(bytes);
    if (size > 0) {
      heard = steady_clock::now();
      if (!wanted) continue;
      wanted = row({bytes, static_cast<std::size_t>(size)});
      if (!wanted) cancel();
    } else if (size == 0) {
      wait(true, false, kStep);
      if (PQconsumeInput(connection_.get()) == 0) lost();
      check_stop();
      check_silence(heard);
    } else if (size == -1) {
      try {
        finish_query();
      } catch (const ServerError& error) {
        if (wanted || error.sqlstate() != kQueryCanceled) throw;
      }
      return;
    } else {
      lost();
    }
  }
}

void Connection::start_copy_both(const std::string& sql) {
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) lost();
  finish_query();
}

std::optional<std::string_view> Connection::receive() {
  char* bytes = nullptr;
  int size = PQgetCopyData(connection_.get(), &bytes, 1);
  message_.reset(bytes);
  if (size > 0) return std::string_view(bytes, static_cast<std::size_t>(size));
  if (size == 0) return std::nullopt;
  if (size == -1) {
    finish_query();  // throws what the server said, if it said something
    throw ConnectionLost("the server ended the stream", shown_,
                         "nothing to do if the server comes back: Tandem tries again");
  }
  lost();
}

bool Connection::consume() {
  pollfd descriptor{PQsocket(connection_.get()), POLLIN, 0};
  const bool ready = ::poll(&descriptor, 1, 0) > 0;
  // TLS may hold bytes that the socket no longer has.
  if (!ready && PQsslInUse(connection_.get()) == 0) return false;
  if (PQconsumeInput(connection_.get()) == 0) lost();
  return ready;
}

void Connection::send(std::string_view message) {
  if (PQputCopyData(connection_.get(), message.data(), static_cast<int>(message.size())) < 0) {
    lost();
  }
  if (PQflush(connection_.get()) < 0) lost();
}

void Connection::wait_readable(milliseconds patience) { wait(true, false, patience); }

int Connection::server_version() const { return PQserverVersion(connection_.get()); }
int Connection::backend_pid() const { return PQbackendPID(connection_.get()); }

std::string Connection::identifier(std::string_view name) const {
  std::unique_ptr<char, FreeMemory> quoted(
      PQescapeIdentifier(connection_.get(), name.data(), name.size()));
  if (!quoted) throw state::Error("a name is not valid text", std::string(name), "rename it");
  return quoted.get();
}

std::string Connection::literal(std::string_view text) const {
  std::unique_ptr<char, FreeMemory> quoted(
      PQescapeLiteral(connection_.get(), text.data(), text.size()));
  if (!quoted) throw state::Error("a value is not valid text", shown_, "correct it");
  return quoted.get();
}

}  // namespace tandem::capture::postgres
