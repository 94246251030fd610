#include "capture/postgres/catalog.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "capture/postgres/type_parts.h"

namespace tandem::capture::postgres {
namespace {

// As table_name() makes it, in SQL.
std::string name_in_sql(const std::string& schema, const std::string& table) {
  return "CASE WHEN " + schema + " = 'public' AND position('.' in " + table + ") = 0 THEN " +
         table + " ELSE " + schema + " || '.' || " + table + " END";
}

// A row for each column, and one with nulls for a table without columns. No function here locks
// what it looks at, so that a long ALTER TABLE of the application's keeps nobody waiting.
std::string query_of_tables(const std::string& condition) {
  return "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident, "
         "c.relrowsecurity, CASE WHEN c.relispartition THEN (SELECT " +
         name_in_sql("rn.nspname", "r.relname") +
         " FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace "
         "WHERE r.oid = pg_partition_root(c.oid)) END, greatest(c.reltuples, 0)::bigint, "
         "a.attname, format_type(a.atttypid, a.atttypmod), a.attnum, a.atttypid, a.atttypmod, "
         "a.attcollation, a.attnotnull, a.attgenerated <> '', c.relfilenode "
         "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
         "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
         "WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND " +
         condition + " ORDER BY n.nspname, c.relname, c.oid, a.attnum";
}

// Unique indexes over all rows and plain columns, the primary key's first.
constexpr char kUniqueIndexes[] =
    "SELECT i.indrelid, x.relname, i.indisprimary, i.indisreplident, i.indimmediate, "
    "i.indnkeyatts, i.indkey::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid "
    "WHERE i.indrelid = ANY ($1::oid[]) AND i.indisunique AND i.indisvalid AND i.indislive "
    "AND NOT i.indisexclusion AND i.indpred IS NULL AND i.indexprs IS NULL "
    "ORDER BY i.indisprimary DESC, x.relname";

// The leaves of partitioned tables, a row for each column of the leaf's replica identity.
constexpr char kPartitions[] =
    "WITH RECURSIVE tree(root, part, attached) AS (SELECT p, p, '' FROM unnest($1::oid[]) p "
    "UNION ALL SELECT tree.root, i.inhrelid, tree.attached || ' ' || i.xmin::text "
    "FROM tree JOIN pg_inherits i ON i.inhparent = tree.part "
    "WHERE NOT i.inhdetachpending) "
    "SELECT tree.root, l.oid, l.oid::regclass::text, l.relkind, l.relpersistence, l.relreplident, "
    "greatest(l.reltuples, 0)::bigint, a.attname, l.relfilenode, tree.attached FROM tree "
    "JOIN pg_class l ON l.oid = tree.part "
    "LEFT JOIN pg_index i ON i.indrelid = l.oid AND i.indimmediate AND i.indisvalid "
    "AND CASE l.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END "
    "LEFT JOIN pg_attribute a ON a.attrelid = l.oid "
    "AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) "
    "WHERE l.relkind <> 'p' ORDER BY tree.root, l.oid";

// A row for each pair of columns. The copies that belong to partitions are left out.
std::string query_of_foreign_keys() {
  return "SELECT c.conrelid, c.oid, " + name_in_sql("pn.nspname", "p.relname") +
         ", own.attname, theirs.attname FROM pg_constraint c "
         "JOIN pg_class p ON p.oid = c.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace "
         "CROSS JOIN LATERAL unnest(c.conkey, c.confkey) WITH ORDINALITY AS k(own, theirs, place) "
         "JOIN pg_attribute own ON own.attrelid = c.conrelid AND own.attnum = k.own "
         "JOIN pg_attribute theirs ON theirs.attrelid = c.confrelid AND theirs.attnum = k.theirs "
         "WHERE c.conrelid = ANY ($1::oid[]) AND c.contype = 'f' AND c.conparentid = 0 "
         "ORDER BY c.conrelid, c.conname, c.oid, k.place";
}

Oid oid_of(const Rows& rows, int row, int column) {
  return static_cast<Oid>(rows.integer(row, column));
}

char letter(const Rows& rows, int row, int column) {
  std::string_view text = rows.view(row, column);
  return text.empty() ? ' ' : text.front();
}

std::vector<int> numbers_of(std::string_view text, std::int64_t count) {
  std::vector<int> numbers;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end && static_cast<std::int64_t>(numbers.size()) < count) {
    int number = 0;
    at = std::from_chars(at, end, number).ptr;
    numbers.push_back(number);
    if (at < end) ++at;
  }
  return numbers;
}

// The facts of several tables, gathered from one query after the other.
class Gathering {
 public:
  explicit Gathering(Connection& connection) : connection_(connection) {}

  void add_tables(const std::string& condition, const std::vector<Parameter>& parameters) {
    Rows rows = connection_.query(query_of_tables(condition), parameters);
    for (int row = 0; row < rows.count(); ++row) {
      const Oid oid = oid_of(rows, row, 0);
      if (facts_.empty() || facts_.back().oid != oid) {
        TableFacts made;
        made.oid = oid;
        made.file = oid_of(rows, row, 17);
        made.schema = rows.text(row, 1);
        made.name = rows.text(row, 2);
        made.kind = letter(rows, row, 3);
        made.persistence = letter(rows, row, 4);
        made.identity = letter(rows, row, 5);
        made.row_security = rows.flag(row, 6);
        made.root = rows.text(row, 7);
        // A partitioned table's rows are in its leaves, which are counted when they come.
        if (made.kind != 'p') made.estimated_rows = rows.integer(row, 8);
        facts_.push_back(std::move(made));
      }
      if (rows.is_null(row, 9)) continue;
      TableFacts::Column column;
      column.name = rows.text(row, 9);
      column.declared_type = rows.text(row, 10);
      column.number = static_cast<int>(rows.integer(row, 11));
      column.type = oid_of(rows, row, 12);
      column.modifier = static_cast<int>(rows.integer(row, 13));
      column.collation = oid_of(rows, row, 14);
      column.not_null = rows.flag(row, 15);
      column.generated = rows.flag(row, 16);
      facts_.back().columns.push_back(std::move(column));
    }
    for (std::size_t i = 0; i < facts_.size(); ++i) places_[facts_[i].oid] = i;
  }

  template <typename Unwanted>
  void leave_out(const Unwanted& unwanted) {
    std::erase_if(facts_, unwanted);
    places_.clear();
    for (std::size_t i = 0; i < facts_.size(); ++i) places_[facts_[i].oid] = i;
  }

  void add_indexes() {
    Rows rows = connection_.query(kUniqueIndexes, {oids([](const TableFacts&) { return true; })});
    for (int row = 0; row < rows.count(); ++row) {
      TableFacts::UniqueIndex index;
      index.name = rows.text(row, 1);
      index.primary = rows.flag(row, 2);
      index.identity = rows.flag(row, 3);
      index.immediate = rows.flag(row, 4);
      index.numbers = numbers_of(rows.view(row, 6), rows.integer(row, 5));
      TableFacts& table = of(oid_of(rows, row, 0));
      // A column that came after the columns were read, or a column of the server's own.
      if (std::all_of(index.numbers.begin(), index.numbers.end(), [&](int number) {
            return std::any_of(table.columns.begin(), table.columns.end(),
                               [&](const auto& column) { return column.number == number; });
          })) {
        table.unique_indexes.push_back(std::move(index));
      }
    }
  }

  void add_partitions() {
    auto partitioned = [](const TableFacts& table) { return table.kind == 'p'; };
    if (std::none_of(facts_.begin(), facts_.end(), partitioned)) return;
    Rows rows = connection_.query(kPartitions, {oids(partitioned)});
    Oid last = 0;
    for (int row = 0; row < rows.count(); ++row) {
      TableFacts& table = of(oid_of(rows, row, 0));
      std::vector<TableFacts::Partition>& partitions = table.partitions;
      if (partitions.empty() || oid_of(rows, row, 1) != last) {
        last = oid_of(rows, row, 1);
        TableFacts::Partition partition;
        partition.name = rows.text(row, 2);
        partition.oid = last;
        partition.file = oid_of(rows, row, 8);
        partition.attached = rows.text(row, 9);
        partition.kind = letter(rows, row, 3);
        partition.persistence = letter(rows, row, 4);
        partition.identity = letter(rows, row, 5);
        partitions.push_back(std::move(partition));
        table.estimated_rows += rows.integer(row, 6);
      }
      if (!rows.is_null(row, 7)) partitions.back().identity_columns.push_back(rows.text(row, 7));
    }
  }

  void add_type_parts() {
    static const std::string kQuery = query_of_type_parts("attrelid = ANY ($1::oid[])");
    // Most tables have types of the server's own alone, and a chunk need not wait for this.
    const std::string tables = oids([](const TableFacts& table) {
      return std::any_of(table.columns.begin(), table.columns.end(),
                         [](const auto& column) { return column.type >= kFirstOfUsers; });
    });
    if (tables == "{}") return;
    const Rows rows = connection_.query(kQuery, {tables});
    for (int row = 0; row < rows.count(); ++row) {
      of(oid_of(rows, row, 0)).type_parts = rows.text(row, 1);
    }
  }

  void add_foreign_keys() {
    Rows rows =
        connection_.query(query_of_foreign_keys(), {oids([](const TableFacts&) { return true; })});
    Oid last = 0;
    for (int row = 0; row < rows.count(); ++row) {
      std::vector<ForeignKey>& keys = of(oid_of(rows, row, 0)).foreign_keys;
      if (oid_of(rows, row, 1) != last) {
        last = oid_of(rows, row, 1);
        keys.push_back({{}, rows.text(row, 2), {}});
      }
      keys.back().columns.push_back(rows.text(row, 3));
      keys.back().parent_columns.push_back(rows.text(row, 4));
    }
  }

  void learn_types(TypeCatalog& types) const {
    std::vector<Oid> wanted, collations;
    for (const TableFacts& table : facts_) {
      for (const TableFacts::Column& column : table.columns) {
        wanted.push_back(column.type);
        if (column.collation != 0) collations.push_back(column.collation);
      }
    }
    types.learn(connection_, wanted, collations);
  }

  const std::vector<TableFacts>& facts() const { return facts_; }

 private:
  TableFacts& of(Oid oid) { return facts_.at(places_.at(oid)); }

  template <typename Wanted>
  std::string oids(const Wanted& wanted) const {
    std::string list = "{";
    for (const TableFacts& table : facts_) {
      if (!wanted(table)) continue;
      if (list.size() > 1) list += ',';
      list += std::to_string(table.oid);
    }
    return list + "}";
  }

  Connection& connection_;
  std::vector<TableFacts> facts_;
  std::map<Oid, std::size_t> places_;
};

// Every schema and table that the names can mean; each dot may be the one between the two.
class Candidates {
 public:
  void add(const std::string& name) {
    add("public", name);
    for (std::size_t dot = name.find('.'); dot != std::string::npos;
         dot = name.find('.', dot + 1)) {
      add(name.substr(0, dot), name.substr(dot + 1));
    }
  }
  static constexpr char kCondition[] =
      "(c.relname, n.nspname) IN (SELECT * FROM unnest($1::name[], $2::name[]))";
  std::vector<Parameter> parameters() const { return {array_text(tables_), array_text(schemas_)}; }

 private:
  void add(std::string schema, std::string table) {
    // The server would cut a longer name off, and find another table by it.
    constexpr std::size_t kLongestName = 63;
    if (schema.size() > kLongestName || table.size() > kLongestName) return;
    schemas_.push_back(std::move(schema));
    tables_.push_back(std::move(table));
  }
  std::vector<std::string> schemas_, tables_;
};

// The replica has one table for names that differ by the case of letters alone.
void refuse_twins(std::vector<SourceTable>& tables, const std::vector<bool>& captured) {
  for (std::size_t i = 0; i < tables.size(); ++i) {
    for (std::size_t j = 0; j < tables.size(); ++j) {
      if (i == j || !captured[i] || !captured[j] || !tables[i].table.refusal.empty() ||
          !same_in_replica(tables[i].table.schema.name, tables[j].table.schema.name)) {
        continue;
      }
      tables[i].table.refusal = "its name and that of " + tables[j].table.schema.name +
                                " differ by the case of letters alone, which the replica cannot "
                                "tell apart; rename one of them, or leave one out";
      tables[i].table.schema.key.clear();
    }
  }
}

}  // namespace

std::vector<SourceTable> read_requested(Connection& connection, TypeCatalog& types,
                                        const std::vector<TableRequest>& requests) {
  Candidates candidates;
  for (const TableRequest& request : requests) candidates.add(canonical_table_name(request.name));
  Gathering gathering(connection);
  gathering.add_tables(Candidates::kCondition, candidates.parameters());
  gathering.leave_out([&](const TableFacts& table) {
    const std::string name = table_name(table.schema, table.name);
    return std::none_of(requests.begin(), requests.end(), [&](const TableRequest& request) {
      return canonical_table_name(request.name) == name;
    });
  });
  if (gathering.facts().empty()) return {};
  gathering.add_indexes();
  gathering.add_partitions();
  gathering.add_type_parts();
  gathering.learn_types(types);
  std::vector<SourceTable> tables;
  for (const TableRequest& request : requests) {
    for (const TableFacts& facts : gathering.facts()) {
      if (table_name(facts.schema, facts.name) == canonical_table_name(request.name)) {
        tables.push_back(describe_table(facts, types, request));
      }
    }
  }
  refuse_twins(tables, std::vector<bool>(tables.size(), true));
  return tables;
}

std::optional<SourceTable> read_table(Connection& connection, TypeCatalog& types,
                                      const TableRequest& request) {
  std::vector<SourceTable> tables = read_requested(connection, types, {request});
  if (tables.empty()) return std::nullopt;
  return std::move(tables.front());
}

std::optional<SourceTable> read_table(Connection& connection, TypeCatalog& types, Oid oid,
                                      const TableRequest& request) {
  Gathering gathering(connection);
  gathering.add_tables("c.oid = $1", {std::to_string(oid)});
  if (gathering.facts().empty()) return std::nullopt;
  gathering.add_indexes();
  gathering.add_partitions();
  gathering.add_type_parts();
  gathering.learn_types(types);
  return describe_table(gathering.facts().front(), types, request);
}

std::vector<SourceTable> read_tables(Connection& connection, TypeCatalog& types,
                                     const std::vector<TableRequest>& requests) {
  auto request_of = [&](const std::string& name) {
    return std::find_if(requests.begin(), requests.end(), [&](const TableRequest& request) {
      return canonical_table_name(request.name) == name;
    });
  };
  Gathering gathering(connection);
  gathering.add_tables("n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'", {});
  gathering.leave_out([&](const TableFacts& table) {
    const std::string name = table_name(table.schema, table.name);
    if (same_in_replica(std::string_view(name).substr(0, 8), "_tandem_")) return true;
    const bool plain = (table.kind == 'r' || table.kind == 'p') && table.root.empty();
    return !plain && request_of(name) == requests.end();
  });
  gathering.add_indexes();
  gathering.add_partitions();
  gathering.add_type_parts();
  gathering.add_foreign_keys();
  gathering.learn_types(types);
  std::vector<SourceTable> tables;
  std::vector<bool> captured;
  for (const TableFacts& facts : gathering.facts()) {
    TableRequest request;
    request.name = table_name(facts.schema, facts.name);
    auto found = request_of(request.name);
    captured.push_back(requests.empty() || found != requests.end());
    tables.push_back(describe_table(facts, types, found == requests.end() ? request : *found));
  }
  refuse_twins(tables, captured);
  return tables;
}

Catalog to_catalog(std::vector<SourceTable> tables) {
  Catalog catalog;
  for (SourceTable& table : tables) catalog.tables.push_back(std::move(table.table));
  return catalog;
}

}  // namespace tandem::capture::postgres
