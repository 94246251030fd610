#include "sink/reconciler/flights.h"

#include <algorithm>
#include <utility>

#include "state/failpoint.h"

namespace tandem::sink {

using state::LedgerItem;

Flights::Flights(ReplicaView& view, state::Ledger& ledger, Target& target, ItemCounts& counts)
    : view_(view), ledger_(ledger), target_(target), counts_(counts) {}

void Flights::plan(Dirty& dirty, Write write, LedgerItem item, std::optional<LedgerItem> before) {
  write.ticket = ++ticket_;
  Flight& flight = flights_[ticket_];
  flight.number = ledger_.send_item(item);
  ++open_[flight.number];
  counts_.change(before ? &*before : nullptr, &item);
  flight.dirty = &dirty;
  flight.item = std::move(item);
  flight.before = std::move(before);
  flight.table = write.table;
  flight.deletion = write.deletion;
  ++dirty.open_writes;
  dirty.state = Dirty::State::kInFlight;
  planned_.push_back(std::move(write));
}

void Flights::submit(std::stop_token stop) {
  if (planned_.empty()) return;
  TANDEM_FAILPOINT("reconciler.submit.before");
  for (Write& write : planned_) {
    while (target_.room() == 0 && !stop.stop_requested()) {
      target_.wait(std::chrono::milliseconds(100), outcomes_);
    }
    if (stop.stop_requested() && target_.room() == 0) {
      flights_.erase(write.ticket);
      continue;
    }
    target_.submit(std::move(write));
  }
  planned_.clear();
  TANDEM_FAILPOINT("reconciler.submit.after");
}

void Flights::gather(std::chrono::milliseconds wait) {
  if (flights_.empty()) return;
  target_.wait(wait, outcomes_);
}

std::vector<Dirty*> Flights::land(std::vector<std::pair<std::string, std::string>>& orphaned) {
  std::vector<Dirty*> landed;
  for (Outcome& outcome : outcomes_) {
    auto found = flights_.find(outcome.ticket);
    // A target that outlives a reconciler may still hold outcomes of the one before.
    if (found == flights_.end()) continue;
    Flight flight = std::move(found->second);
    flights_.erase(found);
    --open_[flight.number];
    land_one(flight, outcome, orphaned);
    if (--flight.dirty->open_writes == 0) landed.push_back(flight.dirty);
  }
  outcomes_.clear();
  // A whole flight is landed at once. Of one that is still in the air, only what is likely to
  // change again soon is worth a write of its own; the rest stays unknown until the flight has
  // landed.
  for (std::size_t i = 0; i < early_.size(); ++i) {
    if (open_.at(early_[i].first) > 0) ledger_.put_item(early_[i].second);
  }
  early_.clear();
  std::erase_if(open_, [&](const auto& flight) {
    if (flight.second > 0) return false;
    ledger_.land(flight.first);
    return true;
  });
  return landed;
}

void Flights::land_one(Flight& flight, Outcome& outcome,
                       std::vector<std::pair<std::string, std::string>>& orphaned) {
  switch (outcome.kind) {
    case Outcome::Kind::kDone:
      done(flight);
      break;
    case Outcome::Kind::kConflict:
      land_conflict(flight, outcome);
      break;
    case Outcome::Kind::kUnknown:
      read_back_later(flight, flight.item.version);
      break;
    case Outcome::Kind::kRejected:
      reject(flight, outcome, orphaned);
      break;
  }
}

void Flights::land_conflict(Flight& flight, const Outcome& outcome) {
  const ViewDocument& document = view_.document(flight.dirty->document);
  Standing standing = judge(outcome.found, view_.version(), view_.attribute(),
                            document.volatile_names(), view_.targets()[flight.table]);
  if (!flight.deletion && standing.version == flight.item.version &&
      standing.is(flight.item.hash, view_.stamp_name(document.name))) {
    done(flight);
    return;
  }
  // An item that is ahead raises the ledger's newest version, and everything rests until the
  // replica has passed it.
  read_back_later(flight, std::max(standing.version, flight.item.version));
}

void Flights::read_back_later(Flight& flight, const state::Version& version) {
  const LedgerItem sent = flight.item;
  flight.item.unknown = true;
  flight.item.deleted = false;
  flight.item.version = version;
  counts_.change(&sent, &flight.item);
  ledger_.put_item(flight.item);
  flight.dirty->retry = true;
}

void Flights::reject(Flight& flight, const Outcome& outcome,
                     std::vector<std::pair<std::string, std::string>>& orphaned) {
  const TargetTable& table = view_.targets()[flight.table];
  flight.dirty->rejection = outcome.reason.empty() ? "the target refuses it" : outcome.reason;
  flight.dirty->rejected_item = display_key(decode_key(flight.item.key, table.key), table.key);
  counts_.change(&flight.item, flight.before ? &*flight.before : nullptr);
  if (!flight.before) {
    ledger_.remove_item(flight.item.table, flight.item.key);
    return;
  }
  // What stood there stands there still, and is its former owner's.
  ledger_.put_item(*flight.before);
  if (flight.before->document != flight.item.document || flight.before->root != flight.item.root) {
    orphaned.emplace_back(flight.before->document, flight.before->root);
  }
}

void Flights::done(Flight& flight) {
  if (flight.deletion) {
    ledger_.remove_item(flight.item.table, flight.item.key);
    ++deleted_;
    return;
  }
  ++written_;
  if (flight.dirty->cause.number > 0) early_.emplace_back(flight.number, std::move(flight.item));
}

}  // namespace tandem::sink
