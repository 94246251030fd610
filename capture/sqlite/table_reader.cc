#include "capture/sqlite/table_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "capture/sqlite/index_text.h"
#include "capture/sqlite/triggers.h"
#include "state/failpoint.h"

namespace tandem::capture {
namespace {

using state::quote_identifier;

constexpr std::size_t kChunkRows = 5000;
constexpr std::size_t kChunkBytes = 1U << 20U;

const std::string& column_name(const state::TableSchema& schema, int column) {
  return schema.columns[static_cast<std::size_t>(column)].name;
}

std::string column_list(const state::TableSchema& schema, const std::string& row) {
  std::string list;
  for (const state::Column& column : schema.columns) {
    list += (list.empty() ? "" : ", ") + row + quote_identifier(column.name);
  }
  return list;
}

std::string key_list(const state::TableSchema& schema) {
  std::string list;
  for (int column : schema.key) {
    list += (list.empty() ? "" : ", ") + quote_identifier(column_name(schema, column));
  }
  return list;
}

// ?1 and ?2: the range of seq, ?3 and ?4: the table's number and its negative. The group puts the
// keys in order, so that the searches run along the table, and large ranges spill to a temporary
// file.
std::string changes_query(const TableShape& shape) {
  const state::TableSchema& schema = shape.schema;
  std::string keys = log_key_columns(schema.key.size());
  std::string found, join;
  for (std::size_t i = 0; i < schema.key.size(); ++i) {
    std::string column = "r." + quote_identifier(column_name(schema, schema.key[i]));
    std::string logged = "g.k" + std::to_string(i + 1);
    found += (found.empty() ? "" : ", ") + logged;
    join += fmt::format("{}{} = {}", join.empty() ? "" : " AND ", column, logged);
    const std::string& own = schema.columns[static_cast<std::size_t>(schema.key[i])].collation;
    if (!same_name(shape.key_collations[i], own)) {
      // The index compares by another collation than the column: search by its, decide by the own.
      join += fmt::format(" AND {} COLLATE {} = {}", column,
                          quote_identifier(shape.key_collations[i]), logged);
    }
  }
  return "SELECT " + found + ", " + column_list(schema, "r.") + " FROM (SELECT " + keys +
         " FROM _tandem_log WHERE seq > ?1 AND seq <= ?2 AND t IN (?3, ?4) GROUP BY " + keys +
         ") AS g LEFT JOIN main." + quote_identifier(schema.name) + " AS r ON " + join;
}

std::string page_query(const state::TableSchema& schema, bool from) {
  std::string keys = key_list(schema);
  std::string sql =
      "SELECT " + column_list(schema, "") + " FROM main." + quote_identifier(schema.name);
  if (from) {
    std::string parameters;
    for (std::size_t i = 1; i <= schema.key.size(); ++i) {
      parameters += (i == 1 ? "?" : ", ?") + std::to_string(i);
    }
    sql += " WHERE (" + keys + ") > (" + parameters + ")";
  }
  return sql + " ORDER BY " + keys + " LIMIT ?" + std::to_string(schema.key.size() + 1);
}

}  // namespace

std::string row_query(const state::TableSchema& schema) {
  std::string condition;
  for (std::size_t i = 0; i < schema.key.size(); ++i) {
    condition += (i == 0 ? "" : " AND ") + quote_identifier(column_name(schema, schema.key[i])) +
                 " = ?" + std::to_string(i + 1);
  }
  return "SELECT " + column_list(schema, "") + " FROM main." + quote_identifier(schema.name) +
         " WHERE " + condition;
}

std::size_t size_of(const state::Row& row) {
  std::size_t size = 16;
  for (const state::Value& value : row) size += 9 + value.bytes().size();
  return size;
}

PageReader::PageReader(state::Database& database, const state::TableSchema& schema)
    : schema_(schema),
      first_(database, page_query(schema, false)),
      next_(database, page_query(schema, true)) {}

PageReader::Page PageReader::read(const state::Row& from, std::size_t rows, std::size_t bytes) {
  Page page;
  state::Statement& query = from.empty() ? first_ : next_;
  if (!from.empty()) query.bind_row(1, from);
  query.bind(static_cast<int>(schema_.key.size()) + 1, static_cast<std::int64_t>(rows));
  page.rows.reserve(std::min<std::size_t>(rows, 64));
  std::size_t size = 0;
  bool ended = true;
  try {
    while (query.step()) {
      page.rows.push_back(query.row(0, static_cast<int>(schema_.columns.size())));
      size += size_of(page.rows.back());
      if (size >= bytes || page.rows.size() >= rows) {
        ended = false;
        break;
      }
    }
  } catch (...) {
    query.reset();
    throw;
  }
  query.reset();
  if (!ended) page.to = schema_.key_of(page.rows.back());
  return page;
}

TableReader::TableReader(state::Database& database, const CapturedTable& table)
    : database_(database),
      shape_(table.shape.value()),
      number_(table.number),
      changes_(database, changes_query(shape_)),
      pages_(database, shape_.schema) {}

void TableReader::refuse_null_key() {
  std::string query = shape_.key_may_be_null ? query_of_null_keys(database_, shape_) : "";
  if (query.empty()) return;
  throw state::Error("a row of table " + shape_.schema.name +
                         " has a null in its key, so it cannot be told from others",
                     database_.path(),
                     "give the row a key or delete it (" + query +
                         " shows it), or name other columns in source.tables." +
                         shape_.schema.name + ".key; the sync then goes on where it stopped");
}

void TableReader::changes(std::uint64_t after, std::uint64_t through, Transactions& out) {
  const auto keys = static_cast<int>(shape_.schema.key.size());
  const auto columns = static_cast<int>(shape_.schema.columns.size());
  changes_.bind(1, static_cast<std::int64_t>(after));
  changes_.bind(2, static_cast<std::int64_t>(through));
  changes_.bind(3, number_).bind(4, -number_);
  bool null_key = false;
  try {
    while (changes_.step()) {
      TANDEM_FAILPOINT("capture.drain.row");
      // A row that is there has no null in its key: nothing equals null.
      if (!changes_.is_null(keys + shape_.schema.key.front())) {
        out.change(shape_.schema.name, state::Op::kUpdate, {}, changes_.row(keys, columns));
        continue;
      }
      state::Row key = changes_.row(0, keys);
      bool null_part = false;
      for (const state::Value& value : key) null_part = null_part || value.is_null();
      if (null_part) {
        null_key = true;
      } else {
        out.change(shape_.schema.name, state::Op::kDelete, std::move(key), {});
      }
    }
  } catch (...) {
    changes_.reset();
    throw;
  }
  changes_.reset();
  if (null_key) refuse_null_key();
}

void TableReader::chunk(state::TableProgress& progress, Transactions& out) {
  if (progress.next_from.empty()) refuse_null_key();
  PageReader::Page page = pages_.read(progress.next_from, kChunkRows, kChunkBytes);
  out.chunk(shape_.schema.name, progress.next_from, page.to, std::move(page.rows), {});
  progress.snapshotting = !page.to.empty();
  progress.next_from = std::move(page.to);
}

}  // namespace tandem::capture
