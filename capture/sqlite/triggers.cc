#include "capture/sqlite/triggers.h"

#include <fmt/format.h>

#include <algorithm>

#include "capture/sqlite/index_text.h"

// For a table Track with the key TrackId, number 7, and a unique index on Name:
//
//   _tandem_7_insert           AFTER INSERT                              logs NEW.TrackId
//   _tandem_7_update           AFTER UPDATE                              logs NEW.TrackId
//   _tandem_7_rekey            BEFORE UPDATE WHEN the key differs        logs both TrackIds
//   _tandem_7_delete           AFTER DELETE                              logs OLD.TrackId
//   _tandem_7_replace_insert   BEFORE INSERT                             logs TrackId of the rows
//   _tandem_7_replace_update   BEFORE UPDATE WHEN a unique term differs  that have NEW.Name
//
// A rowid that is not the key makes rows collide as well:
//
//   _tandem_7_rowid_insert     BEFORE INSERT WHEN NEW.rowid <> -1
//   _tandem_7_rowid_update     BEFORE UPDATE WHEN the rowid differs
//
// Before an INSERT that names no rowid, NEW.rowid is -1; asking costs much less than searching. The
// rowid -1 itself is told after the INSERT, by the number -7 instead of 7: whatever stood there may
// be gone.
//
// Before rather than after: UPDATE OR REPLACE first removes the row at the new key, and when a
// cascade of that takes the updated row along, no AFTER trigger runs and nothing else tells of the
// new key.
//
// An application may drop an index and then a column of it, and SQLite refuses that while a trigger
// names the column. So each such name stands one query deeper than a stand-in for NEW, OLD or the
// row: while the column is there the name means the column, afterwards the stand-in's null, which
// collides with nothing.
//
//   (SELECT (SELECT NEW.Name IS NOT OLD.Name) FROM (SELECT NULL AS Name) AS new) ...
namespace tandem::capture {
namespace {

using state::quote_identifier;

// Named so that no column can hide NEW and OLD behind the table's own name.
constexpr const char* kRow = "_tandem_row";

// True for the index of a PRIMARY KEY or UNIQUE in the table's own text, and for the rowid.
bool is_made_by_table(const UniqueKey& unique) {
  return unique.index.empty() || same_name(std::string_view(unique.index).substr(0, 7), "sqlite_");
}

std::string column_name(const TableShape& shape, int column) {
  return quote_identifier(shape.schema.columns[static_cast<std::size_t>(column)].name);
}

// True if the application may drop the column once it has dropped its indexes: it belongs to no key
// in the table's own text.
bool is_droppable(const TableShape& shape, int column) {
  const std::string& name = shape.schema.columns[static_cast<std::size_t>(column)].name;
  bool primary = std::any_of(shape.primary_key.begin(), shape.primary_key.end(),
                             [&](const std::string& key) { return same_name(key, name); });
  return !primary &&
         std::none_of(shape.uniques.begin(), shape.uniques.end(), [&](const UniqueKey& unique) {
           return is_made_by_table(unique) &&
                  std::any_of(unique.terms.begin(), unique.terms.end(),
                              [&](const UniqueTerm& term) { return term.column == column; });
         });
}

std::vector<int> droppable(const TableShape& shape, std::vector<int> columns) {
  std::erase_if(columns, [&](int column) { return !is_droppable(shape, column); });
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  return columns;
}

// What a column that was dropped is found in.
std::string stand_in(const TableShape& shape, const std::vector<int>& dropped,
                     const std::string& alias) {
  std::string values;
  for (int column : dropped) {
    values += (values.empty() ? "NULL AS " : ", NULL AS ") + column_name(shape, column);
  }
  return "(SELECT " + values + ") AS " + alias;
}

// The value of an expression over NEW and OLD that outlives the columns it names.
std::string outliving(const TableShape& shape, const std::vector<int>& columns,
                      const std::vector<const char*>& rows, std::string expression) {
  std::vector<int> dropped = droppable(shape, columns);
  if (dropped.empty()) return expression;
  expression = "(SELECT " + expression + ")";
  for (const char* row : rows) {
    expression = fmt::format("(SELECT {} FROM {})", expression, stand_in(shape, dropped, row));
  }
  return expression;
}

std::string insert_into_log(const TableShape& shape) {
  return "INSERT INTO _tandem_log (t, " + log_key_columns(shape.schema.key.size()) + ") ";
}

std::string log_key(const TableShape& shape, const std::string& number, const char* row) {
  std::string values;
  for (int column : shape.schema.key) {
    values += ", " + outliving(shape, {column}, {row},
                               std::string(row) + "." + column_name(shape, column));
  }
  return insert_into_log(shape) + "VALUES (" + number + values + ");";
}

// The new value as it will be stored: REPLACE puts a NOT NULL column's default for a null, after
// BEFORE triggers have run.
std::string new_value(const TableShape& shape, int column) {
  std::string value = "NEW." + column_name(shape, column);
  const std::string& becomes = shape.null_becomes[static_cast<std::size_t>(column)];
  return becomes.empty() ? value : "ifnull(" + value + ", " + becomes + ")";
}

bool needs_columns(const UniqueKey& unique, const std::string& column) {
  if (mentions_name(unique.where, column)) return true;
  return std::any_of(unique.terms.begin(), unique.terms.end(), [&](const UniqueTerm& term) {
    return term.column < 0 && mentions_name(term.expression, column);
  });
}

// The columns that expressions and the WHERE of the index read.
std::vector<int> columns_read(const TableShape& shape, const UniqueKey& unique) {
  std::vector<int> columns;
  for (std::size_t i = 0; i < shape.schema.columns.size(); ++i) {
    if (needs_columns(unique, shape.schema.columns[i].name)) columns.push_back(static_cast<int>(i));
  }
  return columns;
}

// An expression over the new row. It needs no rewriting: a one-row table stands in for the row.
std::string over_new_row(const TableShape& shape, const std::vector<int>& columns,
                         const std::string& expression) {
  std::string values;
  for (int column : columns) {
    values += (values.empty() ? "" : ", ") + new_value(shape, column) + " AS " +
              column_name(shape, column);
  }
  if (values.empty()) values = "1";
  return "(SELECT " + expression + " FROM (SELECT " + values + ") AS " +
         quote_identifier(shape.schema.name) + ")";
}

// Every column that decides whether rows collide in the unique key.
std::vector<int> columns_deciding(const TableShape& shape, const UniqueKey& unique) {
  std::vector<int> columns = columns_read(shape, unique);
  for (const UniqueTerm& term : unique.terms) {
    if (term.column >= 0) columns.push_back(term.column);
  }
  return columns;
}

// The key of a row in the query at hand. Columns that may be dropped go without the row's name, so
// that a stand-in further out may answer for them.
std::vector<std::string> key_terms(const TableShape& shape, const std::string& row) {
  std::vector<std::string> terms;
  for (int column : shape.schema.key) {
    bool bare = is_droppable(shape, column);
    terms.push_back((bare ? "" : row + ".") + column_name(shape, column));
  }
  return terms;
}

// Logs the keys of the rows that the new row collides with in this unique key: one at most.
std::string victims_of(const TableShape& shape, const UniqueKey& unique, std::int64_t number) {
  std::vector<int> read = columns_read(shape, unique);
  // Expressions may name columns by the table's own name, so the table keeps it there.
  bool plain =
      unique.where.empty() && std::none_of(unique.terms.begin(), unique.terms.end(),
                                           [](const UniqueTerm& term) { return term.column < 0; });
  std::string table = quote_identifier(shape.schema.name);
  std::string row = plain ? kRow : table;
  std::string condition;
  auto both = [&](const std::string& term) {
    condition += (condition.empty() ? "" : " AND ") + term;
  };
  if (unique.is_rowid && unique.terms.empty()) {
    both(row + "." + shape.rowid + " = NEW." + shape.rowid);
  }
  for (const UniqueTerm& term : unique.terms) {
    if (term.column >= 0) {
      bool bare = is_droppable(shape, term.column);
      both((bare ? "" : row + ".") + column_name(shape, term.column) + " COLLATE " +
           quote_identifier(term.collation) + " = " + new_value(shape, term.column));
    } else {
      both("(" + term.expression + ") = " + over_new_row(shape, read, term.expression));
    }
  }
  if (!unique.where.empty()) {
    both("(" + unique.where + ")");
    both(over_new_row(shape, read, "(" + unique.where + ")"));
  }
  std::string from =
      " FROM " + table + (plain ? std::string(" AS ") + kRow : "") + " WHERE " + condition;
  std::vector<int> named = columns_deciding(shape, unique);
  named.insert(named.end(), shape.schema.key.begin(), shape.schema.key.end());
  std::vector<int> dropped = droppable(shape, named);
  std::string select = "SELECT " + std::to_string(number);
  for (const std::string& term : key_terms(shape, row)) {
    select += dropped.empty() ? ", " + term : fmt::format(", (SELECT {}{})", term, from);
  }
  if (!dropped.empty()) {
    from = " FROM " + stand_in(shape, dropped, "new") + " WHERE EXISTS (SELECT 1" + from + ")";
  }
  return insert_into_log(shape) + select + from + ";";
}

std::vector<int> columns_deciding(const TableShape& shape,
                                  const std::vector<const UniqueKey*>& uniques) {
  std::vector<bool> decides(shape.schema.columns.size());
  for (const UniqueKey* unique : uniques) {
    for (int column : columns_deciding(shape, *unique)) {
      decides[static_cast<std::size_t>(column)] = true;
    }
  }
  std::vector<int> columns;
  for (std::size_t i = 0; i < decides.size(); ++i) {
    if (decides[i]) columns.push_back(static_cast<int>(i));
  }
  return columns;
}

// Logs that any row of the table may be displaced, if the new row has a null where REPLACE puts a
// default that cannot be told in advance. "" if that cannot be.
std::string unforeseen_victims(const TableShape& shape,
                               const std::vector<const UniqueKey*>& uniques, std::int64_t number) {
  std::vector<int> unforeseen;
  for (int column : columns_deciding(shape, uniques)) {
    const std::vector<int>& all = shape.null_unforeseen;
    if (std::find(all.begin(), all.end(), column) != all.end()) unforeseen.push_back(column);
  }
  if (unforeseen.empty()) return "";
  std::string condition;
  for (int column : unforeseen) {
    condition +=
        (condition.empty() ? "NEW." : " OR NEW.") + column_name(shape, column) + " IS NULL";
  }
  return fmt::format("INSERT INTO _tandem_log (t) SELECT -{} WHERE {};", number,
                     outliving(shape, unforeseen, {"new"}, condition));
}

// True if a row can be displaced by this unique key without its key being logged anyway.
bool displaces_others(const TableShape& shape, std::size_t index) {
  const UniqueKey& unique = shape.uniques[index];
  if (static_cast<int>(index) != shape.key_unique) {
    return !unique.is_rowid || !unique.terms.empty() || !shape.rowid.empty();
  }
  // The key's own index: the displaced row is found under the new row's key, unless the index calls
  // rows equal that the columns tell apart, or the key is wider than the index.
  if (unique.terms.size() != shape.schema.key.size()) return true;
  for (std::size_t i = 0; i < shape.schema.key.size(); ++i) {
    auto column = static_cast<std::size_t>(shape.schema.key[i]);
    if (unique.is_rowid) continue;
    if (!same_name(shape.key_collations[i], shape.schema.columns[column].collation)) return true;
  }
  return false;
}

// True when the update may make the row collide where it did not before.
std::string terms_differ(const TableShape& shape, const std::vector<const UniqueKey*>& uniques) {
  std::vector<std::string> tests;
  auto differ = [&](const std::string& value) {
    tests.push_back("NEW." + value + " COLLATE BINARY IS NOT OLD." + value);
  };
  for (const UniqueKey* unique : uniques) {
    for (const UniqueTerm& term : unique->terms) {
      if (term.column >= 0) differ(column_name(shape, term.column));
    }
    for (int column : columns_read(shape, *unique)) {
      std::string name = column_name(shape, column);
      differ(name);
      // 1 and 1.0 compare equal, but an expression may tell them apart.
      tests.push_back(fmt::format("typeof(NEW.{0}) <> typeof(OLD.{0})", name));
    }
  }
  std::string condition;
  for (auto test = tests.begin(); test != tests.end(); ++test) {
    if (std::find(tests.begin(), test, *test) != test) continue;
    condition += (condition.empty() ? "" : " OR ") + *test;
  }
  return outliving(shape, columns_deciding(shape, uniques), {"new", "old"}, condition);
}

// SQLite compares the names of an UPDATE OF with those that a statement sets, letter by letter, and
// does not ask whether there is such a column.
constexpr const char* kRowidNames = "rowid, _rowid_, oid";

// " OF a, b" when nothing but naming one of the columns can change them: then a statement that
// names none does not even start the trigger. A generated column changes by what it is made of.
std::string of_columns(const TableShape& shape, const std::vector<int>& columns) {
  std::string list;
  bool any_rowid = false;
  for (int column : columns) {
    if (shape.schema.columns[static_cast<std::size_t>(column)].generated) return "";
    list += (list.empty() ? " OF " : ", ") + column_name(shape, column);
    any_rowid =
        any_rowid ||
        std::any_of(shape.uniques.begin(), shape.uniques.end(), [&](const auto& unique) {
          return unique.is_rowid && !unique.terms.empty() && unique.terms.front().column == column;
        });
  }
  return any_rowid ? list + ", " + kRowidNames : list;
}

}  // namespace

std::string log_key_columns(std::size_t count) {
  std::string list;
  for (std::size_t i = 1; i <= count; ++i) list += (i == 1 ? "k" : ", k") + std::to_string(i);
  return list;
}

std::vector<TriggerText> triggers_for(const TableShape& shape, std::int64_t number,
                                      bool replace_victims) {
  std::vector<TriggerText> triggers;
  const std::string prefix = "_tandem_" + std::to_string(number);
  auto add = [&](const std::string& suffix, const std::string& when, const std::string& condition,
                 const std::string& body, std::vector<std::string> victims = {}) {
    std::string name = prefix + suffix;
    triggers.push_back(
        {name,
         "CREATE TRIGGER " + name + " " + when + " ON " + quote_identifier(shape.schema.name) +
             (condition.empty() ? "" : " WHEN " + condition) + " BEGIN " + body + " END",
         std::move(victims)});
  };
  std::string rekeyed;
  for (int column : shape.schema.key) {
    std::string name = column_name(shape, column);
    rekeyed += fmt::format("{0}OLD.{1} COLLATE BINARY IS NOT NEW.{1}",
                           rekeyed.empty() ? "" : " OR ", name);
  }
  rekeyed = outliving(shape, shape.schema.key, {"new", "old"}, rekeyed);
  const std::string own = std::to_string(number);
  std::string inserted = own;
  if (replace_victims) {
    std::vector<std::string> victims;
    std::vector<const UniqueKey*> uniques;
    std::string body;
    for (std::size_t i = 0; i < shape.uniques.size(); ++i) {
      if (!displaces_others(shape, i)) continue;
      std::string statement = victims_of(shape, shape.uniques[i], number);
      if (shape.uniques[i].terms.empty()) {
        std::string name = "NEW." + shape.rowid;
        add("_rowid_insert", "BEFORE INSERT", name + " <> -1", statement, {statement});
        add("_rowid_update", std::string("BEFORE UPDATE OF ") + kRowidNames,
            name + " <> OLD." + shape.rowid, statement, {statement});
        inserted = fmt::format("CASE {0} WHEN -1 THEN -{1} ELSE {1} END", name, own);
        continue;
      }
      uniques.push_back(&shape.uniques[i]);
      body += (body.empty() ? "" : " ") + statement;
      victims.push_back(std::move(statement));
    }
    if (std::string all = unforeseen_victims(shape, uniques, number); !all.empty()) {
      body += " " + all;
      victims.push_back(std::move(all));
    }
    if (!victims.empty()) {
      add("_replace_insert", "BEFORE INSERT", "", body, victims);
      add("_replace_update", "BEFORE UPDATE" + of_columns(shape, columns_deciding(shape, uniques)),
          terms_differ(shape, uniques), body, victims);
    }
  }
  add("_insert", "AFTER INSERT", "", log_key(shape, inserted, "NEW"));
  add("_update", "AFTER UPDATE", "", log_key(shape, own, "NEW"));
  add("_rekey", "BEFORE UPDATE" + of_columns(shape, shape.schema.key), rekeyed,
      log_key(shape, own, "OLD") + " " + log_key(shape, own, "NEW"));
  add("_delete", "AFTER DELETE", "", log_key(shape, own, "OLD"));
  return triggers;
}

std::vector<NamedColumn> columns_named_by_victims(const TableShape& shape) {
  std::vector<NamedColumn> named;
  for (std::size_t i = 0; i < shape.uniques.size(); ++i) {
    const UniqueKey& unique = shape.uniques[i];
    // SQLite allows the table's name in the WHERE of an index, and nothing stands in for it.
    if (is_made_by_table(unique) || !mentions_name(unique.where, shape.schema.name) ||
        !displaces_others(shape, i)) {
      continue;
    }
    for (int column : droppable(shape, columns_read(shape, unique))) {
      named.push_back({shape.schema.columns[static_cast<std::size_t>(column)].name, unique.index});
    }
  }
  return named;
}

}  // namespace tandem::capture
