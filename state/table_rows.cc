#include "state/table_rows.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace tandem::state {
namespace {

// Rows read at once while a range is compared by hash: bounds the memory of a range from which very
// many rows have gone.
constexpr std::int64_t kPage = 20'000;

std::string lower_ascii(std::string bytes) {
  for (char& c : bytes) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return bytes;
}

Value folded(const Value& value, const std::string& collation) {
  if (value.kind() == ValueKind::kReal) {
    // An integral real and the integer are one key to SQLite.
    double number = value.as_real();
    if (number >= -9.2e18 && number <= 9.2e18 && std::trunc(number) == number) {
      return Value::integer(static_cast<std::int64_t>(number));
    }
    return value;
  }
  if (value.kind() != ValueKind::kText) return value;
  std::string name = lower_ascii(collation);
  if (name == "nocase") return Value::text(lower_ascii(value.bytes()));
  if (name == "rtrim") {
    std::string bytes = value.bytes();
    while (!bytes.empty() && bytes.back() == ' ') bytes.pop_back();
    return Value::text(std::move(bytes));
  }
  return value;
}

int rank(ValueKind kind) {
  switch (kind) {
    case ValueKind::kNull:
    case ValueKind::kUnchanged:
      return 0;
    case ValueKind::kInteger:
    case ValueKind::kReal:
      return 1;
    case ValueKind::kText:
      return 2;
    case ValueKind::kBlob:
      return 3;
  }
  return 0;
}

double as_double(const Value& value) {
  return value.kind() == ValueKind::kInteger ? static_cast<double>(value.as_integer())
                                             : value.as_real();
}

bool same_value(const Statement& row, int column, const Value& expected) {
  switch (expected.kind()) {
    case ValueKind::kNull:
      return row.is_null(column);
    case ValueKind::kUnchanged:
      return true;
    case ValueKind::kInteger:
      return row.kind(column) == ValueKind::kInteger &&
             row.integer(column) == expected.as_integer();
    case ValueKind::kReal:
      return row.kind(column) == ValueKind::kReal &&
             std::bit_cast<std::uint64_t>(row.real(column)) ==
                 std::bit_cast<std::uint64_t>(expected.as_real());
    case ValueKind::kText:
    case ValueKind::kBlob:
      return row.kind(column) == expected.kind() && row.view(column) == expected.bytes();
  }
  return false;
}

}  // namespace

std::string key_identity(const TableSchema& schema, const Row& key) {
  Row identity;
  identity.reserve(key.size());
  for (std::size_t i = 0; i < key.size(); ++i) {
    identity.push_back(
        folded(key[i], schema.columns.at(static_cast<std::size_t>(schema.key.at(i))).collation));
  }
  return encode_row(identity);
}

bool key_before(const Row& a, const Row& b) {
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    const Value& x = a[i];
    const Value& y = b[i];
    if (rank(x.kind()) != rank(y.kind())) return rank(x.kind()) < rank(y.kind());
    if (rank(x.kind()) == 1) {
      if (x.kind() == ValueKind::kInteger && y.kind() == ValueKind::kInteger) {
        if (x.as_integer() != y.as_integer()) return x.as_integer() < y.as_integer();
      } else if (as_double(x) != as_double(y)) {
        return as_double(x) < as_double(y);
      }
    } else if (int order = x.bytes().compare(y.bytes()); order != 0) {
      return order < 0;
    }
  }
  return a.size() < b.size();
}

TableRows::TableRows(Database& database, TableSchema schema)
    : database_(database), schema_(std::move(schema)) {
  std::string table = quote_identifier(schema_.name);
  std::string columns;
  std::string marks;
  for (const Column& column : schema_.columns) {
    columns += (columns.empty() ? "" : ", ") + quote_identifier(column.name);
    marks += marks.empty() ? "?" : ", ?";
  }
  std::string key;
  std::string key_marks;
  std::string same;
  for (int index : schema_.key) {
    std::string name = quote_identifier(schema_.columns.at(static_cast<std::size_t>(index)).name);
    key += (key.empty() ? "" : ", ") + name;
    key_marks += key_marks.empty() ? "?" : ", ?";
    same += (same.empty() ? "" : " AND ") + name + " = ?";
  }
  find_ = database.prepare("SELECT " + columns + " FROM " + table + " WHERE " + same);
  put_ = database.prepare("INSERT OR REPLACE INTO " + table + "(" + columns + ") VALUES(" + marks +
                          ")");
  remove_ = database.prepare("DELETE FROM " + table + " WHERE " + same);
  std::string select = "SELECT " + columns + " FROM " + table + " WHERE ";
  std::string after = "(" + key + ") > (" + key_marks + ")";
  std::string until = "(" + key + ") <= (" + key_marks + ")";
  std::string order = " ORDER BY " + key;
  range_all_ = database.prepare(select + "1" + order);
  range_after_ = database.prepare(select + after + order);
  range_until_ = database.prepare(select + until + order);
  range_between_ = database.prepare(select + after + " AND " + until + order);
}

std::optional<Row> TableRows::find(const Row& key) {
  find_.bind_row(1, key);
  std::optional<Row> row;
  if (find_.step()) row = find_.row(0, static_cast<int>(schema_.columns.size()));
  find_.reset();
  return row;
}

void TableRows::put(const Row& row) {
  if (row.size() != schema_.columns.size()) {
    throw Error("a row in the log has another number of columns than its table", schema_.name,
                "reset the state and sync again");
  }
  put_.bind_row(1, row).run();
}

void TableRows::remove(const Row& key) { remove_.bind_row(1, key).run(); }

void TableRows::remove_all() { database_.execute("DELETE FROM " + quote_identifier(schema_.name)); }

Statement& TableRows::bind_range(const Row& from, const Row& to) {
  Statement& range = from.empty() ? (to.empty() ? range_all_ : range_until_)
                                  : (to.empty() ? range_after_ : range_between_);
  int next = 1;
  if (!from.empty()) {
    range.bind_row(next, from);
    next += static_cast<int>(from.size());
  }
  if (!to.empty()) range.bind_row(next, to);
  return range;
}

bool TableRows::same_row(const Statement& row, const Row& expected) const {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!same_value(row, static_cast<int>(i), expected[i])) return false;
  }
  return true;
}

std::int64_t TableRows::put_changed(const Row& before, const Row& after, const Changed& changed) {
  changed(&before, &after, false);
  put(after);
  changed(&before, &after, true);
  return 1;
}

std::int64_t TableRows::make_exact(const Chunk& chunk, const Changed& changed) {
  // Both sides come in key order. As long as they are equal, row for row, nothing is built or
  // looked up; this is the path of a re-snapshot that finds nothing.
  Statement& range = bind_range(chunk.from, chunk.to);
  std::size_t equal = 0;
  bool more = range.step();
  while (more && equal < chunk.rows.size() && same_row(range, chunk.rows[equal])) {
    ++equal;
    more = range.step();
  }
  range.reset();
  if (!more && equal == chunk.rows.size()) return 0;
  if (!more && chunk.touched.empty()) {
    // The replica holds nothing beyond: what is left of the chunk is new.
    for (std::size_t i = equal; i < chunk.rows.size(); ++i) {
      put(chunk.rows[i]);
      changed(nullptr, &chunk.rows[i], true);
    }
    return static_cast<std::int64_t>(chunk.rows.size() - equal);
  }
  Row from = equal == 0 ? chunk.from : schema_.key_of(chunk.rows[equal - 1]);
  return merge_rest(chunk, equal, from, changed);
}

// Compares by hash: the chunk's rows from `first` on are known by their key, the replica's are read
// in pages.
std::int64_t TableRows::merge_rest(const Chunk& chunk, std::size_t first, const Row& from,
                                   const Changed& changed) {
  std::unordered_map<std::string, const Row*> wanted;
  for (std::size_t i = first; i < chunk.rows.size(); ++i) {
    wanted.emplace(key_identity(schema_, schema_.key_of(chunk.rows[i])), &chunk.rows[i]);
  }
  std::unordered_set<std::string> touched;
  for (const Row& key : chunk.touched) touched.insert(key_identity(schema_, key));
  std::int64_t written = 0;
  Row last = from;
  for (bool more = true; more;) {
    std::vector<std::pair<Row, const Row*>> differing;  // as it is, as it should be
    std::int64_t seen = 0;
    Statement& range = bind_range(last, chunk.to);
    while (seen < kPage && (more = range.step())) {
      ++seen;
      Row row = range.row(0, static_cast<int>(schema_.columns.size()));
      Row key = schema_.key_of(row);
      std::string identity = key_identity(schema_, key);
      last = std::move(key);
      if (touched.contains(identity)) {
        wanted.erase(identity);
        continue;
      }
      auto found = wanted.find(identity);
      const Row* should = found == wanted.end() ? nullptr : found->second;
      if (found != wanted.end()) wanted.erase(found);
      if (should == nullptr || row != *should) differing.emplace_back(std::move(row), should);
    }
    range.reset();
    for (const auto& [row, should] : differing) {
      if (should != nullptr) {
        written += put_changed(row, *should, changed);
      } else {
        changed(&row, nullptr, false);
        remove(schema_.key_of(row));
        ++written;
      }
    }
  }
  for (std::size_t i = first; i < chunk.rows.size(); ++i) {
    std::string identity = key_identity(schema_, schema_.key_of(chunk.rows[i]));
    if (!wanted.contains(identity) || touched.contains(identity)) continue;
    put(chunk.rows[i]);
    changed(nullptr, &chunk.rows[i], true);
    ++written;
  }
  return written;
}

}  // namespace tandem::state
