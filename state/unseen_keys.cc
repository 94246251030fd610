#include "state/unseen_keys.h"

#include "state/key_order.h"

namespace tandem::state {

UnseenKeys::UnseenKeys(Database& database)
    : database_(database),
      insert_(database.prepare("INSERT OR IGNORE INTO _tandem_unseen VALUES(?, ?)")),
      remove_(database.prepare("DELETE FROM _tandem_unseen WHERE name = ? AND key = ?")),
      some_(database.prepare("SELECT key FROM _tandem_unseen WHERE name = ? LIMIT ?")),
      clear_(database.prepare("DELETE FROM _tandem_unseen WHERE name = ?")) {
  reload();
}

void UnseenKeys::reload() {
  tables_.clear();
  auto names = database_.prepare(
      "SELECT name FROM _tandem_tables AS t WHERE EXISTS "
      "(SELECT 1 FROM _tandem_unseen AS u WHERE u.name = t.name)");
  while (names.step()) tables_.insert(names.text(0));
}

void UnseenKeys::fill(const TableSchema& schema) {
  clear(schema.name);
  std::string key;
  for (int index : schema.key) {
    key += (key.empty() ? "" : ", ") +
           quote_identifier(schema.columns.at(static_cast<std::size_t>(index)).name);
  }
  auto rows = database_.prepare("SELECT " + key + " FROM " + quote_identifier(schema.name));
  insert_.bind(1, std::string_view(schema.name));
  while (rows.step()) {
    tables_.insert(schema.name);
    insert_.bind_blob(2, key_identity(schema, rows.row(0, static_cast<int>(schema.key.size()))));
    insert_.run();
  }
}

void UnseenKeys::take_out(const TableSchema& schema, const Row& key) {
  if (tables_.empty() || !tables_.contains(schema.name)) return;
  remove_.bind(1, std::string_view(schema.name)).bind_blob(2, key_identity(schema, key)).run();
}

std::vector<Row> UnseenKeys::take_some(const std::string& table, std::size_t limit) {
  std::vector<Row> keys;
  if (!tables_.contains(table)) return keys;
  some_.bind(1, std::string_view(table)).bind(2, static_cast<std::int64_t>(limit));
  while (some_.step()) keys.push_back(decode_row(some_.view(0)));
  some_.reset();
  remove_.bind(1, std::string_view(table));
  for (const Row& key : keys) remove_.bind_blob(2, encode_row(key)).run();
  if (keys.empty()) tables_.erase(table);
  return keys;
}

void UnseenKeys::clear(const std::string& table) {
  if (tables_.erase(table) > 0) clear_.bind(1, std::string_view(table)).run();
}

void UnseenKeys::clear() {
  if (!tables_.empty()) database_.execute("DELETE FROM _tandem_unseen");
  tables_.clear();
}

}  // namespace tandem::state
