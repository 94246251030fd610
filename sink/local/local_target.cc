#include "sink/local/local_target.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "sink/item_check.h"
#include "sink/local/local_schema.h"
#include "state/failpoint.h"

namespace tandem::sink {
namespace {

using state::Database;
using state::OpenMode;
using state::Statement;

constexpr std::size_t kCapacity = 8192;        // writes gathered for one transaction
constexpr std::int64_t kScanPage = 1000;       // items read at once
constexpr std::int64_t kExpiredAtOnce = 1000;  // tombstones let go of at once
constexpr std::chrono::seconds kExpireEvery{10};

// The condition of sink/target.h's may_replace(), in SQL. ?1 and ?2 are table and key, ?3 and ?4
// the version, ?5 the predecessor's hash, ?6 whether to write without any condition.
constexpr std::string_view kMayReplace =
    " (?6 OR items.epoch IS NULL OR (items.epoch, items.\"offset\") < (?3, ?4)"
    " OR ((items.epoch, items.\"offset\") = (?3, ?4) AND items.hash = ?5))";

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string_view bytes_of(const state::Hash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

class LocalTarget : public Target {
 public:
  LocalTarget(std::string path, std::vector<TargetTable> tables, TargetOptions options)
      : path_(std::move(path)), tables_(std::move(tables)), options_(std::move(options)) {}

  std::vector<TargetFinding> check(CheckDepth) override { return check_local_file(path_, tables_); }

  std::vector<std::string> create_missing(
      const std::function<void(const std::string&)>& say) override {
    return make_local_tables(path_, tables_, say);
  }

  std::size_t room() const override { return kCapacity - pending_.size(); }

  void submit(Write write) override { pending_.push_back(std::move(write)); }

  void wait(std::chrono::milliseconds, std::vector<Outcome>& outcomes) override {
    if (pending_.empty()) return;
    open();
    std::vector<Outcome> made;
    made.reserve(pending_.size());
    TargetCounters counted;
    try {
      TANDEM_FAILPOINT("local.commit.before");
      state::Transaction transaction(database_);
      if (may_send_) may_send_();
      expire_tombstones();
      for (const Write& write : pending_) made.push_back(apply(write, counted));
      transaction.commit();
      TANDEM_FAILPOINT("local.commit.after");
    } catch (const state::SqliteError& error) {
      // Another process holds the file: the writes stay gathered for the next wait.
      if (!error.busy()) throw;
      std::lock_guard lock(mutex_);
      ++counters_.retries;
      return;
    }
    pending_.clear();
    for (Outcome& outcome : made) outcomes.push_back(std::move(outcome));
    add(counted);
  }

  std::vector<std::optional<Item>> read(std::size_t table, const std::vector<Item>& keys) override {
    open();
    std::vector<std::optional<Item>> found;
    found.reserve(keys.size());
    for (const Item& key : keys) {
      found.push_back(standing(tables_[table].name, encode_key(key, tables_[table].key)));
    }
    TargetCounters counted;
    counted.read_calls = 1;
    counted.items_read = static_cast<std::int64_t>(keys.size());
    add(counted);
    return found;
  }

  void scan(std::size_t table, bool keys_only,
            const std::function<bool(std::vector<Item>&)>& page) override {
    // A handle of its own, because a scan may run beside the writing thread.
    Database database = open_local_file(path_, OpenMode::kReadOnly);
    Statement select(database,
                     "SELECT key, item FROM items WHERE tbl = ?1 AND key > ?2 ORDER BY key "
                     "LIMIT ?3");
    std::string after;
    bool more = true;
    while (more) {
      std::vector<Item> items;
      select.bind(1, tables_[table].name).bind_blob(2, after).bind(3, kScanPage);
      while (select.step()) {
        after.assign(select.view(0));
        items.push_back(item_from_dynamodb_json(select.view(1)));
        if (keys_only) keep_key_and_stamp(items.back(), tables_[table]);
      }
      select.reset();
      TargetCounters counted;
      counted.read_calls = 1;
      counted.items_read = static_cast<std::int64_t>(items.size());
      add(counted);
      more = static_cast<std::int64_t>(items.size()) == kScanPage;
      if (!items.empty() && !page(items)) more = false;
    }
  }

  TargetCounters counters() const override {
    std::lock_guard lock(mutex_);
    return counters_;
  }

 private:
  void open() {
    if (database_) return;
    Database database = open_local_file(path_, OpenMode::kReadWrite);
    // An outcome of kDone is a promise that must survive power loss, as DynamoDB's does.
    database.execute("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000");
    put_ = Statement(
        database,
        "INSERT INTO items(tbl, key, epoch, \"offset\", hash, item, deleted, expires) "
        "VALUES(?1, ?2, ?3, ?4, ?7, ?8, ?9, ?10) ON CONFLICT(tbl, key) DO UPDATE SET "
        "epoch = excluded.epoch, \"offset\" = excluded.\"offset\", hash = excluded.hash, "
        "item = excluded.item, deleted = excluded.deleted, expires = excluded.expires WHERE" +
            std::string(kMayReplace));
    remove_ = Statement(
        database, "DELETE FROM items WHERE tbl = ?1 AND key = ?2 AND" + std::string(kMayReplace));
    find_ = Statement(database, "SELECT item FROM items WHERE tbl = ?1 AND key = ?2");
    expire_ = Statement(database,
                        "DELETE FROM items WHERE (tbl, key) IN (SELECT tbl, key FROM items "
                        "WHERE expires IS NOT NULL AND expires < ?1 LIMIT ?2)");
    database_ = std::move(database);
  }

  Outcome apply(const Write& write, TargetCounters& counted) {
    const TargetTable& table = tables_[write.table];
    Outcome outcome;
    outcome.ticket = write.ticket;
    ++counted.write_calls;
    std::string key = encode_key(write.item, table.key);
    const bool leaves_nothing = write.deletion && options_.tombstones.count() == 0;
    Statement& statement = leaves_nothing ? remove_ : put_;
    statement.bind(1, table.name)
        .bind_blob(2, key)
        .bind(3, static_cast<std::int64_t>(write.stamp.version.epoch))
        .bind(4, write.stamp.version.offset)
        .bind(6, std::int64_t{write.unconditional ? 1 : 0});
    if (write.predecessor) {
      statement.bind_blob(5, bytes_of(*write.predecessor));
    } else {
      statement.bind_null(5);
    }
    if (!leaves_nothing) {
      outcome.reason = bind_content(write, table);
      if (!outcome.reason.empty()) {
        outcome.kind = Outcome::Kind::kRejected;
        return outcome;
      }
    }
    statement.run();
    if (database_.changes() > 0) {
      ++(write.deletion ? counted.items_deleted : counted.items_written);
      return outcome;
    }
    outcome.found = standing(table.name, key);
    if (leaves_nothing && !outcome.found) return outcome;  // there was nothing to delete
    outcome.kind = Outcome::Kind::kConflict;
    ++counted.conflicts;
    return outcome;
  }

  // Binds the item as it will stand there; returns why the target would refuse it, or "".
  std::string bind_content(const Write& write, const TargetTable& table) {
    Item item = write.item;
    item.emplace_back(options_.attribute, stamp_to_attribute(write.stamp));
    std::int64_t expires = 0;
    if (write.deletion) {
      expires = unix_seconds() + options_.tombstones.count();
      item.emplace_back(options_.attribute + "_ttl", Attribute::number(expires));
    }
    sort_map(item);
    std::string reason = write.deletion ? "" : check_item(item, table);
    if (!reason.empty()) return reason;
    text_.clear();
    write_dynamodb_json(item, text_);
    put_.bind_blob(7, bytes_of(write.stamp.hash))
        .bind(8, text_)
        .bind(9, std::int64_t{write.deletion ? 1 : 0});
    if (write.deletion) {
      put_.bind(10, expires);
    } else {
      put_.bind_null(10);
    }
    return "";
  }

  std::optional<Item> standing(const std::string& table, const std::string& key) {
    find_.bind(1, table).bind_blob(2, key);
    std::optional<Item> item;
    if (find_.step()) item = item_from_dynamodb_json(find_.view(0));
    find_.reset();
    return item;
  }

  void keep_key_and_stamp(Item& item, const TargetTable& table) const {
    std::erase_if(item, [&](const auto& entry) {
      return entry.first != options_.attribute &&
             std::find(table.key.begin(), table.key.end(), entry.first) == table.key.end();
    });
  }

  void expire_tombstones() {
    auto now = std::chrono::steady_clock::now();
    if (now < expire_next_) return;
    expire_.bind(1, unix_seconds()).bind(2, kExpiredAtOnce).run();
    if (database_.changes() < kExpiredAtOnce) expire_next_ = now + kExpireEvery;
  }

  void add(const TargetCounters& more) {
    std::lock_guard lock(mutex_);
    counters_ += more;
  }

  const std::string path_;
  const std::vector<TargetTable> tables_;
  const TargetOptions options_;

  // The writing thread's.
  Database database_;
  Statement put_, remove_, find_, expire_;
  std::vector<Write> pending_;
  std::string text_;
  std::chrono::steady_clock::time_point expire_next_{};

  mutable std::mutex mutex_;
  TargetCounters counters_;  // guarded by mutex_
};

}  // namespace

std::unique_ptr<Target> open_local_target(std::string path, std::vector<TargetTable> tables,
                                          TargetOptions options) {
  return std::make_unique<LocalTarget>(std::move(path), std::move(tables), std::move(options));
}

}  // namespace tandem::sink
