// One connection to a PostgreSQL server, with session settings of our own, so that a server's or
// role's settings change no byte of what is read.
//
// Every wait heeds the stop token and ends soon after a stop was asked for (SourceLocked). Threads:
// one at a time. Errors: ServerError (what the server refused, with its SQLSTATE) and
// ConnectionLost; after the latter the connection is of no more use.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "capture/postgres/server_address.h"
#include "state/error.h"

struct pg_conn;
struct pg_result;

namespace tandem::capture::postgres {

/// The server refused something.
class ServerError : public state::Error {
 public:
  ServerError(std::string what, std::string where, std::string hint, std::string sqlstate)
      : Error(std::move(what), std::move(where), std::move(hint)), sqlstate_(std::move(sqlstate)) {}
  /// Five characters (PostgreSQL's documentation, appendix A).
  const std::string& sqlstate() const { return sqlstate_; }

 private:
  std::string sqlstate_;
};

/// The server cannot be reached, or no longer.
class ConnectionLost : public state::Error {
 public:
  using Error::Error;
};

/// The rows that a query gave, in text form.
class Rows {
 public:
  explicit Rows(pg_result* result);
  int count() const;
  bool empty() const { return count() == 0; }
  int columns() const;
  bool is_null(int row, int column) const;
  /// "" for null.
  std::string_view view(int row, int column) const;
  std::string text(int row, int column) const { return std::string(view(row, column)); }
  std::int64_t integer(int row, int column) const;
  bool flag(int row, int column) const { return view(row, column) == "t"; }

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

/// For who asks what a server answers soon: what keeps it for longer is a lock or a network that
/// broke.
inline constexpr std::chrono::seconds kLongestSilence{30};

using Parameter = std::optional<std::string>;  // nothing: null

/// The texts as the server reads an array of them, for a Parameter.
std::string array_text(const std::vector<std::string>& texts);

class Connection {
 public:
  enum class Purpose { kSql, kReplication };

  /// Connects to the first of the address's hosts that takes us; each has `connect_timeout` to
  /// answer. `application` shows in pg_stat_activity unless the address names another.
  Connection(const ServerAddress& address, const std::string& application,
             Purpose purpose = Purpose::kSql, std::stop_token stop = {});

  /// Runs one statement with $1, $2, … in text form. Statements that give no rows give empty Rows.
  Rows query(const std::string& sql, const std::vector<Parameter>& parameters = {});
  /// Runs statements without parameters, one after the other in one transaction unless they say
  /// otherwise; also the commands of the replication protocol.
  Rows execute(const std::string& sql);
  /// COPY … TO STDOUT: calls `row` with each row's bytes, newline included, until there are no more
  /// or it returns false. The server is then told to stop, and what a transaction around it saw so
  /// far is all that it will see.
  void copy_out(const std::string& sql, const std::function<bool(std::string_view row)>& row);
  /// Starts a COPY BOTH (START_REPLICATION). Afterwards only receive(), send() and flush() make
  /// sense.
  void start_copy_both(const std::string& sql);
  /// The next message of the COPY BOTH that is here already; its memory lives until the next call.
  /// Nothing: none has come yet.
  std::optional<std::string_view> receive();
  /// Takes what the socket holds into libpq's memory. False: nothing was there.
  bool consume();
  /// Sends without waiting: what the socket does not take now goes with the next call. A message
  /// that finds no room at all is dropped, so send only what is said again.
  void send(std::string_view message);
  /// Waits until the socket can be read, at most so long.
  void wait_readable(std::chrono::milliseconds patience);

  /// For these and later waits.
  void set_stop(std::stop_token stop) { stop_ = std::move(stop); }
  /// From now on a server that says nothing for so long counts as lost. Zero, as at first: it is
  /// waited for without an end, as what it does for us may take long (locks, sorting).
  void limit_silence(std::chrono::milliseconds longest) { longest_silence_ = longest; }
  int server_version() const;  // 150018 is 15.18
  int backend_pid() const;
  std::string identifier(std::string_view name) const;  // quoted
  std::string literal(std::string_view text) const;     // quoted
  const std::string& shown() const { return shown_; }

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  struct FreeMemory {
    void operator()(char* memory) const;
  };

  void connect(const ServerAddress& address, const std::string& application, Purpose purpose);
  void start(const ServerAddress& address, const std::string& application, Purpose purpose);
  bool finish_connecting(const ServerAddress& address, const std::string& silent);
  void wait(bool readable, bool writable, std::chrono::milliseconds patience) const;
  void check_stop() const;
  void check_silence(std::chrono::steady_clock::time_point since) const;
  void flush();
  void cancel();
  pg_result* next_result();
  Rows finish_query();
  [[noreturn]] void lost() const;

  std::string shown_;
  std::stop_token stop_;
  std::chrono::milliseconds longest_silence_{0};
  std::unique_ptr<pg_conn, Finish> connection_;
  std::unique_ptr<char, FreeMemory> message_;
};

}  // namespace tandem::capture::postgres
