#include "state/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace tandem::state {
namespace {

std::string hint_for(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another program holds the database locked; end its long transaction and try again";
    case SQLITE_FULL:
      return "the disk is full; make room and start again, nothing is lost";
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return "check the permissions of the file and of its folder";
    case SQLITE_CANTOPEN:
      return "check that the path exists and may be opened";
    case SQLITE_NOTADB:
      return "this file is not an SQLite database; check the path";
    case SQLITE_CORRUPT:
      return "the file is damaged; run `PRAGMA integrity_check` on it";
    case SQLITE_IOERR:
      return "the disk failed or is full; look at the system's log";
    default:
      return "";
  }
}

[[noreturn]] void fail(sqlite3* database, int code, std::string_view doing) {
  const char* file = database != nullptr ? sqlite3_db_filename(database, "main") : nullptr;
  std::string what = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  if (!doing.empty()) what += " (in: " + std::string(doing.substr(0, 200)) + ")";
  throw SqliteError(code & 0xff, what, file != nullptr ? file : "", hint_for(code));
}

// SQLite counts its allocations under one mutex for the whole process, on which our threads would
// meet at every page and every value. Nobody reads the counts. Works only before the first
// connection.
void leave_allocations_uncounted() {
  static const int once = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(once);
}

}  // namespace

SqliteError::SqliteError(int code, std::string what, std::string where, std::string hint)
    : Error(std::move(what), std::move(where), std::move(hint)), code_(code) {}

Statement::Statement(Database& database, std::string_view sql) : database_(database.handle()) {
  int code = sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()),
                                SQLITE_PREPARE_PERSISTENT, &handle_, nullptr);
  if (code != SQLITE_OK) fail(database_, code, sql);
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), handle_(std::exchange(other.handle_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(database_, other.database_);
  return *this;
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) fail(database_, code, handle_ != nullptr ? sqlite3_sql(handle_) : "");
}

Statement& Statement::bind(int index, const Value& value) {
  switch (value.kind()) {
    case ValueKind::kInteger:
      check(sqlite3_bind_int64(handle_, index, value.as_integer()));
      break;
    case ValueKind::kReal:
      check(sqlite3_bind_double(handle_, index, value.as_real()));
      break;
    case ValueKind::kText:
      check(sqlite3_bind_text64(handle_, index, value.bytes().data(), value.bytes().size(),
                                SQLITE_TRANSIENT, SQLITE_UTF8));
      break;
    case ValueKind::kBlob:
      return bind_blob(index, value.bytes());
    case ValueKind::kNull:
    case ValueKind::kUnchanged:
      return bind_null(index);
  }
  return *this;
}

Statement& Statement::bind(int index, std::int64_t value) {
  check(sqlite3_bind_int64(handle_, index, value));
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  check(sqlite3_bind_text64(handle_, index, text.data() != nullptr ? text.data() : "", text.size(),
                            SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  check(sqlite3_bind_blob64(handle_, index, bytes.data() != nullptr ? bytes.data() : "",
                            bytes.size(), SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::bind_null(int index) {
  check(sqlite3_bind_null(handle_, index));
  return *this;
}

Statement& Statement::bind_column(int index, const Statement& from, int column) {
  check(sqlite3_bind_value(handle_, index, sqlite3_column_value(from.handle_, column)));
  return *this;
}

Statement& Statement::bind_row(int first, const Row& row) {
  for (const Value& value : row) bind(first++, value);
  return *this;
}

Statement& Statement::bind_borrowed(int index, const Value& value) {
  if (value.kind() == ValueKind::kText) {
    check(sqlite3_bind_text64(handle_, index, value.bytes().data(), value.bytes().size(),
                              SQLITE_STATIC, SQLITE_UTF8));
  } else if (value.kind() == ValueKind::kBlob) {
    check(sqlite3_bind_blob64(handle_, index, value.bytes().data(), value.bytes().size(),
                              SQLITE_STATIC));
  } else {
    bind(index, value);
  }
  return *this;
}

Statement& Statement::bind_blob_borrowed(int index, std::string_view bytes) {
  check(sqlite3_bind_blob64(handle_, index, bytes.data() != nullptr ? bytes.data() : "",
                            bytes.size(), SQLITE_STATIC));
  return *this;
}

Statement& Statement::bind_row_borrowed(int first, const Row& row) {
  for (const Value& value : row) bind_borrowed(first++, value);
  return *this;
}

bool Statement::step() {
  int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  // The reset keeps a failed statement from holding its read transaction open.
  std::string sql = sqlite3_sql(handle_);
  std::string message = sqlite3_errmsg(database_);
  const char* file = sqlite3_db_filename(database_, "main");
  std::string where = file != nullptr ? file : "";
  sqlite3_reset(handle_);
  throw SqliteError(code & 0xff, message + " (in: " + sql.substr(0, 200) + ")", where,
                    hint_for(code));
}

void Statement::run() {
  while (step()) {
  }
  sqlite3_reset(handle_);
}

void Statement::reset() { sqlite3_reset(handle_); }

int Statement::column_count() const { return sqlite3_column_count(handle_); }

ValueKind Statement::kind(int column) const {
  switch (sqlite3_column_type(handle_, column)) {
    case SQLITE_INTEGER:
      return ValueKind::kInteger;
    case SQLITE_FLOAT:
      return ValueKind::kReal;
    case SQLITE_TEXT:
      return ValueKind::kText;
    case SQLITE_BLOB:
      return ValueKind::kBlob;
    default:
      return ValueKind::kNull;
  }
}

Value Statement::value(int column) const {
  switch (kind(column)) {
    case ValueKind::kInteger:
      return Value::integer(sqlite3_column_int64(handle_, column));
    case ValueKind::kReal:
      return Value::real(sqlite3_column_double(handle_, column));
    case ValueKind::kText:
      return Value::text(std::string(view(column)));
    case ValueKind::kBlob:
      return Value::blob(std::string(view(column)));
    case ValueKind::kNull:
    case ValueKind::kUnchanged:
      break;
  }
  return Value::null();
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }

double Statement::real(int column) const { return sqlite3_column_double(handle_, column); }

std::string Statement::text(int column) const { return std::string(view(column)); }

std::string_view Statement::view(int column) const {
  const void* data = sqlite3_column_type(handle_, column) == SQLITE_BLOB
                         ? sqlite3_column_blob(handle_, column)
                         : static_cast<const void*>(sqlite3_column_text(handle_, column));
  int size = sqlite3_column_bytes(handle_, column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

Row Statement::row(int first, int count) const {
  Row row;
  row.reserve(static_cast<std::size_t>(count));
  for (int column = first; column < first + count; ++column) row.push_back(value(column));
  return row;
}

Database::Database(const std::string& path, OpenMode mode, int busy_ms) : path_(path) {
  leave_allocations_uncounted();
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  switch (mode) {
    case OpenMode::kReadWriteCreate: {
      flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
      // SQLite gives its -wal and -shm files the mode of the database.
      int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      if (descriptor >= 0) ::close(descriptor);
      break;
    }
    case OpenMode::kReadWrite:
      flags |= SQLITE_OPEN_READWRITE;
      break;
    case OpenMode::kReadOnly:
      flags |= SQLITE_OPEN_READONLY;
      break;
  }
  int code = sqlite3_open_v2(path.c_str(), &handle_, flags, nullptr);
  if (code != SQLITE_OK) {
    std::string message = handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
    sqlite3_close_v2(std::exchange(handle_, nullptr));
    throw SqliteError(code & 0xff, message, path, hint_for(code));
  }
  sqlite3_busy_timeout(handle_, busy_ms);
}

Database::~Database() { sqlite3_close_v2(handle_); }

Database::Database(Database&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), path_(std::move(other.path_)) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(path_, other.path_);
  return *this;
}

void Database::execute(std::string_view sql) {
  std::string text(sql);
  int code = sqlite3_exec(handle_, text.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(handle_, code, sql);
}

Value Database::query_value(std::string_view sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.value(0) : Value::null();
}

std::string Database::column_collation(const std::string& table, const std::string& column) {
  const char* collation = nullptr;
  int code = sqlite3_table_column_metadata(handle_, "main", table.c_str(), column.c_str(), nullptr,
                                           &collation, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(handle_, code, "collation of " + column);
  return collation != nullptr ? collation : "BINARY";
}

void Database::add_collation(const std::string& name, TextOrder order) {
  auto held = std::make_unique<TextOrder>(std::move(order));
  const auto compare = [](void* given, int a_size, const void* a, int b_size, const void* b) {
    return (*static_cast<TextOrder*>(given))(
        {static_cast<const char*>(a), static_cast<std::size_t>(a_size)},
        {static_cast<const char*>(b), static_cast<std::size_t>(b_size)});
  };
  const auto destroy = [](void* given) {
    std::unique_ptr<TextOrder> destroyed(static_cast<TextOrder*>(given));
  };
  int code =
      sqlite3_create_collation_v2(handle_, name.c_str(), SQLITE_UTF8, held.get(), compare, destroy);
  if (code != SQLITE_OK) fail(handle_, code, "collation " + name);
  held.release();  // destroyed with the connection
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }
std::int64_t Database::last_insert_rowid() const { return sqlite3_last_insert_rowid(handle_); }
bool Database::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

Transaction::Transaction(Database& database, Kind kind) : database_(&database) {
  database.execute(kind == Kind::kImmediate ? "BEGIN IMMEDIATE" : "BEGIN");
}

Transaction::~Transaction() {
  if (database_ == nullptr || !database_->in_transaction()) return;
  try {
    database_->execute("ROLLBACK");
  } catch (const Error&) {
    // A rollback that fails leaves nothing to do: closing the handle rolls back.
    static_cast<void>(0);
  }
}

void Transaction::commit() {
  database_->execute("COMMIT");
  database_ = nullptr;
}

void Transaction::rollback() {
  database_->execute("ROLLBACK");
  database_ = nullptr;
}

void remove_database(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const std::string file = path + suffix;
    if (::unlink(file.c_str()) == 0 || errno == ENOENT) continue;
    throw Error("cannot remove: " + std::generic_category().message(errno), file,
                "check the permissions of its folder");
  }
}

std::string quote_identifier(std::string_view name) {
  std::string quoted = "\"";
  for (char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string quote_literal(std::string_view text) {
  std::string quoted = "'";
  for (char c : text) {
    if (c == '\'') quoted += '\'';
    quoted += c;
  }
  return quoted + "'";
}

}  // namespace tandem::state
