#include "state/table_rows.h"

#include <bit>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "state/key_order.h"
#include "state/table_shape.h"

namespace tandem::state {
namespace {

// Rows read at once while a range is compared by hash: bounds the memory of a range from which very
// many rows have gone.
constexpr std::int64_t kPage = 20'000;
// Statements for the sets of columns that change together.
constexpr std::size_t kUpdatesKept = 32;

StorageAffinity stored_affinity(const Column& column) {
  if (column.form == ColumnForm::kAny) return storage_affinity(column.declared_type);
  const bool integer = column.form == ColumnForm::kInteger && !column.declared_type.empty();
  return integer ? StorageAffinity::kInteger : StorageAffinity::kBlob;
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

TableRows::TableRows(Database& database, TableSchema schema)
    : database_(database), schema_(std::move(schema)), stored_(stored_schema(database, schema_)) {
  prepare();
}

void TableRows::prepare() {
  affinities_.clear();
  for (const Column& column : stored_.columns) {
    affinities_.push_back(stored_affinity(column));
  }
  rowid_ = has_rowid_key(stored_) ? schema_.key[0] : -1;
  std::string table = quote_identifier(schema_.name);
  std::string columns;
  std::string marks;
  for (const Column& column : schema_.columns) {
    columns += (columns.empty() ? "" : ", ") + quote_identifier(column.name);
    marks += marks.empty() ? "?" : ", ?";
  }
  std::string key;
  std::string key_marks;
  same_key_.clear();
  for (int index : schema_.key) {
    std::string name = quote_identifier(schema_.columns.at(static_cast<std::size_t>(index)).name);
    key += (key.empty() ? "" : ", ") + name;
    key_marks += key_marks.empty() ? "?" : ", ?";
    same_key_ += (same_key_.empty() ? "" : " AND ") + name + " = ?";
  }
  std::string into = " INTO " + table + "(" + columns + ") VALUES(" + marks + ")";
  find_ = database_.prepare("SELECT " + columns + " FROM " + table + " WHERE " + same_key_);
  insert_ = database_.prepare("INSERT" + into);
  insert_new_ = database_.prepare("INSERT OR IGNORE" + into);
  respell_ = database_.prepare("INSERT OR REPLACE" + into);
  remove_ = database_.prepare("DELETE FROM " + table + " WHERE " + same_key_);
  std::string select = "SELECT " + columns + " FROM " + table + " WHERE ";
  std::string after = "(" + key + ") > (" + key_marks + ")";
  std::string until = "(" + key + ") <= (" + key_marks + ")";
  std::string order = " ORDER BY " + key;
  range_all_ = database_.prepare(select + "1" + order);
  range_after_ = database_.prepare(select + after + order);
  range_until_ = database_.prepare(select + until + order);
  range_between_ = database_.prepare(select + after + " AND " + until + order);
}

bool TableRows::keeps_value(int column, const Value& value) const {
  if (column == rowid_) return value.kind() == ValueKind::kInteger;
  return keeps(affinities_[static_cast<std::size_t>(column)], value);
}

// From here on the columns take any value as it is.
void TableRows::loosen(const std::vector<int>& columns) {
  for (Statement* statement : {&find_, &insert_, &insert_new_, &respell_, &remove_, &range_all_,
                               &range_after_, &range_until_, &range_between_}) {
    *statement = Statement();
  }
  updates_.clear();
  TableSchema looser = stored_;
  for (int column : columns) {
    looser.columns[static_cast<std::size_t>(column)].declared_type.clear();
  }
  rebuild_table(database_, stored_, looser, true);
  stored_ = std::move(looser);
  prepare();
}

void TableRows::fit(const Row& row) {
  if (row.size() != schema_.columns.size()) {
    throw Error("a row in the log has another number of columns than its table", schema_.name,
                "reset the state and sync again");
  }
  std::vector<int> altering;
  for (int column = 0; column < static_cast<int>(row.size()); ++column) {
    if (!keeps_value(column, row[static_cast<std::size_t>(column)])) altering.push_back(column);
  }
  if (!altering.empty()) loosen(altering);
}

void TableRows::fit_key(const Row& key) {
  if (key.size() != schema_.key.size()) {
    throw Error("a key in the log has another number of columns than its table's", schema_.name,
                "reset the state and sync again");
  }
  std::vector<int> altering;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (!keeps_value(schema_.key[i], key[i])) altering.push_back(schema_.key[i]);
  }
  if (!altering.empty()) loosen(altering);
}

std::optional<Row> TableRows::find(const Row& key) {
  fit_key(key);
  find_.bind_row_borrowed(1, key);
  std::optional<Row> row;
  if (find_.step()) row = find_.row(0, static_cast<int>(schema_.columns.size()));
  find_.reset();
  return row;
}

void TableRows::insert(const Row& row) {
  fit(row);
  insert_.bind_row_borrowed(1, row).run();
}

void TableRows::replace(const Row& before, const Row& after) {
  fit(after);
  std::vector<bool> changed(after.size());
  for (std::size_t i = 0; i < after.size(); ++i) changed[i] = !(before.at(i) == after[i]);
  for (int index : schema_.key) {
    if (!changed[static_cast<std::size_t>(index)]) continue;
    respell_.bind_row_borrowed(1, after).run();
    return;
  }
  Statement& update = update_of(changed);
  int next = 1;
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (changed[i]) update.bind_borrowed(next++, after[i]);
  }
  for (int index : schema_.key) {
    update.bind_borrowed(next++, after[static_cast<std::size_t>(index)]);
  }
  update.run();
}

Statement& TableRows::update_of(const std::vector<bool>& changed) {
  auto found = updates_.find(changed);
  if (found != updates_.end()) return found->second;
  if (updates_.size() >= kUpdatesKept) updates_.clear();
  std::string set;
  for (std::size_t i = 0; i < changed.size(); ++i) {
    if (changed[i]) {
      set += (set.empty() ? "" : ", ") + quote_identifier(schema_.columns[i].name) + " = ?";
    }
  }
  return updates_
      .emplace(changed, database_.prepare("UPDATE " + quote_identifier(schema_.name) + " SET " +
                                          set + " WHERE " + same_key_))
      .first->second;
}

void TableRows::remove(const Row& key) {
  fit_key(key);
  remove_.bind_row_borrowed(1, key).run();
}

Statement& TableRows::bind_range(const Row& from, const Row& to) {
  if (!from.empty()) fit_key(from);
  if (!to.empty()) fit_key(to);
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
  replace(before, after);
  changed(&before, &after, true);
  return 1;
}

std::int64_t TableRows::put(const Chunk& chunk, bool new_rows, const Changed& changed) {
  std::unordered_set<std::string> touched;
  for (const Row& key : chunk.touched) touched.insert(key_identity(schema_, key));
  std::int64_t written = 0;
  for (const Row& row : chunk.rows) {
    if (!touched.empty() && touched.contains(key_identity(schema_, schema_.key_of(row)))) continue;
    written += put_row(row, new_rows, changed);
  }
  return written;
}

std::int64_t TableRows::put_row(const Row& row, bool new_row, const Changed& changed) {
  if (new_row) {
    fit(row);
    insert_new_.bind_row_borrowed(1, row).run();
    if (database_.changes() > 0) {
      changed(nullptr, &row, true);
      return 1;
    }
  }
  const Row key = schema_.key_of(row);
  fit_key(key);
  find_.bind_row_borrowed(1, key);
  std::optional<Row> before;
  const bool there = find_.step();
  const bool equal = there && same_row(find_, row);
  if (there && !equal) before = find_.row(0, static_cast<int>(schema_.columns.size()));
  find_.reset();
  if (equal) return 0;
  if (before) return put_changed(*before, row, changed);
  insert(row);
  changed(nullptr, &row, true);
  return 1;
}

std::int64_t TableRows::remove_if_there(const Row& key, const Changed& changed) {
  const std::optional<Row> row = find(key);
  if (!row) return 0;
  changed(&*row, nullptr, false);
  remove(key);
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
      insert(chunk.rows[i]);
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
    insert(chunk.rows[i]);
    changed(nullptr, &chunk.rows[i], true);
    ++written;
  }
  return written;
}

}  // namespace tandem::state
