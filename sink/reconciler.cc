// The loop, as a table of contents. What happens in it is in sink/reconciler/:
//   replica_view   one state of the replica, and the documents compiled against it
//   intake         marks and unknown items become dirty documents
//   expansions     wide marks and full passes, in steps
//   dirty_queue    the dirty documents in memory
//   round          documents built, compared and planned; with claims (who owns which key),
//                  standing (what the target holds) and quarantine (dead letters)
//   flights        writes on their way, and their outcomes
//   ledger_rebuild, first_loads, owner_lease, status_board
#include "sink/reconciler.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "sink/reconciler/expansions.h"
#include "sink/reconciler/first_loads.h"
#include "sink/reconciler/intake.h"
#include "sink/reconciler/ledger_rebuild.h"
#include "sink/reconciler/owner_lease.h"
#include "sink/reconciler/round.h"
#include "sink/reconciler/status_board.h"
#include "state/failpoint.h"

namespace tandem::sink {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kDirtyInMemory = 20'000;  // more stay in the replica
constexpr std::chrono::milliseconds kPoll{10};  // while writes are on their way
constexpr std::chrono::seconds kIdle{1};        // looks at the replica even if nobody woke it
constexpr std::chrono::seconds kDrain{3};       // waits so long for answers when stopped

}  // namespace

class Reconciler::Impl {
 public:
  Impl(const std::string& replica_path, state::Ledger& ledger, Target& target,
       DocumentSet& documents, ReconcilerOptions options)
      : options_(std::move(options)),
        ledger_(ledger),
        target_(target),
        lease_(options_.assert_owner, options_.lease),
        occupied_(rebuild_ledger(ledger, target, documents.targets(), options_.pipeline,
                                 options_.attribute)),
        view_(replica_path, documents, options_.attribute, options_.pipeline),
        quarantine_(ledger),
        flights_(view_, ledger, target),
        expansions_(view_, ledger, queue_, quarantine_),
        intake_(view_, ledger, queue_),
        first_loads_(view_, ledger, options_.made_tables, occupied_),
        ready_(view_.documents().size(), false) {}

  void run(std::stop_token stop) {
    forget_undeclared();
    retry_contested();
    while (!stop.stop_requested()) {
      const bool busy = turn(stop);
      publish();
      if (!busy) wait(stop);
    }
    drain();
    publish();
  }

  void wake() {
    {
      std::lock_guard lock(mutex_);
      woken_ = true;
    }
    wake_.notify_all();
  }

  void request(std::function<void()> request) {
    {
      std::lock_guard lock(mutex_);
      requests_.push_back(std::move(request));
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
    expansions_.look_for_orphans(document);
  }

  StatusBoard board_;

 private:
  RoundParts parts() {
    return {view_, ledger_, target_, queue_, quarantine_, flights_, [this](std::size_t table) {
              return first_loads_.unconditional(table);
            }};
  }

  // One turn: take in what has come, build a round, send it. False if there was nothing to do.
  bool turn(std::stop_token stop) {
    flights_.gather(std::chrono::milliseconds(0));
    look();
    Round round(parts());
    ledger_.begin();
    bool busy = land();
    take_requests();
    if (may_write()) {
      expansions_.refresh();
      intake_.refill(kDirtyInMemory / 2);
      fill(round);
    }
    busy |= round.size() > 0;
    round.prepare();
    RoundCounts counts = round.record();
    built_ += counts.built;
    unchanged_ += counts.unchanged;
    intake_.record();
    busy |= expansions_.record();
    first_loads_.record(expansions_);
    const bool sending = flights_.has_planned();
    ledger_.commit(sending);
    if (sending) {
      lease_.renew();
      flights_.submit(stop);
    }
    recount_ |= sending || busy;
    return busy;
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
      if (ready_[i] && !ready) {
        queue_.forget(document);
        expansions_.interrupt(document);
      }
      if (!ready_[i] && ready) intake_.rescan();
      ready_[i] = ready;
    }
  }

  // The replica may have been rebuilt and be behind what was written from it before.
  bool may_write() const { return view_.version() >= ledger_.newest_version(); }

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

  void fill(Round& round) {
    const bool shared = expansions_.ready() && queue_.size() < kDirtyInMemory;
    const std::size_t most = options_.round_documents;
    // Single documents come first; an expansion still moves on behind an endless stream of them.
    const std::size_t singles = shared ? most - most / 8 : most;
    for (std::size_t i = 0; i < singles; ++i) {
      Dirty* dirty = queue_.take_next();
      if (dirty == nullptr) break;
      round.add(*dirty, view_.build(dirty->document, dirty->root));
    }
    if (!shared || round.size() >= most) return;
    expansions_.take(most - round.size(), [&round](Dirty& dirty, BuiltDocument built) {
      round.add(dirty, std::move(built));
    });
  }

  void add(const std::string& document, const std::string& root) {
    int index = view_.document_index(document);
    if (index < 0 || !view_.document(index).ready()) return;
    queue_.add(index, root, Cause{0, view_.version().offset, {}});
  }

  void take_requests() {
    std::vector<std::function<void()>> requests;
    {
      std::lock_guard lock(mutex_);
      requests.swap(requests_);
    }
    for (const std::function<void()>& request : requests) request();
  }

  // Items of documents that are no longer declared stay unless they are to be pruned. Should such a
  // document come back, its fingerprint must not look as if it had been kept right meanwhile.
  void forget_undeclared() {
    look();
    ledger_.begin();
    for (const std::string& name : ledger_.documents()) {
      if (view_.document_index(name) >= 0) continue;
      quarantine_.clear_all(name);
      if (!ledger_.document_fingerprint(name).empty()) ledger_.set_document_fingerprint(name, "");
      if (options_.prune) view_.add_undeclared(name);
    }
    ledger_.commit(false);
    if (options_.prune) prune();
  }

  void prune() {
    for (const TargetTable& table : view_.targets()) {
      std::string after;
      while (true) {
        std::vector<state::LedgerItem> items = ledger_.items_after(table.name, after, 1000);
        if (items.empty()) break;
        after = items.back().key;
        for (const state::LedgerItem& item : items) {
          int document = view_.document_index(item.document);
          if (document < 0 || view_.document(document).declared()) continue;
          queue_.add(document, item.root, Cause{});
        }
      }
    }
  }

  // Which key they wait for is known only once they have been built again.
  void retry_contested() {
    for (const auto& [name, root] : quarantine_.contested_before()) {
      int document = view_.document_index(name);
      if (document >= 0) queue_.add(document, root, Cause{});
    }
  }

  bool at_rest() {
    return may_write() && queue_.size() == 0 && flights_.size() == 0 && expansions_.empty() &&
           intake_.drained() && !any_resting();
  }

  bool any_resting() {
    for (const ViewDocument& document : view_.documents()) {
      if (document.declared() && !document.ready()) return true;
    }
    return false;
  }

  // Everything before this offset is at the target: what is not in memory was drained up to some
  // version of the replica, and what is in memory knows its cause.
  state::Offset applied() {
    if (!may_write() || any_resting()) return 0;
    if (intake_.drained()) drained_at_ = view_.version().offset;
    state::Offset bound = drained_at_;
    for (std::optional<state::Offset> oldest : {queue_.oldest(), expansions_.oldest()}) {
      if (oldest) bound = std::min(bound, *oldest - 1);
    }
    return bound;
  }

  void publish() {
    ReconcilerStatus status;
    status.idle = at_rest();
    applied_.epoch = view_.version().epoch;
    applied_.offset = std::max(applied_.offset, applied());
    status.applied = applied_;
    status.dirty = static_cast<std::int64_t>(queue_.size());
    status.built = built_;
    status.unchanged = unchanged_;
    status.written = flights_.written();
    status.deleted = flights_.deleted();
    status.dead_letters = quarantine_.count();
    status.documents = document_statuses(status.idle);
    board_.publish(std::move(status));
  }

  std::vector<DocumentStatus> document_statuses(bool idle) {
    count_items(idle);
    std::vector<DocumentStatus> statuses;
    for (std::size_t i = 0; i < view_.documents().size(); ++i) {
      const ViewDocument& document = view_.documents()[i];
      statuses.push_back({document.name, document.resting, i < items_.size() ? items_[i] : 0,
                          quarantine_.count(document.name),
                          expansions_.progress(static_cast<int>(i))});
    }
    return statuses;
  }

  // Counting reads an index of the ledger, so it must not happen every round.
  void count_items(bool idle) {
    const steady_clock::time_point now = steady_clock::now();
    if (!recount_ || (now < next_count_ && !idle)) return;
    items_.clear();
    for (const ViewDocument& document : view_.documents()) {
      items_.push_back(ledger_.item_count(document.name));
    }
    recount_ = false;
    next_count_ = steady_clock::now() + 100 * (steady_clock::now() - now);
  }

  void wait(std::stop_token stop) {
    if (flights_.size() > 0) {
      flights_.gather(kPoll);
      return;
    }
    if (at_rest()) {
      ledger_.begin();
      intake_.forget_swept();
      ledger_.commit(false);
    }
    view_.rest();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, kIdle, [this] { return woken_; });
    woken_ = false;
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
  OwnerLease lease_;
  std::vector<std::string> occupied_;
  ReplicaView view_;
  DirtyQueue queue_;
  Quarantine quarantine_;
  Flights flights_;
  Expansions expansions_;
  Intake intake_;
  FirstLoads first_loads_;
  std::vector<bool> ready_;  // by declared document, as of the last renewal

  std::int64_t built_ = 0, unchanged_ = 0;
  state::Version applied_;
  state::Offset drained_at_ = 0;
  bool recount_ = true;
  steady_clock::time_point next_count_{};
  std::vector<std::int64_t> items_;  // by document, at the last count

  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool woken_ = false;                           // guarded by mutex_
  std::vector<std::function<void()>> requests_;  // guarded by mutex_
};

Reconciler::Reconciler(std::string replica_path, state::Ledger& ledger, Target& target,
                       DocumentSet& documents, ReconcilerOptions options)
    : impl_(std::make_unique<Impl>(replica_path, ledger, target, documents, std::move(options))) {}
Reconciler::~Reconciler() = default;

void Reconciler::run(std::stop_token stop) { impl_->run(std::move(stop)); }
void Reconciler::wake() { impl_->wake(); }
ReconcilerStatus Reconciler::status() const { return impl_->board_.status(); }
bool Reconciler::wait_applied(state::Offset offset, std::stop_token stop) {
  return impl_->board_.wait_applied(offset, std::move(stop));
}
void Reconciler::drop_dead_letter(const std::string& document, const std::string& root) {
  impl_->request([=, this] { impl_->drop_dead_letter(document, root); });
}
void Reconciler::recheck(const std::string& document, const std::string& root) {
  impl_->request([=, this] { impl_->recheck(document, root); });
}
void Reconciler::recheck_item(const std::string& document, const std::string& key) {
  impl_->request([=, this] { impl_->recheck_item(document, key); });
}

}  // namespace tandem::sink
