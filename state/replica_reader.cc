// Reading the replica beside the fold.
#include "state/replica_tables.h"
#include "state/source_order.h"

namespace tandem::state {

ReplicaReader::ReplicaReader(const std::string& path) : database_(path, OpenMode::kReadOnly) {
  database_.execute("PRAGMA cache_size = -16384");
  add_source_collations(database_);
}

void ReplicaReader::renew() {
  rest();
  database_.execute("BEGIN");
  // A read transaction takes its snapshot with its first read.
  database_.query_value("SELECT next FROM _tandem_position");
}

void ReplicaReader::rest() {
  if (database_.in_transaction()) database_.execute("COMMIT");
}

ReplicaPosition ReplicaReader::position() { return read_position(database_); }

std::unordered_map<std::string, ReplicaTable> ReplicaReader::tables() {
  return read_tables(database_);
}

std::vector<Mark> ReplicaReader::marks_after(MarkNumber after, std::size_t limit) {
  auto select = database_.prepare(
      "SELECT name, root, number, offset FROM _tandem_marks JOIN _tandem_documents ON id = "
      "document "
      "WHERE number > ? ORDER BY number LIMIT ?");
  select.bind(1, after).bind(2, static_cast<std::int64_t>(limit));
  std::vector<Mark> marks;
  while (select.step()) {
    marks.push_back({select.text(0), select.text(1), select.integer(2), select.integer(3)});
  }
  return marks;
}

std::vector<WideMark> ReplicaReader::wide_marks() {
  auto select = database_.prepare(
      "SELECT name, path, vals, number, offset FROM _tandem_wide_marks JOIN _tandem_documents ON "
      "id = document ORDER BY number");
  std::vector<WideMark> marks;
  while (select.step()) {
    marks.push_back({select.text(0), select.integer(1), decode_row(select.view(2)),
                     select.integer(3), select.integer(4)});
  }
  return marks;
}

std::optional<MarkNumber> ReplicaReader::mark_number(const std::string& document,
                                                     const std::string& root) {
  auto select = database_.prepare(
      "SELECT number FROM _tandem_marks JOIN _tandem_documents ON id = document WHERE name = ? AND "
      "root = ?");
  select.bind(1, std::string_view(document)).bind_blob(2, root);
  if (!select.step()) return std::nullopt;
  return select.integer(0);
}

std::int64_t ReplicaReader::mark_count() {
  return database_.query_value("SELECT count(*) FROM _tandem_marks").as_integer();
}

std::optional<MarkNumber> ReplicaReader::lowest_mark() {
  Value lowest = database_.query_value("SELECT min(number) FROM _tandem_marks");
  if (lowest.is_null()) return std::nullopt;
  return lowest.as_integer();
}

}  // namespace tandem::state
