// The loop, as a table of contents. What happens in it is in sink/reconciler/:
//   replica_view   one state of the replica, and the documents compiled against it
//   intake         marks and unknown items become dirty documents
//   expansions     wide marks and full passes, in steps; build_ahead builds the next step
//   dirty_queue    the dirty documents in memory
//   round          documents built, compared and planned; with claims (who owns which key),
//                  standing (what the target holds) and quarantine (dead letters)
//   flights        writes on their way, and their outcomes
//   progress       what is applied, and the counts
//   ledger_rebuild, undeclared, first_loads, owner_lease, item_counts, status_board
#include "sink/reconciler.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "sink/reconciler/expansions.h"
#include "sink/reconciler/first_loads.h"
#include "sink/reconciler/intake.h"
#include "sink/reconciler/ledger_rebuild.h"
#include "sink/reconciler/owner_lease.h"
#include "sink/reconciler/progress.h"
#include "sink/reconciler/round.h"
#include "sink/reconciler/status_board.h"
#include "sink/reconciler/undeclared.h"
#include "state/failpoint.h"

namespace tandem::sink {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kDirtyInMemory = 20'000;      // more stay in the replica
constexpr double kRoundBytes = 16.0 * 1024 * 1024;  // of the items that one round builds, about
constexpr std::chrono::milliseconds kPoll{10};      // while writes are on their way
constexpr std::chrono::seconds kIdle{1};            // looks at the replica even if nobody woke it
constexpr std::chrono::seconds kDrain{3};           // waits so long for answers when stopped

}  // namespace

class Reconciler::Impl {
 public:
  Impl(const std::string& replica_path, state::Ledger& ledger, Target& target,
       DocumentSet& documents, ReconcilerOptions options)
      : options_(std::move(options)),
        ledger_(ledger),
        target_(target),
        lease_(std::make_shared<OwnerLease>(options_.assert_owner, options_.lease)),
        occupied_(rebuild_ledger(ledger, target, documents.targets(), options_.pipeline,
                                 options_.attribute)),
        view_(replica_path, documents, options_.attribute, options_.pipeline),
        quarantine_(ledger),
        counts_(view_, ledger),
        flights_(view_, ledger, target, counts_),
        expansions_(view_, ledger, queue_, quarantine_),
        intake_(view_, ledger, queue_),
        first_loads_(view_, ledger, options_.made_tables, occupied_),
        progress_(view_, ledger, queue_, quarantine_, flights_, expansions_, intake_, counts_,
                  options_.began_at),
        ready_(view_.documents().size(), false) {
    target_.set_guard([lease = lease_] { lease->renew(); });
    for (std::size_t i = 0; i < ready_.size(); ++i) queue_.rest(static_cast<int>(i));
  }

  void run(std::stop_token stop) {
    look();
    forget_undeclared(view_, ledger_, quarantine_, queue_, options_.prune);
    while (!stop.stop_requested()) {
      const bool busy = turn(stop);
      board_.publish(progress_.status());
      if (!busy) wait(stop);
    }
    drain();
    board_.publish(progress_.status());
  }

  void wake() {
    {
      std::lock_guard lock(mutex_);
      woken_ = true;
    }
    wake_.notify_all();
  }

  void request(std::function<void()> request, Done done) {
    {
      std::lock_guard lock(mutex_);
      requests_.push_back({std::move(request), std::move(done)});
      woken_ = true;
    }
    wake_.notify_all();
  }

  void drop_dead_letter(const std::string& document, const std::string& root) {
    quarantine_.clear(document, root);
  }

  void recheck(const std::string& document, const std::string& root) {
    for (state::LedgerItem item : ledger_.items_of(document, root)) {
      item.unknown = true;
      ledger_.put_item(item);
    }
    add(document, root);
  }

  void recheck_item(const std::string& document, const std::string& key) {
    int index = view_.document_index(document);
    if (index < 0) return;
    const std::string& table = view_.targets()[view_.document(index).table].name;
    std::optional<state::LedgerItem> row = ledger_.owner_of(table, key);
    if (row && !row->root.empty()) {
      recheck(row->document, row->root);
      return;
    }
    state::LedgerItem item;
    item.document = document;
    item.table = table;
    item.key = key;
    item.unknown = true;
    ledger_.put_item(item);
    counts_.change(row ? &*row : nullptr, &item);
    expansions_.look_for_orphans(document);
  }

  bool sent_unconfirmed() const { return lease_->unconfirmed(); }

  StatusBoard board_;

 private:
  RoundParts parts() {
    auto unconditional = [this](std::size_t table) { return first_loads_.unconditional(table); };
    return {view_, ledger_, target_, queue_, quarantine_, flights_, counts_, unconditional};
  }

  // One turn: take in what has come, build a round, send it. False if there was nothing to do.
  bool turn(std::stop_token stop) {
    flights_.gather(std::chrono::milliseconds(0));
    look();
    if (!distrust_after_gap(stop) || !distrust_after_others(stop)) return false;
    Round round(parts());
    ledger_.begin();
    bool busy = land();
    const std::vector<Request> requests = take_requests();
    if (progress_.may_write()) {
      expansions_.refresh();
      intake_.refill(kDirtyInMemory / 2);
      busy |= fill(round);
    }
    if (!round.prepare()) {
      // The target is asked while no transaction is open.
      ledger_.commit(false);
      round.read_unknown();
      ledger_.begin();
    }
    RoundCounts counts = round.record();
    progress_.built += counts.built;
    progress_.unchanged += counts.unchanged;
    intake_.record();
    busy |= expansions_.record();
    first_loads_.record(expansions_);
    const bool sending = flights_.has_planned();
    ledger_.commit(sending || !requests.empty());
    for (const Request& request : requests) {
      if (request.done) request.done();
    }
    if (sending) {
      lease_->renew();
      flights_.submit(stop);
    }
    return busy;
  }

  // A gap may mean that this state directory was put back from an older copy: the target then holds
  // what this ledger never knew. Reading it back is cheap against being wrong. A new log's own
  // first gap (behind its first epoch) comes before anything was written. False if a stop cut it
  // short.
  bool distrust_after_gap(const std::stop_token& stop) {
    constexpr state::Offset kFirstGap = 2;
    if (view_.gap() <= kFirstGap || view_.gap() == trusted_gap_) return true;
    const std::string gap = std::to_string(view_.gap());
    if (ledger_.meta("gap") == gap) {
      trusted_gap_ = view_.gap();
      return true;
    }
    if (!distrust_ledger(ledger_, target_, view_.targets(), options_.pipeline, options_.attribute,
                         stop)) {
      return false;
    }
    ledger_.begin();
    ledger_.set_meta("gap", gap);
    first_loads_.end_all();
    ledger_.commit(true);
    forget_undeclared(view_, ledger_, quarantine_, queue_, options_.prune);
    counts_.count_anew();
    trusted_gap_ = view_.gap();
    return true;
  }

  // Another agent, with a ledger of its own, may have written since ours was left. False if a stop
  // cut it short.
  bool distrust_after_others(const std::stop_token& stop) {
    if (others_looked_for_ || options_.instance.empty()) return true;
    const bool others = ledger_.meta("instance") != options_.instance_before;
    if (others && !distrust_ledger(ledger_, target_, view_.targets(), options_.pipeline,
                                   options_.attribute, stop)) {
      return false;
    }
    ledger_.begin();
    ledger_.set_meta("instance", options_.instance);
    if (others) {
      first_loads_.end_all();
      for (std::size_t i = 0; i < ready_.size(); ++i) {
        expansions_.look_for_orphans(view_.document(static_cast<int>(i)).name);
      }
    }
    ledger_.commit(true);
    others_looked_for_ = true;
    if (!others) return true;
    counts_.count_anew();
    intake_.rescan();
    return true;
  }

  // Moves to the replica's newest commit.
  void look() {
    const state::Version before = view_.version();
    const bool changed = view_.renew();
    if (!changed && view_.version() == before) return;
    queue_.unblock();
    if (!changed) return;
    for (std::size_t i = 0; i < ready_.size(); ++i) {
      const int document = static_cast<int>(i);
      const bool ready = view_.document(document).ready();
      if (ready_[i] == ready) continue;
      ready_[i] = ready;
      if (ready) {
        end_rest(document);
      } else {
        queue_.rest(document);
        expansions_.interrupt(document);
      }
    }
  }

  // What is dirty of the document is found again: by its marks, the items that are unknown, its
  // expansions, and those that wait for a key, which may have been released meanwhile.
  void end_rest(int document) {
    queue_.end_rest(document);
    intake_.rescan();
    for (const std::string& root : quarantine_.contested(view_.document(document).name)) {
      queue_.add(document, root, view_.newest_cause());
    }
  }

  bool land() {
    if (!flights_.has_outcomes()) return false;
    TANDEM_FAILPOINT("reconciler.land.before");
    std::vector<std::pair<std::string, std::string>> orphaned;
    for (Dirty* dirty : flights_.land(orphaned)) {
      if (dirty->retry) {
        queue_.retry(*dirty);
      } else if (!dirty->rejection.empty()) {
        settle_as_dead_letter(parts(), *dirty, dirty->rejection, dirty->rejected_item, nullptr);
      } else {
        settle(parts(), *dirty);
      }
    }
    for (const auto& [document, root] : orphaned) add(document, root);
    queue_.unblock();
    TANDEM_FAILPOINT("reconciler.land.after");
    return true;
  }

  // False if there was nothing to take.
  bool fill(Round& round) {
    const bool shared = expansions_.ready() && queue_.size() < kDirtyInMemory;
    const auto fitting = static_cast<std::size_t>(kRoundBytes / document_bytes_) + 1;
    const std::size_t most = std::min(options_.round_documents, fitting);
    // Single documents come first; an expansion still moves on behind an endless stream of them.
    const std::size_t singles = shared ? most - most / 8 : most;
    for (std::size_t i = 0; i < singles; ++i) {
      Dirty* dirty = queue_.take_next();
      if (dirty == nullptr) break;
      round.add(*dirty, view_.build(dirty->document, dirty->root));
    }
    bool stepped = false;
    if (shared && round.size() < most) {
      stepped = expansions_.take(most - round.size(), [&round](Dirty& dirty, BuiltDocument built) {
        round.add(dirty, std::move(built));
      });
    }
    if (round.size() == 0) return stepped;
    // Grows at once, falls slowly: large documents often come together.
    const double average = static_cast<double>(round.bytes()) / static_cast<double>(round.size());
    document_bytes_ = std::max({1.0, average, document_bytes_ * 0.75});
    return true;
  }

  void add(const std::string& document, const std::string& root) {
    int index = view_.document_index(document);
    if (index < 0) return;
    queue_.add(index, root, view_.newest_cause());
  }

  struct Request {
    std::function<void()> request;
    Done done;
  };

  std::vector<Request> take_requests() {
    std::vector<Request> requests;
    {
      std::lock_guard lock(mutex_);
      requests.swap(requests_);
    }
    for (const Request& request : requests) request.request();
    return requests;
  }

  void wait(std::stop_token stop) {
    if (flights_.size() > 0) {
      flights_.gather(kPoll);
      return;
    }
    if (progress_.idle()) {
      ledger_.begin();
      intake_.forget_swept();
      ledger_.commit(false);
    }
    view_.rest();
    std::unique_lock lock(mutex_);
    const bool woken = wake_.wait_for(lock, stop, kIdle, [this] { return woken_; });
    woken_ = false;
    lock.unlock();
    if (!woken && !stop.stop_requested()) lease_->confirm();
  }

  // A clean stop waits for the answers that are still to come; what has none stays unknown.
  void drain() {
    const steady_clock::time_point until = steady_clock::now() + kDrain;
    while (flights_.size() > 0 && steady_clock::now() < until) {
      flights_.gather(std::chrono::milliseconds(50));
      ledger_.begin();
      land();
      ledger_.commit(false);
    }
    ledger_.begin();
    ledger_.commit(true);
    view_.rest();
  }

  ReconcilerOptions options_;
  state::Ledger& ledger_;
  Target& target_;
  std::shared_ptr<OwnerLease> lease_;  // shared with the target, which may outlive all this
  std::vector<std::string> occupied_;
  ReplicaView view_;
  DirtyQueue queue_;
  Quarantine quarantine_;
  ItemCounts counts_;
  Flights flights_;
  Expansions expansions_;
  Intake intake_;
  FirstLoads first_loads_;
  Progress progress_;
  bool others_looked_for_ = false;
  state::Offset trusted_gap_ = 0;  // the gap that the ledger has been compared with the target for
  std::vector<bool> ready_;        // by declared document, as of the last renewal

  double document_bytes_ = 64.0 * 1024;  // of an average document in the last rounds

  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool woken_ = false;             // guarded by mutex_
  std::vector<Request> requests_;  // guarded by mutex_
};

Reconciler::Reconciler(std::string replica_path, state::Ledger& ledger, Target& target,
                       DocumentSet& documents, ReconcilerOptions options)
    : impl_(std::make_unique<Impl>(replica_path, ledger, target, documents, std::move(options))) {}
Reconciler::~Reconciler() = default;

void Reconciler::run(std::stop_token stop) { impl_->run(std::move(stop)); }
void Reconciler::wake() { impl_->wake(); }
ReconcilerStatus Reconciler::status() const { return impl_->board_.status(); }
bool Reconciler::sent_unconfirmed() const { return impl_->sent_unconfirmed(); }
bool Reconciler::wait_applied(state::Offset offset, std::stop_token stop) {
  return impl_->board_.wait_applied(offset, std::move(stop));
}
bool Reconciler::wait_idle(std::stop_token stop) {
  // Of two turns that end after this, the second one began after it.
  const std::uint64_t turn = impl_->board_.turn();
  wake();
  if (!impl_->board_.wait_turn(turn + 1, stop)) return false;
  wake();
  return impl_->board_.wait_idle(turn + 2, stop);
}
void Reconciler::drop_dead_letter(const std::string& document, const std::string& root, Done done) {
  impl_->request([=, this] { impl_->drop_dead_letter(document, root); }, std::move(done));
}
void Reconciler::recheck(const std::string& document, const std::string& root, Done done) {
  impl_->request([=, this] { impl_->recheck(document, root); }, std::move(done));
}
void Reconciler::recheck_item(const std::string& document, const std::string& key, Done done) {
  impl_->request([=, this] { impl_->recheck_item(document, key); }, std::move(done));
}

}  // namespace tandem::sink
