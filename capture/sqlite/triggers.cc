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
// Before an INSERT that names no rowid, NEW.rowid is -1; asking costs much less than searching.
// What REPLACE does to a row that was given the rowid -1 itself, and has a key besides, is not
// seen.
//
// UPDATE OF alone would not do: an INTEGER PRIMARY KEY also changes by SET rowid. Before rather
// than after: UPDATE OR REPLACE first removes the row at the new key, and when a cascade of that
// takes the updated row along, no AFTER trigger runs and nothing else tells of the new key.
namespace tandem::capture {
namespace {

using state::quote_identifier;

// Named so that no column can hide NEW and OLD behind the table's own name.
constexpr const char* kRow = "_tandem_row";

std::string column_name(const TableShape& shape, int column) {
  return quote_identifier(shape.schema.columns[static_cast<std::size_t>(column)].name);
}

std::string key_of(const TableShape& shape, const std::string& row) {
  std::string list;
  for (int column : shape.schema.key) {
    list += (list.empty() ? "" : ", ") + row + "." + column_name(shape, column);
  }
  return list;
}

std::string insert_into_log(const TableShape& shape) {
  return "INSERT INTO _tandem_log (t, " + log_key_columns(shape.schema.key.size()) + ") ";
}

std::string log_key(const TableShape& shape, std::int64_t number, const std::string& row) {
  return insert_into_log(shape) + "VALUES (" + std::to_string(number) + ", " + key_of(shape, row) +
         ");";
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

// Logs the keys of the rows that the new row collides with in this unique key.
std::string victims_of(const TableShape& shape, const UniqueKey& unique, std::int64_t number) {
  std::vector<int> columns = columns_read(shape, unique);
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
      both(row + "." + column_name(shape, term.column) + " COLLATE " +
           quote_identifier(term.collation) + " = " + new_value(shape, term.column));
    } else {
      both("(" + term.expression + ") = " + over_new_row(shape, columns, term.expression));
    }
  }
  if (!unique.where.empty()) {
    both("(" + unique.where + ")");
    both(over_new_row(shape, columns, "(" + unique.where + ")"));
  }
  return insert_into_log(shape) + "SELECT " + std::to_string(number) + ", " + key_of(shape, row) +
         " FROM " + table + (plain ? std::string(" AS ") + kRow : "") + " WHERE " + condition + ";";
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
  return condition;
}

// " OF a, b" when nothing but naming one of the columns can change them: then a statement that
// names none does not even start the trigger. A rowid changes by other names too, a generated
// column by what it is made of.
std::string of_columns(const TableShape& shape, const std::vector<int>& columns) {
  std::string list;
  for (int column : columns) {
    bool generated = shape.schema.columns[static_cast<std::size_t>(column)].generated;
    bool rowid = std::any_of(shape.uniques.begin(), shape.uniques.end(), [&](const auto& unique) {
      return unique.is_rowid && !unique.terms.empty() && unique.terms.front().column == column;
    });
    if (generated || rowid) return "";
    list += (list.empty() ? " OF " : ", ") + column_name(shape, column);
  }
  return list;
}

// Every column that decides whether rows collide.
std::vector<int> columns_deciding(const TableShape& shape,
                                  const std::vector<const UniqueKey*>& uniques) {
  std::vector<bool> decides(shape.schema.columns.size());
  for (const UniqueKey* unique : uniques) {
    for (int column : columns_read(shape, *unique)) {
      decides[static_cast<std::size_t>(column)] = true;
    }
    for (const UniqueTerm& term : unique->terms) {
      if (term.column >= 0) decides[static_cast<std::size_t>(term.column)] = true;
    }
  }
  std::vector<int> columns;
  for (std::size_t i = 0; i < decides.size(); ++i) {
    if (decides[i]) columns.push_back(static_cast<int>(i));
  }
  return columns;
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
        add("_rowid_update", "BEFORE UPDATE", name + " <> OLD." + shape.rowid, statement,
            {statement});
        continue;
      }
      uniques.push_back(&shape.uniques[i]);
      body += (body.empty() ? "" : " ") + statement;
      victims.push_back(std::move(statement));
    }
    if (!victims.empty()) {
      add("_replace_insert", "BEFORE INSERT", "", body, victims);
      add("_replace_update", "BEFORE UPDATE" + of_columns(shape, columns_deciding(shape, uniques)),
          terms_differ(shape, uniques), body, victims);
    }
  }
  add("_insert", "AFTER INSERT", "", log_key(shape, number, "NEW"));
  add("_update", "AFTER UPDATE", "", log_key(shape, number, "NEW"));
  add("_rekey", "BEFORE UPDATE" + of_columns(shape, shape.schema.key), rekeyed,
      log_key(shape, number, "OLD") + " " + log_key(shape, number, "NEW"));
  add("_delete", "AFTER DELETE", "", log_key(shape, number, "OLD"));
  return triggers;
}

std::vector<NamedColumn> columns_named_by_victims(const TableShape& shape) {
  std::vector<NamedColumn> named;
  for (std::size_t i = 0; i < shape.uniques.size(); ++i) {
    const UniqueKey& unique = shape.uniques[i];
    if (unique.index.empty() || !displaces_others(shape, i)) continue;
    // The columns of a UNIQUE in the table's own text can never be dropped.
    if (same_name(std::string_view(unique.index).substr(0, 7), "sqlite_")) continue;
    std::vector<int> columns = columns_read(shape, unique);
    for (const UniqueTerm& term : unique.terms) {
      if (term.column >= 0) columns.push_back(term.column);
    }
    for (int column : columns) {
      named.push_back({shape.schema.columns[static_cast<std::size_t>(column)].name, unique.index});
    }
  }
  return named;
}

}  // namespace tandem::capture
