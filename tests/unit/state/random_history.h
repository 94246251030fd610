// Random histories of a source, as the log that captures of it may leave behind, and the state that
// a replica must have after each whole transaction.
//
// The source is kept as plain lists of rows; which keys are one and how they order is asked of
// SQLite. The log holds what a log may hold: changes of keys, swaps, unchanged values, truncations,
// chunks, changes of columns, dropped tables, gaps with changes missed, transactions cut off and
// published again, published twice, and written by a capture that has been succeeded.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "state/key_order.h"
#include "state/record.h"
#include "state/sqlite.h"
#include "state/storage_affinity.h"

namespace tandem::state {

/// Compares keys as a SQLite column of the given collation does.
class KeyOracle {
 public:
  int compare(const TableSchema& schema, const Row& a, const Row& b) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      int order =
          compare(schema.columns[static_cast<std::size_t>(schema.key[i])].collation, a[i], b[i]);
      if (order != 0) return order;
    }
    return 0;
  }

 private:
  int compare(const std::string& collation, const Value& a, const Value& b) {
    auto [place, added] = compare_.try_emplace(collation);
    if (added) {
      place->second = database_.prepare("SELECT (?1 > ?2 COLLATE " + collation +
                                        ") - (?1 < ?2 COLLATE " + collation + ")");
    }
    Statement& statement = place->second;
    statement.bind(1, a).bind(2, b);
    statement.step();
    int order = static_cast<int>(statement.integer(0));
    statement.reset();
    return order;
  }

  Database database_{"", OpenMode::kReadWriteCreate};
  std::map<std::string, Statement> compare_;
};

/// The order in which the source has the keys: SQLite's, or for a schema without an ordered key a
/// shuffled one, which has nothing to do with it.
inline int source_order(KeyOracle& oracle, const TableSchema& schema, const Row& a, const Row& b) {
  const int order = oracle.compare(schema, a, b);
  if (schema.has_ordered_key() || order == 0) return order;
  const auto hash = [&](const Row& key) {
    return std::hash<std::string>()(key_identity(schema, key));
  };
  const std::size_t first = hash(a);
  const std::size_t second = hash(b);
  if (first == second) return order;
  return first < second ? -1 : 1;
}

class RandomHistory {
 public:
  struct Entry {
    Record record;
    std::uint64_t epoch = 0;
  };
  struct Table {
    TableSchema schema;
    bool whole = false;
    std::vector<Row> rows;
  };
  using State = std::map<std::string, Table>;

  explicit RandomHistory(std::uint64_t seed) : random_(seed) {
    make_shapes();
    claim();
    for (std::size_t i = 0; i < shapes_.size(); ++i) create_table(i);
  }

  void grow(int steps) {
    for (int i = 0; i < steps; ++i) step();
    // What was cut off last is published again.
    transaction([&] { random_changes(); });
  }

  /// Entry i has the offset i + 1.
  const std::vector<Entry>& log() const { return log_; }
  const std::vector<std::string>& names() const { return names_; }
  /// What a replica holds that has folded everything before `next`.
  const State& state_before(Offset next) const {
    auto after = states_.lower_bound(next);
    return std::prev(after)->second;
  }
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  struct Source {
    Table table;
    bool exists = false;
    std::optional<Row> covered;  // while it is read
    // While it is not whole, by key_identity: the keys that changes have made right since it began,
    // and of rows the columns that may be wrong, because changes left them out.
    std::map<std::string, Row> streamed;
    std::map<std::string, std::set<std::size_t>> doubtful;

    void begin_anew() {
      table.whole = false;
      covered.reset();
      streamed.clear();
      doubtful.clear();
    }
  };

  static Column column(const char* name, const char* type, const char* collation = "BINARY") {
    Column made;
    made.name = name;
    made.declared_type = type;
    made.collation = collation;
    return made;
  }

  void make_shapes() {
    auto shape = [&](const char* name, std::vector<Column> columns, std::vector<int> key) {
      TableSchema made;
      made.name = name;
      made.columns = std::move(columns);
      made.key = key;
      made.unique_keys = {key};
      names_.emplace_back(name);
      shapes_.push_back(std::move(made));
    };
    shape("Plain",
          {column("id", "INTEGER"), column("a", "TEXT"), column("b", ""), column("c", "REAL"),
           column("d", "DATETIME")},
          {0});
    shape("Untyped key", {column("v", "BLOB"), column("k", ""), column("w", "INTEGER")}, {1});
    shape("order",
          {column("second", ""), column("v", "TEXT", "RTRIM"), column("first", "TEXT", "NOCASE")},
          {2, 0});
    shape("rtrim\"med", {column("k", "VARCHAR(9)", "RTRIM"), column("v", "NUMERIC")}, {0});
    shape("any", {column("k", "ANY"), column("v", "ANY", "nocase")}, {0});
    shape("elsewhere ordered", {column("v", "ANY"), column("k", "ANY"), column("w", "")}, {1});
    shapes_.back().columns[1].comparison = Comparison::kEquality;
    shape("pair elsewhere ordered", {column("k", ""), column("l", ""), column("v", "")}, {1, 0});
    shapes_.back().columns[0].comparison = Comparison::kNone;
    for (std::size_t i = 0; i < shapes_.size(); ++i) {
      sources_.emplace_back();
      sources_.back().table.schema = shapes_[i];
    }
  }

  Value any_value() {
    static const std::vector<Value> kValues = {
        Value::null(),
        Value::integer(0),
        Value::integer(1),
        Value::integer(-7),
        Value::integer(INT64_MAX),
        Value::integer(INT64_MIN),
        Value::integer(9007199254740993),
        Value::real(0.0),
        Value::real(-0.0),
        Value::real(1.0),
        Value::real(0.1),
        Value::real(9007199254740992.0),
        Value::real(1e300),
        Value::real(9.2233720368547758e18),
        Value::real(std::numeric_limits<double>::infinity()),
        Value::text(""),
        Value::text("a"),
        Value::text("A"),
        Value::text("a "),
        Value::text("ab"),
        Value::text("1"),
        Value::text("1.0"),
        Value::text("2021-01-01"),
        Value::text(std::string("a\0b", 3)),
        Value::text(std::string("A\0c", 3)),
        Value::text("\xff\xfe"),
        Value::blob(""),
        Value::blob("a"),
        Value::blob(std::string("\0", 1)),
        Value::text("a text that is long enough to need memory of its own")};
    return kValues[below(kValues.size())];
  }

  /// Mostly what a column of the type holds; now and then what only an old catalog explains.
  Value value_for(const Column& column, bool key) {
    bool odd = one_in(60);
    StorageAffinity affinity = column.declared_type == "ANY"
                                   ? StorageAffinity::kBlob
                                   : storage_affinity(column.declared_type);
    for (;;) {
      Value value = any_value();
      if (key && value.is_null()) continue;
      if (key && column.declared_type == "INTEGER" && !odd) {
        return Value::integer(static_cast<std::int64_t>(below(12)));
      }
      if (odd || keeps(affinity, value)) return value;
    }
  }

  Row random_row(const TableSchema& schema) {
    Row row;
    for (std::size_t i = 0; i < schema.columns.size(); ++i) {
      bool key =
          std::find(schema.key.begin(), schema.key.end(), static_cast<int>(i)) != schema.key.end();
      row.push_back(value_for(schema.columns[i], key));
    }
    return row;
  }

  std::size_t find(const Table& table, const Row& key) {
    std::size_t i = 0;
    while (i < table.rows.size() &&
           keys_.compare(table.schema, table.schema.key_of(table.rows[i]), key) != 0) {
      ++i;
    }
    return i;
  }

  static void set_key(const TableSchema& schema, Row& row, const Row& key) {
    for (std::size_t i = 0; i < key.size(); ++i) {
      row[static_cast<std::size_t>(schema.key[i])] = key[i];
    }
  }

  // ---- the log
  // -----------------------------------------------------------------------------------

  void append(Record record) { log_.push_back({std::move(record), epoch_}); }

  void remember() {
    State& state = states_[static_cast<Offset>(log_.size())];
    for (const Source& source : sources_) {
      if (source.exists) state[source.table.schema.name] = source.table;
    }
  }

  void claim() {
    epoch_ += 1 + below(3);
    append(Epoch{epoch_});
    remember();
  }

  /// Records of `make` between a Begin and an End; some of them once before, without the End.
  template <typename Make>
  void transaction(Make make) {
    if (one_in(3)) {
      position_ = {position_.commit, position_.ordinal + 1};
    } else {
      position_ = {position_.commit + 1 + below(3), below(2)};
    }
    records_.clear();
    arrived_.clear();
    make();
    if (one_in(12)) {
      append(Begin{position_, 1});
      std::size_t some = below(records_.size() + 1);
      for (std::size_t i = 0; i < some; ++i) append(records_[i]);
      if (one_in(2)) claim_quietly();
    }
    publish(true);
    if (one_in(12)) {
      if (one_in(2)) claim_quietly();
      publish(false);
    }
  }

  /// A claim between a transaction and its repetition: the state is that before it.
  void claim_quietly() {
    epoch_ += 1;
    append(Epoch{epoch_});
  }

  void publish(bool first) {
    append(Begin{position_, 1});
    for (const Record& record : records_) {
      if (one_in(40)) zombie();
      append(record);
    }
    append(End{{position_, {}, ""}});
    if (first) remember();
  }

  /// What a capture of an older epoch had on its way.
  void zombie() {
    std::uint64_t epoch = std::exchange(epoch_, epoch_ - 1);
    SourcePosition far = {position_.commit + 100, 0};
    append(Begin{far, 1});
    append(Change{Op::kTruncate, static_cast<std::uint32_t>(below(sources_.size())), {}, {}});
    if (one_in(2)) append(End{{far, {}, ""}});
    epoch_ = epoch;
  }

  // ---- the source
  // --------------------------------------------------------------------------------

  void step() {
    switch (below(30)) {
      case 0:
        missed_changes();
        break;
      case 1:
        change_columns();
        break;
      case 2:
        drop_table();
        break;
      case 3:
        claim();
        break;
      case 4:
        append(Heartbeat{{position_, {}, ""}, 1});
        break;
      case 5:
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
      case 11:
        transaction([&] {
          if (one_in(2)) random_changes();
          random_chunk();
        });
        break;
      default:
        transaction([&] { random_changes(); });
    }
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (!sources_[i].exists && one_in(6)) create_table(i);
    }
  }

  void create_table(std::size_t index) {
    Source& source = sources_[index];
    source.exists = true;
    source.table.schema = shapes_[index];
    source.begin_anew();
    source.table.rows.clear();
    transaction([&] {
      records_.emplace_back(SchemaRecord{source.table.schema, true});
      if (one_in(2)) chunk_of(index);
    });
  }

  void drop_table() {
    std::size_t index = below(sources_.size());
    Source& source = sources_[index];
    if (!source.exists) return;
    source.exists = false;
    transaction([&] {
      TableSchema gone;
      gone.name = source.table.schema.name;
      records_.emplace_back(SchemaRecord{gone, true});
    });
  }

  void change_columns() {
    std::size_t index = below(sources_.size());
    Source& source = sources_[index];
    if (!source.exists) return;
    TableSchema& schema = source.table.schema;
    bool reread = true;
    if (one_in(4)) {
      // An index more: the rows stay as they are.
      schema.unique_keys.push_back({0, 1});
      reread = false;
    } else if (schema.columns.size() > shapes_[index].columns.size()) {
      schema.columns.pop_back();
      for (Row& row : source.table.rows) row.pop_back();
    } else if (one_in(3)) {
      for (Column& column : schema.columns) {
        if (column.declared_type == "TEXT") column.declared_type = "NUMERIC";
      }
    } else {
      schema.columns.push_back(column("added", one_in(2) ? "INTEGER" : "TEXT"));
      Value filled = value_for(schema.columns.back(), false);
      for (Row& row : source.table.rows) row.push_back(filled);
    }
    if (reread) source.begin_anew();
    transaction([&] {
      records_.emplace_back(SchemaRecord{schema, reread});
      if (one_in(3)) random_changes();
    });
  }

  void missed_changes() {
    records_.clear();
    random_changes();
    for (Source& source : sources_) source.begin_anew();
    if (one_in(3)) append(Begin{{position_.commit + 1, 0}, 1});
    append(Gap{"random"});
    position_ = {below(2), 0};
    remember();
  }

  void random_changes() {
    std::uint64_t count = 1 + below(8);
    for (std::uint64_t i = 0; i < count; ++i) {
      std::size_t index = below(sources_.size());
      if (sources_[index].exists) random_change(index);
    }
  }

  void random_change(std::size_t index) {
    Source& source = sources_[index];
    Table& table = source.table;
    auto number = static_cast<std::uint32_t>(index);
    std::uint64_t kind = below(100);
    if (kind < 2) {
      table.rows.clear();
      source.doubtful.clear();
      records_.emplace_back(Change{Op::kTruncate, number, {}, {}});
      return;
    }
    Row row = random_row(table.schema);
    Row key = table.schema.key_of(row);
    std::size_t at = find(table, key);
    const std::string identity = key_identity(table.schema, key);
    if (arrived_.contains(table.schema.name + identity)) return;
    if (!table.whole && kind >= 20 && kind < 35 && at == table.rows.size()) {
      move_in_part(index, row);
      return;
    }
    if (kind < 20) {
      note(source, key, {});
      if (at < table.rows.size()) table.rows.erase(table.rows.begin() + static_cast<long>(at));
      records_.emplace_back(Change{Op::kDelete, number, key, {}});
      return;
    }
    // The rest names rows that the replica must have.
    if (kind < 45 && source.table.whole && !table.rows.empty()) {
      exchange_keys(index, row);
      return;
    }
    Change change{at < table.rows.size() ? Op::kUpdate : Op::kCreate, number, {}, row};
    if (at < table.rows.size()) {
      keep_some(table, change.after, row, table.rows[at]);
      if (one_in(3)) change.key_before = table.schema.key_of(table.rows[at]);
      note(source, key, known(source, key) ? Row{} : change.after);
      table.rows[at] = row;
      records_.emplace_back(std::move(change));
      return;
    }
    note(source, key, {});
    table.rows.push_back(row);
    records_.emplace_back(std::move(change));
  }

  /// Whether the replica has this row of a table that is not whole as it is here.
  bool known(const Source& source, const Row& key) {
    const TableSchema& schema = source.table.schema;
    return source.covered && source_order(keys_, schema, key, *source.covered) <= 0 &&
           !source.doubtful.contains(key_identity(schema, key));
  }

  /// A change has named the key; `after` tells what it left out of a row that the replica may have
  /// otherwise.
  static void note(Source& source, const Row& key, const Row& after) {
    if (source.table.whole) return;
    const std::string identity = key_identity(source.table.schema, key);
    source.streamed[identity] = key;
    source.doubtful.erase(identity);
    for (std::size_t i = 0; i < after.size(); ++i) {
      if (after[i].is_unchanged()) source.doubtful[identity].insert(i);
    }
  }

  /// What capture sends for a row from which changes have left out values: those and no others.
  void fill(std::size_t index, const Row& row) {
    Source& source = sources_[index];
    const TableSchema& schema = source.table.schema;
    auto found = source.doubtful.find(key_identity(schema, schema.key_of(row)));
    if (found == source.doubtful.end()) return;
    Change change{Op::kUpdate, static_cast<std::uint32_t>(index), {}, row};
    for (std::size_t i = 0; i < row.size(); ++i) {
      bool key =
          std::find(schema.key.begin(), schema.key.end(), static_cast<int>(i)) != schema.key.end();
      if (!key && !found->second.contains(i)) change.after[i] = Value::unchanged();
    }
    records_.emplace_back(std::move(change));
    source.doubtful.erase(found);
  }

  /// A row moves to a free key of a table that is not whole. Nothing else may happen to that key in
  /// the transaction: whether it was free only the source knows.
  void move_in_part(std::size_t index, Row fresh) {
    Source& source = sources_[index];
    Table& table = source.table;
    const TableSchema& schema = table.schema;
    if (table.rows.empty()) return;
    Row& old = table.rows[below(table.rows.size())];
    const Row from = schema.key_of(old);
    const Row to = schema.key_of(fresh);
    if (arrived_.contains(schema.name + key_identity(schema, from))) return;
    Change change{Op::kUpdate, static_cast<std::uint32_t>(index), from, fresh};
    keep_some(table, change.after, fresh, old);
    const bool exact = known(source, from);
    note(source, from, {});
    note(source, to, exact ? Row{} : change.after);
    arrived_.insert(schema.name + key_identity(schema, to));
    old = fresh;
    records_.emplace_back(std::move(change));
  }

  /// Leaves some values out of the record: they are those of `before`.
  void keep_some(const Table& table, Row& record, Row& row, const Row& before) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      bool key = std::find(table.schema.key.begin(), table.schema.key.end(), static_cast<int>(i)) !=
                 table.schema.key.end();
      if (key || !one_in(5)) continue;
      record[i] = Value::unchanged();
      row[i] = before[i];
    }
  }

  /// `SET key = ...` of one row onto a free key, or of two or three that take each other's.
  void exchange_keys(std::size_t index, Row fresh) {
    Table& table = sources_[index].table;
    const TableSchema& schema = table.schema;
    auto number = static_cast<std::uint32_t>(index);
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < table.rows.size() && chosen.size() < 3; ++i) {
      if (one_in(2)) chosen.push_back(i);
    }
    if (chosen.empty()) return;
    if (chosen.size() == 1) {
      Row to = schema.key_of(fresh);
      if (find(table, to) != table.rows.size()) return;
      Row& old = table.rows[chosen[0]];
      Change change{Op::kUpdate, number, schema.key_of(old), fresh};
      keep_some(table, change.after, fresh, old);
      old = fresh;
      records_.emplace_back(std::move(change));
      return;
    }
    if (one_in(4)) {
      // Onto the key of a row that is deleted only then, as a deferred constraint allows.
      Row& old = table.rows[chosen[0]];
      Row to = schema.key_of(table.rows[chosen[1]]);
      set_key(schema, fresh, to);
      Change change{Op::kUpdate, number, schema.key_of(old), fresh};
      keep_some(table, change.after, fresh, old);
      old = fresh;
      records_.emplace_back(std::move(change));
      records_.emplace_back(Change{Op::kDelete, number, to, {}});
      table.rows.erase(table.rows.begin() + static_cast<long>(chosen[1]));
      return;
    }
    std::vector<Row> keys;
    for (std::size_t i : chosen) keys.push_back(schema.key_of(table.rows[i]));
    std::vector<Row> moved;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const Row& old = table.rows[chosen[i]];
      Row row = random_row(schema);
      const Row& to = keys[(i + 1) % keys.size()];
      set_key(schema, row, to);
      Change change{Op::kUpdate, number, keys[i], row};
      keep_some(table, change.after, row, old);
      moved.push_back(row);
      records_.emplace_back(std::move(change));
    }
    for (std::size_t i = 0; i < chosen.size(); ++i) table.rows[chosen[i]] = moved[i];
  }

  void random_chunk() {
    std::size_t index = below(sources_.size());
    // Those that wait for a chunk come first.
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (sources_[i].exists && !sources_[i].table.whole && one_in(2)) index = i;
    }
    if (sources_[index].exists) chunk_of(index);
  }

  void chunk_of(std::size_t index) {
    Source& source = sources_[index];
    const TableSchema& schema = source.table.schema;
    auto compare = [&](const Row& a, const Row& b) { return source_order(keys_, schema, a, b); };
    Chunk chunk;
    chunk.table = static_cast<std::uint32_t>(index);
    if (source.table.whole ? one_in(2) : (!source.covered || one_in(10))) {
      // From the start.
    } else if (source.covered && !one_in(10)) {
      chunk.from = *source.covered;
    } else {
      chunk.from = schema.key_of(random_row(schema));
    }
    if (one_in(2)) chunk.to = schema.key_of(random_row(schema));
    if (!chunk.from.empty() && !chunk.to.empty() && compare(chunk.from, chunk.to) > 0) {
      std::swap(chunk.from, chunk.to);
    }
    auto inside = [&](const Row& key) {
      return (chunk.from.empty() || compare(key, chunk.from) > 0) &&
             (chunk.to.empty() || compare(key, chunk.to) <= 0);
    };
    std::vector<Row> to_fill;
    for (const Row& row : source.table.rows) {
      Row key = schema.key_of(row);
      if (!inside(key)) continue;
      if (!source.table.whole && one_in(2) && source.streamed.contains(key_identity(schema, key))) {
        // The snapshot was taken before the changes.
        chunk.touched.push_back(key);
        to_fill.push_back(row);
        if (one_in(2)) continue;
        Row stale = random_row(schema);
        set_key(schema, stale, key);
        chunk.rows.push_back(std::move(stale));
        continue;
      }
      if (source.table.whole && one_in(6)) {
        // The snapshot saw another row, or none.
        chunk.touched.push_back(key);
        if (one_in(2)) continue;
        Row stale = random_row(schema);
        set_key(schema, stale, key);
        chunk.rows.push_back(std::move(stale));
        continue;
      }
      chunk.rows.push_back(row);
    }
    if (!source.table.whole) {
      for (const auto& [identity, key] : source.streamed) {
        // Gone since the snapshot was taken.
        if (!inside(key) || find(source.table, key) < source.table.rows.size()) continue;
        if (one_in(2)) chunk.touched.push_back(key);
      }
      const bool last = chunk.to.empty();
      for (const Row& row : source.table.rows) {
        const Row key = schema.key_of(row);
        if (!inside(key)) {
          // Moved out of a range that was to be read into one that had been.
          if (last) fill(index, row);
          continue;
        }
        const auto same = [&](const Row& other) { return keys_.compare(schema, other, key) == 0; };
        if (std::none_of(chunk.touched.begin(), chunk.touched.end(), same)) {
          source.doubtful.erase(key_identity(schema, key));
        }
      }
    }
    std::sort(chunk.rows.begin(), chunk.rows.end(), [&](const Row& a, const Row& b) {
      return compare(schema.key_of(a), schema.key_of(b)) < 0;
    });
    // A whole table that has no ordered key is read again in chunks that must join, too.
    if (!source.table.whole || !schema.has_ordered_key()) {
      bool joins = chunk.from.empty() || (source.covered && *source.covered == chunk.from);
      if (joins) source.covered = chunk.to;
      if (joins && chunk.to.empty()) {
        source.table.whole = true;
        source.covered.reset();
      }
    }
    records_.emplace_back(std::move(chunk));
    for (const Row& row : to_fill) fill(index, row);
  }

  std::mt19937_64 random_;
  KeyOracle keys_;
  std::vector<TableSchema> shapes_;
  std::vector<std::string> names_;
  std::vector<Source> sources_;
  std::vector<Record> records_;  // of the transaction that is being made
  // Table and key_identity to which it has moved rows of tables that are not whole.
  std::set<std::string> arrived_;
  SourcePosition position_;
  std::uint64_t epoch_ = 1;
  std::vector<Entry> log_;
  std::map<Offset, State> states_;  // by the offset of the record that made it so
};

}  // namespace tandem::state
