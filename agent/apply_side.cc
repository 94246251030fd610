#include "agent/apply_side.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "agent/first_load.h"
#include "agent/log.h"
#include "agent/wiring.h"
#include "state/rest.h"

namespace tandem::agent {
namespace {

constexpr std::chrono::seconds kWatchOwner{2};
// In the ledger: a run before ended with sends of which nobody could be asked whether they were
// ours to send.
constexpr char kUnconfirmed[] = "unconfirmed";

}  // namespace

ApplySide::ApplySide(const Config& config, const state::StateDirectory& directory,
                     state::ChangeLog& log, Options options)
    : config_(config),
      options_(std::move(options)),
      log_(log),
      target_(open_target(config, options_.stop)),
      ledger_(directory.ledger(), log.identity()),
      documents_(config.documents, config.target.tables),
      relations_(documents_),
      claimed_(claim()),
      reconciler_(directory.replica(), ledger_, *target_, documents_, reconciler_options()),
      fold_(log, relations_, fold_options(directory)) {}

// Nothing is read at the target or sent there before the claim. An agent that lost it by that may
// go on until its lease has run out. That is waited for, twice as long for what is on its way, so
// that all it sends comes before whatever we read and send.
TargetOwner::Claimed ApplySide::claim() {
  for (const sink::TargetFinding& finding : target_->check(sink::CheckDepth::kDescriptions)) {
    if (!finding.ok) throw state::Error(finding.text, finding.subject, finding.advice);
  }
  if (options_.control != nullptr) look_for_successor();
  bool took_over = options_.source.claim && options_.source.claim();
  TargetOwner::Claimed claimed;
  if (owner_) {
    claimed = owner_->claim();
    took_over = took_over || claimed.took_over;
  }
  if (!ledger_.meta(kUnconfirmed).empty()) ledger_.set_meta(kUnconfirmed, "");
  if (took_over) std::this_thread::sleep_for(2 * sink::kLease);
  // What another agent wrote, it had from the log as far as it went before our claim.
  if (!options_.source.began_at) log_end_ = log_.read_tail().next;
  return claimed;
}

// Before anything is claimed: the source is not to be taken from one that has taken the target.
void ApplySide::look_for_successor() {
  owner_.emplace(*options_.control, config_.name, options_.process);
  try {
    owner_->look_for_successor();
  } catch (const state::Fenced&) {
    if (!ledger_.meta(kUnconfirmed).empty()) owner_->report_late_writes();
    throw;
  }
}

sink::ReconcilerOptions ApplySide::reconciler_options() {
  sink::ReconcilerOptions options;
  options.pipeline = config_.name;
  options.attribute = config_.target.options.attribute;
  options.prune = options_.prune;
  options.made_tables = made_tables(ledger_);
  options.began_at = [this] { return began_at(); };
  options.assert_owner = [this] { assert_owner(); };
  options.instance = claimed_.instance;
  options.instance_before = claimed_.before;
  return options;
}

// Without a source: where the replica stands when all that the log held at the claim is folded. The
// last of that may be a part of a transaction, which counts for nothing.
std::optional<state::Version> ApplySide::began_at() const {
  if (options_.source.began_at) return options_.source.began_at();
  std::lock_guard lock(began_mutex_);
  if (began_at_) return began_at_;
  const FoldStatus folded = fold_.status();
  // Once and for all: the fold goes on, and whoever writes is always a little behind it.
  if (folded.read >= log_end_) began_at_ = {folded.position.epoch, folded.position.next};
  return began_at_;
}

FoldWorker::Options ApplySide::fold_options(const state::StateDirectory& directory) {
  FoldWorker::Options options;
  options.replica_path = directory.replica();
  options.ledger_path = directory.ledger();
  options.first_mark = ledger_.highest_mark() + 1;
  options.start_at = options_.fold_from;
  options.committed = [this] { reconciler_.wake(); };
  return options;
}

std::vector<ApplySide::Work> ApplySide::works() {
  std::vector<Work> works = {[this](std::stop_token stop) { fold_.run(std::move(stop)); },
                             [this](std::stop_token stop) { reconciler_.run(std::move(stop)); }};
  if (owner_) works.emplace_back([this](const std::stop_token& stop) { watch_owner(stop); });
  return works;
}

bool ApplySide::wait_for_all(bool idle, const std::stop_token& stop) {
  // Beside the writer of the log its end is known; others ask.
  const state::Offset end = options_.source.began_at ? log_.next() : log_.read_tail().next;
  if (!fold_.wait_for(end, stop)) return false;
  const state::Offset whole = std::min(end, fold_.status().position.next);
  return reconciler_.wait_applied(whole - 1, stop) &&
         // What another agent left is compared without a mark of the log's.
         ((!idle && !owner_) || reconciler_.wait_idle(stop));
}

void ApplySide::assert_owner() {
  if (options_.source.assert_owner) options_.source.assert_owner();
  if (owner_) owner_->assert_owner();
}

// What was sent last may have reached the target after another agent took over and read it: the
// other one is told, whatever ended this run.
void ApplySide::confirm_ownership() {
  if (!reconciler_.sent_unconfirmed()) return leave();
  try {
    assert_owner();
    leave();
  } catch (const state::Fenced&) {
    try {
      report_late_writes();
    } catch (const state::Error& error) {
      log_warning(
          "could not tell the agent that has taken over what was sent last; run `tandem verify "
          "--deep --repair` there: " +
          std::string(error.what()));
    }
    throw;
  } catch (const state::Error&) {
    // Who can't be asked says nothing against us yet.
    ledger_.set_meta(kUnconfirmed, "yes");
  }
}

// While something may still be on its way, a successor has to wait.
void ApplySide::leave() {
  if (!owner_ || !reconciler_.status().idle) return;
  try {
    owner_->leave();
  } catch (const state::Error&) {
    return;  // it waits needlessly
  }
}

// One that has nothing to send is told as well that it was succeeded, or that somebody wrote late.
void ApplySide::watch_owner(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    state::rest(kWatchOwner, stop);
    if (stop.stop_requested()) return;
    try {
      owner_->assert_owner();
    } catch (const state::Fenced&) {
      throw;
    } catch (const LateWrites&) {
      throw;
    } catch (const state::Error&) {
      continue;  // whoever wants to send finds out what is wrong
    }
  }
}

void ApplySide::report_late_writes() {
  if (options_.source.report_late_writes) options_.source.report_late_writes();
  if (owner_) owner_->report_late_writes();
}

}  // namespace tandem::agent
