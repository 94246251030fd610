#include "state/replica.h"

#include <unistd.h>

#include <utility>

#include "state/fold.h"
#include "state/replica_tables.h"
#include "state/write_ahead_log.h"

namespace tandem::state {
namespace {

// A replica of another log tells nothing: it is folded anew from the first record.
void remove_if_of_another_log(const std::string& path, const std::string& log_identity) {
  if (::access(path.c_str(), F_OK) != 0) return;
  {
    Database database(path, OpenMode::kReadWrite);
    if (!database.query_value("SELECT 1 FROM sqlite_master WHERE name = '_tandem_position'")
             .is_null()) {
      ReplicaPosition position = read_position(database);
      if (position.log_identity.empty() || position.log_identity == log_identity) return;
    }
  }
  for (const char* suffix : {"", "-wal", "-shm"}) ::unlink((path + suffix).c_str());
}

Database open(const std::string& path, const std::string& log_identity) {
  remove_if_of_another_log(path, log_identity);
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
      : database_(open(path, log_identity)),
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
void Replica::mark(const std::function<void(Marks&)>& make) { impl_->fold_.mark(make); }
std::int64_t Replica::sweep(const std::string& ledger_path) {
  return impl_->fold_.sweep(ledger_path);
}
Offset Replica::sync() { return impl_->sync(); }

}  // namespace tandem::state
