#include "state/ledger.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "state/failpoint.h"
#include "state/ledger_queries.h"
#include "state/seen_filter.h"
#include "state/write_ahead_log.h"

namespace tandem::state {
namespace {

constexpr std::int64_t kKnown = 0;
constexpr std::int64_t kUnknown = -1;
constexpr std::size_t kMostSeenBytes = std::size_t{48} << 20U;  // some 11 million items

std::int64_t to_integer(const std::string& text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

class Ledger::Impl {
 public:
  Impl(const std::string& path, const std::string& log_identity)
      : database_(open(path)),
        log_(path),
        queries_(database_),
        new_document_(database_.prepare("INSERT INTO documents(name, fingerprint) VALUES(?, '')")),
        new_table_(database_.prepare("INSERT INTO tables(name) VALUES(?)")),
        put_(database_.prepare(
            "INSERT INTO items VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT(tbl, key) DO "
            "UPDATE SET hash = ?5, epoch = ?6, offset = ?7, deleted = ?8, flight = ?9 "
            "WHERE doc = ?3 AND root = ?4")),
        replace_(database_.prepare(
            "INSERT OR REPLACE INTO items VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")),
        remove_(database_.prepare("DELETE FROM items WHERE tbl = ? AND key = ?")),
        new_flight_(database_.prepare("INSERT INTO flights VALUES(?)")),
        land_(database_.prepare("DELETE FROM flights WHERE id = ?")),
        settle_(
            database_.prepare("INSERT INTO settled VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET "
                              "number = max(number, ?3)")),
        forget_(database_.prepare("DELETE FROM settled WHERE number <= ?")),
        put_letter_(database_.prepare(
            "INSERT INTO dead_letters VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE "
            "SET row = ?3, item = ?4, reason = ?5, number = ?6, offset = ?7")),
        clear_letter_(database_.prepare("DELETE FROM dead_letters WHERE doc = ? AND root = ?")),
        put_expansion_(
            database_.prepare("INSERT OR REPLACE INTO expansions VALUES(?, ?, ?, ?, ?, ?)")),
        remove_expansion_(
            database_.prepare("DELETE FROM expansions WHERE doc = ? AND path = ? AND vals = ?")),
        put_meta_(database_.prepare("INSERT OR REPLACE INTO meta VALUES(?, ?)")) {
    adopt(log_identity);
    end_open_flights();
    next_flight_ = to_integer(queries_.meta("next_flight"));
    next_flight_ = std::max(next_flight_, std::int64_t{1});
    highest_ = to_integer(queries_.meta("highest_mark"));
    newest_ = Version::from_number(queries_.meta("newest_version")).value_or(Version{});
    if (database_.query_value("SELECT NOT EXISTS (SELECT 1 FROM items)").as_integer() != 0) {
      seen_.emplace();
    }
  }

  void begin() {
    database_.execute("BEGIN IMMEDIATE");
    flight_ = 0;
  }

  void commit(bool durable) {
    if (highest_changed_) set_meta("highest_mark", std::to_string(highest_));
    if (newest_changed_) set_meta("newest_version", newest_.to_number());
    TANDEM_FAILPOINT("ledger.commit.before");
    database_.execute("COMMIT");
    highest_changed_ = newest_changed_ = false;
    if (durable) log_.sync();
    TANDEM_FAILPOINT("ledger.commit.after");
  }

  void put(const LedgerItem& item, std::int64_t flight) {
    std::int64_t table = table_id(item.table);
    std::int64_t document = document_id(item.document);
    auto bind = [&](Statement& statement) {
      statement.bind(1, table).bind_blob_borrowed(2, item.key);
      statement.bind(3, document).bind_blob_borrowed(4, item.root);
      statement.bind_blob_borrowed(
          5, {reinterpret_cast<const char*>(item.hash.data()), item.hash.size()});
      statement.bind(6, static_cast<std::int64_t>(item.version.epoch)).bind(7, item.version.offset);
      statement.bind(8, std::int64_t{item.deleted}).bind(9, flight);
    };
    bind(put_);
    put_.run();
    if (database_.changes() == 0) {
      // The key goes over to another document or root: the index by root must follow.
      bind(replace_);
      replace_.run();
    }
    remember(table, item.key, document, item.root);
    if (newest_ < item.version) {
      newest_ = item.version;
      newest_changed_ = true;
    }
  }

  std::int64_t send(const LedgerItem& item) {
    if (flight_ == 0) {
      flight_ = next_flight_++;
      new_flight_.bind(1, flight_).run();
      set_meta("next_flight", std::to_string(next_flight_));
    }
    put(item, flight_);
    return flight_;
  }

  void settle(const std::string& document, const std::string& root, MarkNumber number) {
    settle_.bind(1, document_id(document)).bind_blob(2, root).bind(3, number).run();
    saw_mark(number);
  }

  void saw_mark(MarkNumber number) {
    if (number <= highest_) return;
    highest_ = number;
    highest_changed_ = true;
  }

  std::vector<LedgerItem> items_of(const std::string& document, const std::string& root) {
    const auto id = queries_.documents().id(document);
    if (!id || (seen_ && !seen_->maybe(root_space(*id), root))) return {};
    return queries_.items_of(document, root);
  }

  std::optional<LedgerItem> owner_of(const std::string& table, const std::string& key) {
    const auto id = queries_.tables().id(table);
    if (!id || (seen_ && !seen_->maybe(key_space(*id), key))) return std::nullopt;
    return queries_.owner_of(table, key);
  }

  void set_meta(const std::string& key, const std::string& value) {
    put_meta_.bind(1, std::string_view(key)).bind(2, std::string_view(value)).run();
  }

  std::int64_t document_id(const std::string& name) {
    if (auto id = queries_.documents().id(name)) return *id;
    new_document_.bind(1, std::string_view(name)).run();
    return database_.last_insert_rowid();
  }

  std::int64_t table_id(const std::string& name) {
    if (auto id = queries_.tables().id(name)) return *id;
    new_table_.bind(1, std::string_view(name)).run();
    return database_.last_insert_rowid();
  }

  // The spaces of the two kinds of entries in seen_.
  static std::uint64_t key_space(std::int64_t table) {
    return static_cast<std::uint64_t>(table) * 2;
  }
  static std::uint64_t root_space(std::int64_t document) {
    return static_cast<std::uint64_t>(document) * 2 + 1;
  }

  void remember(std::int64_t table, const std::string& key, std::int64_t document,
                const std::string& root) {
    if (!seen_) return;
    seen_->add(key_space(table), key);
    seen_->add(root_space(document), root);
    if (seen_->memory() > kMostSeenBytes) seen_.reset();
  }

  Database database_;
  WriteAheadLog log_;
  LedgerQueries queries_;
  Statement new_document_, new_table_, put_, replace_, remove_, new_flight_, land_, settle_,
      forget_, put_letter_, clear_letter_, put_expansion_, remove_expansion_, put_meta_;
  // What was put since, in a ledger that had no items when it was opened; else none.
  std::optional<SeenFilter> seen_;
  bool fresh_ = false;
  std::int64_t flight_ = 0, next_flight_ = 1;
  MarkNumber highest_ = 0;
  Version newest_;
  bool highest_changed_ = false, newest_changed_ = false;

 private:
  static Database open(const std::string& path) {
    Database database(path, OpenMode::kReadWriteCreate);
    database.execute(
        "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
        "PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 4000");
    database.execute(kLedgerTables);
    return database;
  }

  // Flights that the process before left in the air: their items are unknown.
  void end_open_flights() {
    if (database_.query_value("SELECT count(*) FROM flights").as_integer() == 0) return;
    Transaction transaction(database_);
    database_.execute(
        "UPDATE items SET flight = -1 WHERE flight IN (SELECT id FROM flights);"
        "DELETE FROM flights");
    transaction.commit();
  }

  // A ledger of another log keeps its items, for they are what was written, but trusts none of
  // them, and its marks mean nothing any more.
  void adopt(const std::string& log_identity) {
    std::string known = queries_.meta("log_identity");
    fresh_ = queries_.meta("rebuilt").empty();
    if (known == log_identity) return;
    Transaction transaction(database_);
    if (!known.empty()) {
      database_.execute(
          "UPDATE items SET flight = -1; DELETE FROM flights; DELETE FROM settled;"
          "DELETE FROM expansions; DELETE FROM meta WHERE key = 'newest_version'");
    }
    set_meta("log_identity", log_identity);
    transaction.commit();
  }
};

Ledger::Ledger(const std::string& path, const std::string& log_identity)
    : impl_(std::make_unique<Impl>(path, log_identity)) {}
Ledger::~Ledger() = default;

bool Ledger::fresh() const { return impl_->fresh_; }
void Ledger::set_rebuilt() {
  impl_->set_meta("rebuilt", "yes");
  impl_->fresh_ = false;
}
MarkNumber Ledger::highest_mark() const { return impl_->highest_; }
Version Ledger::newest_version() const { return impl_->newest_; }

std::vector<LedgerItem> Ledger::items_of(const std::string& document, const std::string& root) {
  return impl_->items_of(document, root);
}
std::optional<LedgerItem> Ledger::owner_of(const std::string& table, const std::string& key) {
  return impl_->owner_of(table, key);
}

void Ledger::begin() { impl_->begin(); }
void Ledger::commit(bool durable) { impl_->commit(durable); }

void Ledger::put_item(const LedgerItem& item) {
  impl_->put(item, item.unknown ? kUnknown : kKnown);
}
std::int64_t Ledger::send_item(const LedgerItem& item) { return impl_->send(item); }
void Ledger::land(std::int64_t flight) { impl_->land_.bind(1, flight).run(); }
void Ledger::distrust_items() { impl_->database_.execute("UPDATE items SET flight = -1"); }
void Ledger::remove_item(const std::string& table, const std::string& key) {
  impl_->remove_.bind(1, impl_->table_id(table)).bind_blob(2, key).run();
}

void Ledger::settle(const std::string& document, const std::string& root, MarkNumber number) {
  impl_->settle(document, root, number);
}
std::optional<MarkNumber> Ledger::settled(const std::string& document, const std::string& root) {
  return impl_->queries_.settled(document, root);
}
void Ledger::forget_settled(MarkNumber through) { impl_->forget_.bind(1, through).run(); }

void Ledger::put_dead_letter(const DeadLetter& letter) {
  Statement& put = impl_->put_letter_;
  put.bind(1, impl_->document_id(letter.document)).bind_blob(2, letter.root);
  put.bind(3, std::string_view(letter.row)).bind(4, std::string_view(letter.item));
  put.bind(5, std::string_view(letter.reason)).bind(6, letter.number).bind(7, letter.offset);
  put.bind(8, letter.first_ms).run();
}
bool Ledger::clear_dead_letter(const std::string& document, const std::string& root) {
  impl_->clear_letter_.bind(1, impl_->document_id(document)).bind_blob(2, root).run();
  return impl_->database_.changes() > 0;
}
std::vector<DeadLetter> Ledger::dead_letters() { return impl_->queries_.dead_letters(); }

void Ledger::put_expansion(const Expansion& expansion) {
  Statement& put = impl_->put_expansion_;
  put.bind(1, impl_->document_id(expansion.document)).bind(2, expansion.path);
  put.bind_blob(3, encode_row(expansion.values)).bind(4, expansion.number);
  put.bind_blob(5, expansion.progress).bind(6, std::int64_t{expansion.done}).run();
  impl_->saw_mark(expansion.number);
}
std::vector<Expansion> Ledger::expansions() { return impl_->queries_.expansions(); }
void Ledger::remove_expansion(const std::string& document, std::int64_t path, const Row& values) {
  Statement& remove = impl_->remove_expansion_;
  remove.bind(1, impl_->document_id(document)).bind(2, path).bind_blob(3, encode_row(values)).run();
}

std::string Ledger::document_fingerprint(const std::string& document) {
  auto select = impl_->database_.prepare("SELECT fingerprint FROM documents WHERE name = ?");
  select.bind(1, std::string_view(document));
  return select.step() ? select.text(0) : "";
}
void Ledger::set_document_fingerprint(const std::string& document, const std::string& fingerprint) {
  impl_->document_id(document);
  auto update = impl_->database_.prepare("UPDATE documents SET fingerprint = ? WHERE name = ?");
  update.bind(1, std::string_view(fingerprint)).bind(2, std::string_view(document)).run();
}
std::vector<std::string> Ledger::documents() { return impl_->queries_.documents().all(); }
std::vector<LedgerItem> Ledger::items_after(const std::string& table, const std::string& key,
                                            std::size_t limit) {
  return impl_->queries_.items_after(table, key, limit);
}
std::vector<LedgerItem> Ledger::unknown_after(const std::string& table, const std::string& key,
                                              std::size_t limit) {
  return impl_->queries_.unknown_after(table, key, limit);
}
std::int64_t Ledger::item_count(const std::string& document) {
  return impl_->queries_.item_count(document);
}
void Ledger::set_meta(const std::string& key, const std::string& value) {
  impl_->set_meta(key, value);
}
std::string Ledger::meta(const std::string& key) { return impl_->queries_.meta(key); }

}  // namespace tandem::state
