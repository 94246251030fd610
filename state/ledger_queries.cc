#include "state/ledger_queries.h"

#include <algorithm>

namespace tandem::state {

const char kLedgerTables[] = R"(
CREATE TABLE IF NOT EXISTS documents(id INTEGER PRIMARY KEY, name TEXT UNIQUE, fingerprint TEXT);
CREATE TABLE IF NOT EXISTS tables(id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS items(tbl INTEGER, key BLOB, doc INTEGER, root BLOB, hash BLOB,
  epoch INTEGER, offset INTEGER, deleted INTEGER, flight INTEGER, PRIMARY KEY(tbl, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_by_root ON items(doc, root);
CREATE INDEX IF NOT EXISTS items_unknown ON items(tbl, key) WHERE flight = -1;
CREATE INDEX IF NOT EXISTS items_deleted ON items(doc) WHERE deleted;
CREATE TABLE IF NOT EXISTS flights(id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS settled(doc INTEGER, root BLOB, number INTEGER, PRIMARY KEY(doc, root))
  WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS settled_by_number ON settled(number);
CREATE TABLE IF NOT EXISTS dead_letters(doc INTEGER, root BLOB, row TEXT, item TEXT, reason TEXT,
  number INTEGER, offset INTEGER, first_ms INTEGER, PRIMARY KEY(doc, root)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS expansions(doc INTEGER, path INTEGER, vals BLOB, number INTEGER,
  progress BLOB, done INTEGER, PRIMARY KEY(doc, path, vals)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
)";

namespace {

constexpr char kItem[] =
    "SELECT doc, root, tbl, key, hash, epoch, offset, deleted, "
    "flight = -1 OR EXISTS (SELECT 1 FROM flights WHERE flights.id = flight) FROM items ";
constexpr char kLetter[] =
    "SELECT documents.name, root, row, item, reason, number, offset, first_ms "
    "FROM dead_letters JOIN documents ON documents.id = doc ";

// Ends a read at once, so that it holds no snapshot open.
class Reading {
 public:
  explicit Reading(Statement& statement) : statement_(statement) {}
  ~Reading() { statement_.reset(); }
  Reading(const Reading&) = delete;

 private:
  Statement& statement_;
};

}  // namespace

LedgerNames::LedgerNames(Database& database, const std::string& table)
    : all_(database, "SELECT id, name FROM " + table) {}

std::optional<std::int64_t> LedgerNames::id(const std::string& name) {
  auto known = ids_.find(name);
  if (known == ids_.end()) {
    read_again();
    known = ids_.find(name);
  }
  if (known == ids_.end()) return std::nullopt;
  return known->second;
}

const std::string& LedgerNames::name(std::int64_t id) {
  if (!names_.contains(id)) read_again();
  return names_[id];
}

std::vector<std::string> LedgerNames::all() {
  read_again();
  std::vector<std::string> names;
  for (const auto& [id, name] : names_) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

void LedgerNames::read_again() {
  Reading reading(all_);
  while (all_.step()) {
    ids_[all_.text(1)] = all_.integer(0);
    names_[all_.integer(0)] = all_.text(1);
  }
}

LedgerQueries::LedgerQueries(Database& database)
    : documents_(database, "documents"),
      tables_(database, "tables"),
      items_of_(database, std::string(kItem) + "WHERE doc = ? AND root = ?"),
      owner_of_(database, std::string(kItem) + "WHERE tbl = ? AND key = ?"),
      items_after_(database,
                   std::string(kItem) + "WHERE tbl = ? AND key > ? ORDER BY tbl, key LIMIT ?"),
      unknown_after_(
          database,
          std::string(kItem) + "WHERE flight = -1 AND tbl = ? AND key > ? ORDER BY key LIMIT ?"),
      settled_(database,
               "SELECT number FROM settled JOIN documents ON documents.id = doc WHERE name = ? AND "
               "root = ?"),
      dead_letters_(database, std::string(kLetter) + "ORDER BY first_ms"),
      dead_letter_(database, std::string(kLetter) + "WHERE documents.name = ? AND root = ?"),
      expansions_(database,
                  "SELECT name, path, vals, number, progress, done FROM expansions JOIN documents "
                  "ON documents.id = doc ORDER BY number"),
      item_count_(database,
                  // Two counts that read indexes alone; there are few deleted ones.
                  "SELECT (SELECT count(*) FROM items WHERE doc = ?1) - "
                  "(SELECT count(*) FROM items WHERE doc = ?1 AND deleted)"),
      any_unknown_(database,
                   "SELECT EXISTS (SELECT 1 FROM items WHERE flight = -1) OR "
                   "EXISTS (SELECT 1 FROM flights)"),
      meta_(database, "SELECT value FROM meta WHERE key = ?") {}

LedgerItem LedgerQueries::item(const Statement& row) {
  LedgerItem item;
  item.document = documents_.name(row.integer(0));
  item.root = row.text(1);
  item.table = tables_.name(row.integer(2));
  item.key = row.text(3);
  std::string_view hash = row.view(4);
  std::copy_n(hash.begin(), std::min(hash.size(), item.hash.size()),
              reinterpret_cast<char*>(item.hash.data()));
  item.version = {static_cast<std::uint64_t>(row.integer(5)), row.integer(6)};
  item.deleted = row.integer(7) != 0;
  item.unknown = row.integer(8) != 0;
  return item;
}

DeadLetter LedgerQueries::letter(const Statement& row) {
  return {row.text(0), row.text(1),    row.text(2),    row.text(3),
          row.text(4), row.integer(5), row.integer(6), row.integer(7)};
}

std::vector<LedgerItem> LedgerQueries::items_of(const std::string& document,
                                                const std::string& root) {
  std::vector<LedgerItem> items;
  std::optional<std::int64_t> id = documents_.id(document);
  if (!id) return items;
  Reading reading(items_of_);
  items_of_.bind(1, *id).bind_blob(2, root);
  while (items_of_.step()) items.push_back(item(items_of_));
  return items;
}

std::optional<LedgerItem> LedgerQueries::owner_of(const std::string& table,
                                                  const std::string& key) {
  std::optional<std::int64_t> id = tables_.id(table);
  if (!id) return std::nullopt;
  Reading reading(owner_of_);
  owner_of_.bind(1, *id).bind_blob(2, key);
  if (!owner_of_.step()) return std::nullopt;
  return item(owner_of_);
}

std::vector<LedgerItem> LedgerQueries::items_after(const std::string& table, const std::string& key,
                                                   std::size_t limit) {
  std::vector<LedgerItem> items;
  std::optional<std::int64_t> id = tables_.id(table);
  if (!id) return items;
  Reading reading(items_after_);
  items_after_.bind(1, *id).bind_blob(2, key).bind(3, static_cast<std::int64_t>(limit));
  while (items_after_.step()) items.push_back(item(items_after_));
  return items;
}

std::vector<LedgerItem> LedgerQueries::unknown_after(const std::string& table,
                                                     const std::string& key, std::size_t limit) {
  std::vector<LedgerItem> items;
  std::optional<std::int64_t> id = tables_.id(table);
  if (!id) return items;
  Reading reading(unknown_after_);
  unknown_after_.bind(1, *id).bind_blob(2, key).bind(3, static_cast<std::int64_t>(limit));
  while (unknown_after_.step()) items.push_back(item(unknown_after_));
  return items;
}

std::optional<MarkNumber> LedgerQueries::settled(const std::string& document,
                                                 const std::string& root) {
  Reading reading(settled_);
  settled_.bind(1, std::string_view(document)).bind_blob(2, root);
  if (!settled_.step()) return std::nullopt;
  return settled_.integer(0);
}

std::vector<DeadLetter> LedgerQueries::dead_letters() {
  Reading reading(dead_letters_);
  std::vector<DeadLetter> letters;
  while (dead_letters_.step()) letters.push_back(letter(dead_letters_));
  return letters;
}

std::optional<DeadLetter> LedgerQueries::dead_letter(const std::string& document,
                                                     const std::string& root) {
  Reading reading(dead_letter_);
  dead_letter_.bind(1, std::string_view(document)).bind_blob(2, root);
  if (!dead_letter_.step()) return std::nullopt;
  return letter(dead_letter_);
}

std::vector<Expansion> LedgerQueries::expansions() {
  Reading reading(expansions_);
  std::vector<Expansion> all;
  while (expansions_.step()) {
    all.push_back({expansions_.text(0), expansions_.integer(1), decode_row(expansions_.view(2)),
                   expansions_.integer(3), expansions_.text(4), expansions_.integer(5) != 0});
  }
  return all;
}

std::int64_t LedgerQueries::item_count(const std::string& document) {
  std::optional<std::int64_t> id = documents_.id(document);
  if (!id) return 0;
  Reading reading(item_count_);
  item_count_.bind(1, *id);
  item_count_.step();
  return item_count_.integer(0);
}

bool LedgerQueries::any_unknown() {
  Reading reading(any_unknown_);
  return any_unknown_.step() && any_unknown_.integer(0) != 0;
}

std::string LedgerQueries::meta(const std::string& key) {
  Reading reading(meta_);
  meta_.bind(1, std::string_view(key));
  return meta_.step() ? meta_.text(0) : "";
}

}  // namespace tandem::state
