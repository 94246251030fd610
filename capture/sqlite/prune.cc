#include "capture/sqlite/prune.h"

#include <algorithm>
#include <utility>

#include "capture/sqlite/lock_patience.h"
#include "capture/sqlite/owner.h"
#include "state/failpoint.h"

namespace tandem::capture {
namespace {

constexpr std::uint64_t kStepRows = 2000;
constexpr std::chrono::milliseconds kBusyPause{200};   // between steps while much is to be pruned
constexpr std::chrono::milliseconds kIdlePause{5000};  // for less than a step

// Gives up at once on a locked file while it lives.
class WithoutWaiting {
 public:
  explicit WithoutWaiting(state::Database& database) : database_(database) {
    database_.execute("PRAGMA busy_timeout = 0");
  }
  ~WithoutWaiting() { database_.execute("PRAGMA busy_timeout = " + std::to_string(kLockWaitMs)); }
  WithoutWaiting(const WithoutWaiting&) = delete;

 private:
  state::Database& database_;
};

}  // namespace

Pruner::Pruner(state::Database& database, std::string log_identity, std::uint64_t epoch,
               std::uint64_t pruned)
    : database_(database),
      log_identity_(std::move(log_identity)),
      epoch_(epoch),
      pruned_(pruned),
      last_(std::chrono::steady_clock::now()) {}

void Pruner::release(std::uint64_t seq) { released_ = std::max(released_, seq); }

void Pruner::run_if_due() {
  if (released_ <= pruned_ + 1) return;
  auto now = std::chrono::steady_clock::now();
  bool much = released_ - pruned_ > kStepRows;
  if (now - last_ < (much ? kBusyPause : kIdlePause)) return;
  last_ = now;
  WithoutWaiting no_wait(database_);
  try {
    state::Transaction transaction(database_);
    std::optional<OwnerRow> owner = read_owner(database_);
    if (!owner || owner->log_identity != log_identity_ || owner->epoch != epoch_) {
      // The next drain finds out whether the owner is another or the file.
      return;
    }
    state::Value first = database_.query_value("SELECT min(seq) FROM _tandem_log");
    std::uint64_t begin =
        first.is_null() ? released_ : static_cast<std::uint64_t>(first.as_integer());
    std::uint64_t through = std::min(released_ - 1, begin + kStepRows - 1);
    state::Statement remove(database_, "DELETE FROM _tandem_log WHERE seq <= ?1");
    remove.bind(1, static_cast<std::int64_t>(through)).run();
    owner->pruned = std::max(owner->pruned, through);
    write_owner(database_, *owner);
    TANDEM_FAILPOINT("capture.prune.before");
    transaction.commit();
    TANDEM_FAILPOINT("capture.prune.after");
    pruned_ = owner->pruned;
  } catch (const state::SqliteError& error) {
    // Somebody else is writing or reading: later. A disk that is full can wait as well.
    if (!error.busy() && error.code() != 13) throw;
  }
}

}  // namespace tandem::capture
