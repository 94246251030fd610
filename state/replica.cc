#include "state/replica.h"

#include <unistd.h>

#include <utility>

#include "state/fold.h"
#include "state/replica_tables.h"
#include "state/write_ahead_log.h"

namespace tandem::state {
namespace {

// A replica of another log, or of a later state of this one, tells nothing: it is folded anew.
void remove_if_of_another_log(const std::string& path, const std::string& log_identity,
                              Offset log_next) {
  if (::access(path.c_str(), F_OK) != 0) return;
  {
    Database database(path, OpenMode::kReadWrite);
    if (!database.query_value("SELECT 1 FROM sqlite_master WHERE name = '_tandem_position'")
             .is_null()) {
      ReplicaPosition position = read_position(database);
      const bool ahead = log_next > 0 && position.next > log_next;
      if (position.log_identity.empty()) return;
      if (position.log_identity == log_identity && !ahead) return;
    }
  }
  remove_database(path);
}

Database open(const std::string& path, const std::string& log_identity, Offset log_next) {
  remove_if_of_another_log(path, log_identity, log_next);
  Database database(path, OpenMode::kReadWriteCreate);
  // Checkpoints copy each page once however often it was written, so rare ones save random writes.
  database.execute(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -49152;"
      "PRAGMA wal_autocheckpoint = 32768; PRAGMA temp_store = MEMORY");
  create_own_tables(database);
  return database;
}

}  // namespace

class Replica::Impl {
 public:
  Impl(const std::string& path, const std::string& log_identity, FoldListener* listener,
       ReplicaOptions options)
      : database_(open(path, log_identity, options.log_next)),
        log_(path),
        fold_(database_, log_identity, listener, options) {}

  Offset sync() {
    Offset next = fold_.position().next;
    log_.sync();
    return next;
  }

  Database database_;
  WriteAheadLog log_;
  Fold fold_;
};

Replica::Replica(const std::string& path, const std::string& log_identity, FoldListener* listener,
                 ReplicaOptions options)
    : impl_(std::make_unique<Impl>(path, log_identity, listener, options)) {}
Replica::~Replica() = default;

ReplicaPosition Replica::position() const { return impl_->fold_.position(); }
const std::unordered_map<std::string, ReplicaTable>& Replica::tables() const {
  return impl_->fold_.tables();
}
FoldResult Replica::fold(std::shared_ptr<const Batch> batch, bool flush) {
  return impl_->fold_.take(batch, flush);
}
FoldResult Replica::flush() { return impl_->fold_.flush(); }
bool Replica::may_mark() const { return impl_->fold_.may_mark(); }
void Replica::mark(const std::function<void(Marks&)>& make) { impl_->fold_.mark(make); }
std::int64_t Replica::sweep(const std::string& ledger_path) {
  return impl_->fold_.sweep(ledger_path);
}
Offset Replica::sync() { return impl_->sync(); }

}  // namespace tandem::state
