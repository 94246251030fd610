// SQLite wrapped once: databases, statements and transactions as RAII handles.
//
// Every failing call throws Error with the file, SQLite's message and its extended code name. A
// handle is used by one thread at a time. sqlite3.h stays out of this header.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "state/error.h"
#include "state/value.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tandem::state {

/// SQLite's own failure: Error plus the primary result code (SQLITE_BUSY is 5, SQLITE_FULL is 13
/// ...).
class SqliteError : public Error {
 public:
  SqliteError(int code, std::string what, std::string where, std::string hint);
  int code() const { return code_; }  // primary code: extended code & 0xff
  bool busy() const { return code_ == 5 || code_ == 6; }

 private:
  int code_;
};

class Database;

/// A prepared statement. Parameters count from 1, columns from 0. Text and blobs are bound by copy.
class Statement {
 public:
  Statement() = default;
  Statement(Database& database, std::string_view sql);
  ~Statement();
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) noexcept;
  explicit operator bool() const { return handle_ != nullptr; }

  Statement& bind(int index, const Value& value);  // kUnchanged is a programming error
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);
  Statement& bind_null(int index);
  /// Binds a column of another statement's current row, whatever its storage class.
  Statement& bind_column(int index, const Statement& from, int column);
  /// Binds all values of the row from `first` on.
  Statement& bind_row(int first, const Row& row);
  /// The same without copies: the values must outlive the statement's run.
  Statement& bind_borrowed(int index, const Value& value);
  Statement& bind_blob_borrowed(int index, std::string_view bytes);
  Statement& bind_row_borrowed(int first, const Row& row);

  /// True while there is a row.
  bool step();
  /// Runs to the end and resets; for statements whose rows do not matter.
  void run();
  void reset();  // bindings are kept

  int column_count() const;
  ValueKind kind(int column) const;
  Value value(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  std::string_view view(int column) const;  // text or blob, valid until the next step or reset
  bool is_null(int column) const;
  Row row(int first, int count) const;
  sqlite3_stmt* handle() const { return handle_; }

 private:
  void check(int code) const;
  sqlite3* database_ = nullptr;
  sqlite3_stmt* handle_ = nullptr;
};

enum class OpenMode { kReadWriteCreate, kReadWrite, kReadOnly };

class Database {
 public:
  Database() = default;
  /// Opens the file; `kReadWriteCreate` makes it with mode 0600. Waits up to busy_ms for locks.
  Database(const std::string& path, OpenMode mode, int busy_ms = 5000);
  ~Database();
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  explicit operator bool() const { return handle_ != nullptr; }

  /// Runs one or several statements, ignoring rows.
  void execute(std::string_view sql);
  Statement prepare(std::string_view sql) { return Statement(*this, sql); }
  /// First column of the first row; null if there is none.
  Value query_value(std::string_view sql);
  /// Makes a collation of our own for this connection: `order` is below, at or above zero as its
  /// first text comes before, with or after its second. It must not throw.
  using TextOrder = std::function<int(std::string_view, std::string_view)>;
  void add_collation(const std::string& name, TextOrder order);
  /// The collation that the column of the table (of the main database) is declared with.
  std::string column_collation(const std::string& table, const std::string& column);
  std::int64_t changes() const;
  std::int64_t last_insert_rowid() const;
  bool in_transaction() const;
  const std::string& path() const { return path_; }
  sqlite3* handle() const { return handle_; }

 private:
  sqlite3* handle_ = nullptr;
  std::string path_;
};

/// BEGIN … COMMIT; rolled back unless committed.
class Transaction {
 public:
  enum class Kind { kDeferred, kImmediate };
  explicit Transaction(Database& database, Kind kind = Kind::kImmediate);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();
  void rollback();

 private:
  Database* database_;
};

/// Removes the file and SQLite's own beside it: the database before its -wal, since without that it
/// would be a valid one, but an older. Throws Error.
void remove_database(const std::string& path);

/// "name" quoted as an SQL identifier, and 'text' as an SQL literal.
std::string quote_identifier(std::string_view name);
std::string quote_literal(std::string_view text);

}  // namespace tandem::state
