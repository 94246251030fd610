#include "capture/sqlite/installation.h"

#include <algorithm>
#include <map>

#include "capture/sqlite/index_text.h"
#include "capture/sqlite/triggers.h"

namespace tandem::capture {
namespace {

using state::Database;
using state::quote_identifier;
using state::Statement;

struct InstalledTrigger {
  std::string table, sql;
};

bool table_exists(Database& database, const char* name) {
  Statement query(database, "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?1");
  query.bind(1, std::string_view(name));
  return query.step();
}

std::map<std::string, InstalledTrigger> read_triggers(Database& database) {
  std::map<std::string, InstalledTrigger> triggers;
  Statement query(database,
                  "SELECT name, tbl_name, sql FROM main.sqlite_master "
                  "WHERE type = 'trigger' AND name GLOB '_tandem_*'");
  while (query.step()) triggers[query.text(0)] = {query.text(1), query.text(2)};
  return triggers;
}

std::string key_text(const TableShape& shape) {
  std::string text;
  for (int column : shape.schema.key) {
    text += (text.empty() ? "" : ", ") +
            quote_identifier(shape.schema.columns[static_cast<std::size_t>(column)].name);
  }
  return text;
}

CapturedTable::Triggers compare(const std::vector<TriggerText>& wanted, const std::string& table,
                                const std::map<std::string, InstalledTrigger>& installed) {
  auto result = CapturedTable::Triggers::kIntact;
  for (const TriggerText& trigger : wanted) {
    auto found = installed.find(trigger.name);
    if (found == installed.end() || !same_name(found->second.table, table)) {
      return CapturedTable::Triggers::kBroken;
    }
    const std::string& sql = found->second.sql;
    if (sql == trigger.sql) continue;
    bool enough =
        !trigger.victims.empty() && std::all_of(trigger.victims.begin(), trigger.victims.end(),
                                                [&](const std::string& victims) {
                                                  return sql.find(victims) != std::string::npos;
                                                });
    if (!enough) return CapturedTable::Triggers::kBroken;
    result = CapturedTable::Triggers::kStale;
  }
  return result;
}

void make_tables(Database& database, const Installation& found) {
  if (!found.tables_exist) {
    database.execute(
        "CREATE TABLE IF NOT EXISTS _tandem_log (seq INTEGER PRIMARY KEY, t, k1);"
        "CREATE TABLE IF NOT EXISTS _tandem_tables (number INTEGER PRIMARY KEY, name, key);"
        "CREATE TABLE IF NOT EXISTS _tandem_owner (id INTEGER PRIMARY KEY, log_identity, epoch, "
        "pruned, since)");
  }
  std::size_t needed = 1;
  for (const CapturedTable& table : found.captured) {
    if (table.usable()) needed = std::max(needed, table.shape->schema.key.size());
  }
  for (std::size_t i = static_cast<std::size_t>(std::max(found.key_columns, 1)) + 1; i <= needed;
       ++i) {
    database.execute("ALTER TABLE _tandem_log ADD COLUMN k" + std::to_string(i));
  }
}

// A number is never used twice: the rows of _tandem_tables stay, and the highest only grows.
std::int64_t take_number(Database& database, const TableShape& shape) {
  std::int64_t number =
      database.query_value("SELECT ifnull(max(number), 0) + 1 FROM _tandem_tables").as_integer();
  Statement move(database,
                 "UPDATE _tandem_tables SET number = ?1, key = ?3 WHERE name = ?2 COLLATE NOCASE");
  move.bind(1, number).bind(2, std::string_view(shape.schema.name));
  move.bind(3, std::string_view(key_text(shape))).run();
  if (database.changes() == 0) {
    Statement add(database, "INSERT INTO _tandem_tables (number, name, key) VALUES (?1, ?2, ?3)");
    add.bind(1, number).bind(2, std::string_view(shape.schema.name));
    add.bind(3, std::string_view(key_text(shape))).run();
  }
  return number;
}

}  // namespace

bool Installation::complete() const {
  return tables_exist && surplus.empty() &&
         std::all_of(captured.begin(), captured.end(), [](const CapturedTable& table) {
           return !table.usable() || table.triggers == CapturedTable::Triggers::kIntact;
         });
}

Installation read_installation(Database& database, const std::vector<TableRequest>& requests) {
  Installation found;
  found.tables_exist = table_exists(database, "_tandem_log") &&
                       table_exists(database, "_tandem_tables") &&
                       table_exists(database, "_tandem_owner");
  if (table_exists(database, "_tandem_log")) {
    Statement columns(database,
                      "SELECT count(*) FROM pragma_table_info('_tandem_log', 'main') "
                      "WHERE name GLOB 'k[1-9]*'");
    if (columns.step()) found.key_columns = static_cast<int>(columns.integer(0));
  }
  std::map<std::string, InstalledTrigger> installed = read_triggers(database);
  std::map<std::string, InstalledTrigger> surplus = installed;
  for (const TableRequest& request : requests) {
    CapturedTable table;
    table.request = request;
    table.shape = read_shape(database, request);
    if (table.usable() && found.tables_exist) {
      Statement query(database, "SELECT number FROM _tandem_tables WHERE name = ?1 COLLATE NOCASE");
      query.bind(1, std::string_view(table.shape->schema.name));
      if (query.step()) table.number = query.integer(0);
    }
    if (table.number != 0) {
      std::vector<TriggerText> wanted =
          triggers_for(*table.shape, table.number, request.replace_victims);
      table.triggers = compare(wanted, table.shape->schema.name, installed);
      for (const TriggerText& trigger : wanted) surplus.erase(trigger.name);
    }
    found.captured.push_back(std::move(table));
  }
  for (const auto& [name, trigger] : surplus) found.surplus.push_back(name);
  return found;
}

void make_installation(Database& database, const std::vector<TableRequest>& requests) {
  Installation found = read_installation(database, requests);
  if (found.complete()) return;
  make_tables(database, found);
  std::map<std::string, InstalledTrigger> installed = read_triggers(database);
  auto drop = [&](const std::string& name) {
    if (installed.erase(name) != 0) database.execute("DROP TRIGGER " + quote_identifier(name));
  };
  for (const std::string& name : found.surplus) drop(name);
  for (const CapturedTable& table : found.captured) {
    if (!table.usable() || table.triggers == CapturedTable::Triggers::kIntact) continue;
    bool victims = table.request.replace_victims;
    std::int64_t number = table.number;
    if (table.triggers == CapturedTable::Triggers::kBroken) {
      if (number != 0) {
        for (const TriggerText& trigger : triggers_for(*table.shape, number, victims)) {
          drop(trigger.name);
        }
      }
      number = take_number(database, *table.shape);
    }
    for (const TriggerText& trigger : triggers_for(*table.shape, number, victims)) {
      auto there = installed.find(trigger.name);
      if (there != installed.end() && there->second.sql == trigger.sql) continue;
      drop(trigger.name);
      database.execute(trigger.sql);
    }
  }
}

void remove_installation(Database& database) {
  for (const auto& [name, trigger] : read_triggers(database)) {
    database.execute("DROP TRIGGER " + quote_identifier(name));
  }
  for (const char* table : {"_tandem_log", "_tandem_tables", "_tandem_owner"}) {
    database.execute(std::string("DROP TABLE IF EXISTS ") + table);
  }
}

}  // namespace tandem::capture
