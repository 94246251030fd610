#include "sink/reconciler/expansions.h"

#include <algorithm>
#include <utility>

namespace tandem::sink {
namespace {

using state::Expansion;
using state::LedgerItem;
using state::WideMark;

constexpr std::size_t kStep = 1000;      // roots of one step
constexpr std::size_t kWalkPage = 2000;  // items of the ledger looked at in one step

// Keys of what the ledger remembers about a full pass beside its expansion.
std::string pass_key(const std::string& document) { return "pass:" + document; }
std::string orphans_key(const std::string& document) { return "orphans:" + document; }
constexpr std::string_view kFirst = "first ";

// Stands for a document's fingerprint while a pass for another one is under way: going back to the
// mapping before it must not look as if nothing had been written.
constexpr const char* kUnfinished = "unfinished";

}  // namespace

Expansions::Expansions(ReplicaView& view, state::Ledger& ledger, DirtyQueue& queue,
                       Quarantine& quarantine)
    : view_(view),
      ledger_(ledger),
      queue_(queue),
      quarantine_(quarantine),
      ahead_(view.path(), view.attribute()) {
  for (Expansion& row : ledger.expansions()) {
    Key key = key_of(row.document, row.path, row.values);
    if (row.done) {
      done_[key] = row.number;
    } else {
      left_over_[key] = std::move(row);
    }
  }
  for (const ViewDocument& document : view.documents()) {
    if (!ledger.meta(orphans_key(document.name)).empty()) orphans_left_.insert(document.name);
  }
}

Expansions::Key Expansions::key_of(const std::string& document, std::int64_t path,
                                   const state::Row& values) {
  return {document, path, state::encode_row(values)};
}

const std::string& Expansions::fingerprint_of(int document) {
  auto [entry, made] = fingerprints_.try_emplace(document);
  if (made) entry->second = ledger_.document_fingerprint(view_.document(document).name);
  return entry->second;
}

bool Expansions::loaded(int document) {
  const std::string& fingerprint = fingerprint_of(document);
  return !fingerprint.empty() && fingerprint != kUnfinished;
}

void Expansions::refresh() {
  std::vector<WideMark> marks = view_.reader().wide_marks();
  std::map<int, const WideMark*> passes;
  std::set<Key> present;
  for (const WideMark& mark : marks) {
    Key key = key_of(mark.document, mark.path, mark.values);
    present.insert(key);
    auto done = done_.find(key);
    if (done != done_.end() && done->second >= mark.number) continue;
    int document = view_.document_index(mark.document);
    if (document < 0 || !view_.document(document).declared()) {
      // Nothing is to be made right for a document that is not declared any more.
      changed_.push_back({mark.document, mark.path, mark.values, mark.number, "", true});
      done_[key] = mark.number;
    } else if (mark.path == 0) {
      passes[document] = &mark;
    } else if (view_.document(document).ready()) {
      auto found = running_.find(key);
      if (found != running_.end() && found->second.row.number == mark.number) continue;
      start(key, {mark.document, mark.path, mark.values, mark.number, "", false}, document,
            mark.offset);
    }
  }
  std::erase_if(done_, [&](const auto& entry) {
    if (present.contains(entry.first)) return false;
    obsolete_.push_back({std::get<0>(entry.first), std::get<1>(entry.first),
                         state::decode_row(std::get<2>(entry.first)), 0, "", true});
    return true;
  });
  std::erase_if(left_over_, [&](auto& entry) {
    if (entry.second.path == 0 || present.contains(entry.first)) return false;
    obsolete_.push_back(std::move(entry.second));
    return true;
  });
  for (std::size_t i = 0; i < view_.documents().size(); ++i) {
    int document = static_cast<int>(i);
    if (!view_.document(document).declared() || !view_.document(document).ready()) continue;
    auto pass = passes.find(document);
    refresh_pass(document, pass == passes.end() ? nullptr : pass->second);
  }
}

void Expansions::refresh_pass(int document, const WideMark* mark) {
  const ViewDocument& entry = view_.document(document);
  Key key = key_of(entry.name, 0, {});
  auto found = running_.find(key);
  const bool remapped = fingerprint_of(document) != entry.fingerprint;
  const bool orphans = orphans_left_.contains(entry.name) && quarantine_.count(entry.name) == 0;
  if (mark == nullptr && !remapped && !orphans) return;
  // A pass without a mark of its own keeps the number of the last one: the two share a row.
  auto done = done_.find(key);
  state::MarkNumber number = mark != nullptr       ? mark->number
                             : done != done_.end() ? done->second
                                                   : 0;
  if (found != running_.end() && found->second.row.number >= number &&
      found->second.fingerprint == entry.fingerprint) {
    return;
  }
  start(key, {entry.name, 0, {}, number, "", false}, document,
        mark != nullptr && !remapped ? mark->offset : 0);
}

void Expansions::start(const Key& key, Expansion row, int document, state::Offset offset) {
  running_.erase(key);
  Running& running = running_[key];
  running.row = std::move(row);
  running.document = document;
  running.offset = offset;
  if (running.row.path == 0) {
    running.fingerprint = view_.document(document).fingerprint;
    running.roots = view_.count_roots(document);
  }
  if (!resume(key, running) && running.row.path == 0) {
    running.first = ledger_.item_count(running.row.document) == 0;
  }
}

bool Expansions::resume(const Key& key, Running& running) {
  auto found = left_over_.find(key);
  if (found == left_over_.end()) return false;
  Expansion row = std::move(found->second);
  left_over_.erase(found);
  if (row.number != running.row.number) return false;
  if (row.path == 0) {
    std::string pass = ledger_.meta(pass_key(row.document));
    running.first = pass.starts_with(kFirst);
    if (running.first) pass.erase(0, kFirst.size());
    if (pass != running.fingerprint) return running.first = false;
  }
  running.row = std::move(row);
  running.next = running.row.progress;
  running.recorded = true;
  return true;
}

void Expansions::look_for_orphans(const std::string& document) {
  orphans_left_.insert(document);
  ledger_.set_meta(orphans_key(document), "left");
}

void Expansions::interrupt(int document) {
  for (auto& [key, running] : running_) {
    if (running.document != document) continue;
    running.steps.clear();
    running.next = running.row.progress;
    running.handed_out = false;
    running.walk.reset();
    running.orphans_taken = false;
  }
}

bool Expansions::finished(Running& running) {
  while (!running.steps.empty() && running.steps.front()->open == 0) {
    if (!running.steps.front()->through.empty()) {
      running.row.progress = running.steps.front()->through;
    }
    running.steps.pop_front();
  }
  if (!running.handed_out || !running.steps.empty()) return false;
  return running.row.path != 0 || running.first || (running.walk && running.walk->done());
}

bool Expansions::may_step(Running& running) {
  if (!view_.document(running.document).ready()) return false;
  if (!running.handed_out) return true;
  if (finished(running)) return false;
  if (running.row.path != 0 || running.first) return false;
  // The walk looks for what the roots did not claim, so all of them must be through.
  return running.walk ? !running.walk->done() : running.steps.empty();
}

bool Expansions::ready() {
  return std::any_of(running_.begin(), running_.end(),
                     [this](auto& entry) { return may_step(entry.second); });
}

// Expansions take turns: the next one is behind the one that was served last.
std::vector<Expansions::Running*> Expansions::in_turn() {
  std::vector<Running*> turns;
  for (auto entry = running_.upper_bound(last_stepped_); entry != running_.end(); ++entry) {
    turns.push_back(&entry->second);
  }
  for (auto entry = running_.begin(); entry != running_.end() && turns.size() < running_.size();
       ++entry) {
    turns.push_back(&entry->second);
  }
  return turns;
}

bool Expansions::take(std::size_t documents, const Take& take) {
  const std::size_t most = std::min(documents, kStep);
  bool stepped = false;
  for (Running* running : in_turn()) {
    if (documents == 0) break;
    if (!may_step(*running)) continue;
    std::size_t limit = std::min(documents, kStep);
    if (running->handed_out) {
      step_walk(*running, kWalkPage, take);
    } else {
      step(*running, limit, take);
    }
    documents -= limit;
    last_stepped_ = key_of(running->row.document, running->row.path, running->row.values);
    stepped = true;
  }
  ask_ahead(most);
  return stepped;
}

// The next step is built while this one is recorded and sent.
void Expansions::ask_ahead(std::size_t limit) {
  for (Running* running : in_turn()) {
    if (!may_step(*running)) continue;
    if (running->row.path == 0 && !running->handed_out && !running->next.empty()) {
      ahead_.ask(view_.document(running->document).document, running->next, limit,
                 view_.position());
    }
    return;
  }
}

void Expansions::hand_out(Running& running, const std::shared_ptr<Step>& step,
                          const std::string& root, const Take& take) {
  Cause cause{0, running.offset, {step}};
  ++step->open;
  Dirty* dirty = queue_.take(running.document, root, std::move(cause));
  if (dirty != nullptr) take(*dirty, view_.build(running.document, root));
}

void Expansions::step(Running& running, std::size_t limit, const Take& take) {
  std::shared_ptr<Step> step = std::make_shared<Step>();
  running.steps.push_back(step);
  const ViewDocument& document = view_.document(running.document);
  if (running.row.path == 0) {
    auto take_root = [&](std::string root, BuiltDocument built) {
      ++running.visited;
      ++step->open;
      step->through = root;
      Dirty* dirty = queue_.take(running.document, root, Cause{0, running.offset, {step}});
      if (dirty != nullptr) take(*dirty, std::move(built));
    };
    if (auto range = ahead_.take(document.document, running.next, view_.position())) {
      running.next = std::move(range->next);
      for (auto& [root, built] : range->documents) take_root(std::move(root), std::move(built));
    } else {
      running.next = document.builder->build_range(running.next, limit, take_root);
    }
    running.handed_out = running.next.empty();
    return;
  }
  std::vector<std::string> roots =
      expand_wide_mark(view_.reader().database(), *document.document, running.row.path,
                       running.row.values, running.next, limit);
  for (const std::string& root : roots) hand_out(running, step, root, take);
  running.handed_out = roots.size() < limit;
  if (!roots.empty()) running.next = step->through = roots.back();
}

void Expansions::step_walk(Running& running, std::size_t limit, const Take& take) {
  if (!running.walk) {
    std::vector<std::string> tables;
    for (const TargetTable& table : view_.targets()) tables.push_back(table.name);
    running.walk = std::make_unique<LedgerWalk>(
        std::move(tables),
        [this](const std::string& table, const std::string& key, std::size_t count) {
          return ledger_.items_after(table, key, count);
        });
  }
  std::shared_ptr<Step> step = std::make_shared<Step>();
  running.steps.push_back(step);
  for (const LedgerItem& item : running.walk->next(limit)) {
    if (item.document != running.row.document || (item.deleted && !item.unknown)) continue;
    if (!item.root.empty()) {
      if (!view_.root_exists(running.document, item.root)) {
        hand_out(running, step, item.root, take);
      }
    } else if (quarantine_.count(item.document) > 0) {
      // One that cannot be written now may be what this item is of: what it had must stay.
      orphans_left_.insert(item.document);
    } else if (!std::exchange(running.orphans_taken, true)) {
      hand_out(running, step, "", take);
    }
  }
}

bool Expansions::record() {
  bool wrote = !changed_.empty() || !obsolete_.empty();
  for (const Expansion& row : obsolete_) {
    ledger_.remove_expansion(row.document, row.path, row.values);
  }
  obsolete_.clear();
  for (const Expansion& row : changed_) ledger_.put_expansion(row);
  changed_.clear();
  for (auto entry = running_.begin(); entry != running_.end();) {
    wrote |= record_one(entry->second);
    if (finished(entry->second)) {
      finish(entry->first, entry->second);
      entry = running_.erase(entry);
      wrote = true;
    } else {
      ++entry;
    }
  }
  return wrote;
}

bool Expansions::record_one(Running& running) {
  std::string before = running.row.progress;
  finished(running);
  if (running.recorded && before == running.row.progress) return false;
  if (!running.recorded && running.row.path == 0) {
    ledger_.set_meta(pass_key(running.row.document),
                     (running.first ? std::string(kFirst) : "") + running.fingerprint);
    if (fingerprint_of(running.document) != running.fingerprint) {
      ledger_.set_document_fingerprint(running.row.document, kUnfinished);
      fingerprints_[running.document] = kUnfinished;
    }
  }
  running.recorded = true;
  ledger_.put_expansion(running.row);
  return true;
}

void Expansions::finish(const Key& key, Running& running) {
  Expansion& row = running.row;
  if (row.path == 0) {
    ledger_.set_document_fingerprint(row.document, running.fingerprint);
    fingerprints_[running.document] = running.fingerprint;
    ledger_.set_meta(pass_key(row.document), "");
    const bool left = orphans_left_.contains(row.document) && quarantine_.count(row.document) > 0;
    if (!left) orphans_left_.erase(row.document);
    ledger_.set_meta(orphans_key(row.document), left ? "left" : "");
  }
  if (row.number == 0) {
    ledger_.remove_expansion(row.document, row.path, row.values);
    return;
  }
  row.done = true;
  ledger_.put_expansion(row);
  done_[key] = row.number;
}

std::optional<state::Offset> Expansions::oldest() const {
  std::optional<state::Offset> oldest;
  for (const auto& [key, running] : running_) {
    oldest = std::min(oldest.value_or(running.offset), running.offset);
  }
  return oldest;
}

double Expansions::progress(int document) const {
  for (const auto& [key, running] : running_) {
    if (running.document != document || running.row.path != 0) continue;
    if (running.roots <= 0) return 0;
    return std::min(1.0, static_cast<double>(running.visited) / static_cast<double>(running.roots));
  }
  return 1.0;
}

}  // namespace tandem::sink
