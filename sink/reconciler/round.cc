#include "sink/reconciler/round.h"

#include <algorithm>
#include <utility>

namespace tandem::sink {

using state::LedgerItem;

namespace {

constexpr std::size_t kSampleEvery = 8;  // documents of which the size is taken

void settle_mark(const RoundParts& parts, Dirty& dirty, const std::string& document) {
  if (dirty.cause.number > 0) parts.ledger.settle(document, dirty.root, dirty.cause.number);
  parts.queue.finish(dirty);
}

}  // namespace

void settle(const RoundParts& parts, Dirty& dirty) {
  const std::string& document = parts.view.document(dirty.document).name;
  parts.quarantine.clear(document, dirty.root);
  settle_mark(parts, dirty, document);
}

void settle_as_dead_letter(const RoundParts& parts, Dirty& dirty, std::string reason,
                           std::string item, const ItemKey* contested) {
  state::DeadLetter letter;
  letter.document = parts.view.document(dirty.document).name;
  letter.root = dirty.root;
  letter.row = parts.view.display_root(dirty.document, dirty.root);
  letter.item = std::move(item);
  letter.reason = std::move(reason);
  letter.number = dirty.cause.number;
  letter.offset = parts.view.version().offset;
  parts.quarantine.put(letter, contested);
  settle_mark(parts, dirty, letter.document);
}

Round::Round(RoundParts parts)
    : parts_(std::move(parts)),
      claims_(parts_.view, parts_.ledger, parts_.queue,
              [this](int document, const std::string& root) {
                return parts_.queue.take(document, root, parts_.view.newest_cause());
              }) {}

void Round::add(Dirty& dirty, BuiltDocument built) {
  if (size() % kSampleEvery == 0) {
    for (const BuiltItem& item : built.items) bytes_ += kSampleEvery * item_size(item.item);
  }
  claims_.add(dirty, std::move(built));
}

bool Round::prepare() {
  claims_.resolve();
  for (const Candidate& candidate : claims_.candidates()) {
    if (candidate.fate != Candidate::Fate::kWrite) continue;
    for (const std::optional<LedgerItem>& row : candidate.rows) {
      if (row && row->unknown) ask(*item_key(*row), candidate, *row);
    }
    for (const LedgerItem& row : candidate.former) {
      std::optional<ItemKey> key = item_key(row);
      if (row.unknown && key && !claims_.yielded(*key)) ask(*key, candidate, row);
    }
  }
  return questions_.empty();
}

void Round::ask(ItemKey key, const Candidate& candidate, const LedgerItem& row) {
  questions_.resize(parts_.view.targets().size());
  questions_[key.table].push_back({key, &candidate, &row});
}

std::optional<ItemKey> Round::item_key(const LedgerItem& row) const {
  int table = parts_.view.table_index(row.table);
  if (table < 0) return std::nullopt;
  return ItemKey{static_cast<std::size_t>(table), row.key};
}

bool Round::yields(const Candidate& candidate, const ItemKey& key) const {
  return parts_.view.document(candidate.dirty->document).table == key.table &&
         std::any_of(candidate.built.items.begin(), candidate.built.items.end(),
                     [&](const BuiltItem& item) { return item.key == key.key; });
}

void Round::read_unknown() {
  for (std::size_t table = 0; table < questions_.size(); ++table) {
    if (questions_[table].empty()) continue;
    const TargetTable& target = parts_.view.targets()[table];
    std::vector<Item> keys;
    keys.reserve(questions_[table].size());
    for (const Question& question : questions_[table]) {
      keys.push_back(decode_key(question.key.key, target.key));
    }
    std::vector<std::optional<Item>> found = parts_.target.read(table, keys);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const Question& question = questions_[table][i];
      const ViewDocument& document = parts_.view.document(question.candidate->dirty->document);
      Standing standing = judge(found[i], parts_.view.version(), parts_.view.attribute(),
                                document.volatile_names(), target);
      if (standing.kind == Standing::Kind::kAhead) {
        LedgerItem row = *question.row;
        row.version = standing.version;
        row.unknown = true;
        ahead_.push_back(std::move(row));
      }
      standing_[question.key] = std::move(standing);
    }
  }
}

const Standing* Round::standing(const ItemKey& key) const {
  auto found = standing_.find(key);
  return found == standing_.end() ? nullptr : &found->second;
}

RoundCounts Round::record() {
  RoundCounts counts;
  if (!ahead_.empty()) {
    wait_for_replica();
    return counts;
  }
  for (Candidate& candidate : claims_.candidates()) {
    ++counts.built;
    switch (candidate.fate) {
      case Candidate::Fate::kBlocked:
        parts_.queue.block(*candidate.dirty);
        break;
      case Candidate::Fate::kDeadLetter:
        settle_as_dead_letter(parts_, *candidate.dirty, candidate.reason, candidate.item,
                              candidate.contested ? &*candidate.contested : nullptr);
        break;
      case Candidate::Fate::kWrite:
        if (!record_items(candidate)) {
          ++counts.unchanged;
          settle(parts_, *candidate.dirty);
        }
        break;
    }
  }
  mark_contenders();
  return counts;
}

// The target holds something newer than the replica: the ledger learns of it, which makes
// everything rest until the replica has passed that version.
void Round::wait_for_replica() {
  for (const LedgerItem& row : ahead_) parts_.ledger.put_item(row);
  for (Candidate& candidate : claims_.candidates()) parts_.queue.retry(*candidate.dirty);
}

// True if something is to be sent.
bool Round::record_items(Candidate& candidate) {
  bool sending = false;
  for (std::size_t i = 0; i < candidate.built.items.size(); ++i) {
    sending |= record_item(candidate, i);
  }
  for (const LedgerItem& row : candidate.former) sending |= record_release(candidate, row);
  return sending;
}

Write Round::write_of(const Candidate& candidate, std::size_t table) const {
  Write write;
  write.table = table;
  write.stamp.version = parts_.view.version();
  write.stamp.name = parts_.view.stamp_name(parts_.view.document(candidate.dirty->document).name);
  return write;
}

bool Round::record_item(Candidate& candidate, std::size_t index) {
  BuiltItem& built = candidate.built.items[index];
  std::optional<LedgerItem>& row = candidate.rows[index];
  const ViewDocument& document = parts_.view.document(candidate.dirty->document);
  Write write = write_of(candidate, document.table);
  LedgerItem item;
  item.document = document.name;
  item.root = candidate.dirty->root;
  item.table = parts_.view.targets()[document.table].name;
  item.key = built.key;
  item.hash = built.hash;
  item.version = write.stamp.version;
  if (row && row->unknown) {
    const Standing* found = standing(ItemKey{document.table, built.key});
    if (found->is(built.hash, write.stamp.name)) {
      item.version = found->version;
      parts_.counts.change(&*row, &item);
      parts_.ledger.put_item(item);
      return false;
    }
    write.predecessor = found->predecessor;
  } else if (row) {
    if (!row->deleted && row->hash == built.hash && row->document == item.document) {
      if (row->root == item.root) return false;
      // The same item under another root: only the owner has changed.
      item.version = row->version;
      parts_.ledger.put_item(item);
      return false;
    }
    write.predecessor = row->hash;
  }
  write.unconditional = !row && parts_.unconditional(document.table);
  write.stamp.hash = built.hash;
  write.item = std::move(built.item);
  parts_.flights.plan(*candidate.dirty, std::move(write), std::move(item), std::move(row));
  return true;
}

bool Round::record_release(Candidate& candidate, const LedgerItem& row) {
  std::optional<ItemKey> key = item_key(row);
  // An item in a table that is not declared any more is left where it is.
  if (!key || yields(candidate, *key)) return false;
  released_.push_back(*key);
  if (claims_.yielded(*key)) return false;  // handed over: the new owner writes it
  Write write = write_of(candidate, key->table);
  const Standing* found = row.unknown ? standing(*key) : nullptr;
  // A deletion that was on its way when a process died may not have arrived.
  if (found != nullptr ? found->kind == Standing::Kind::kAbsent : row.deleted) {
    parts_.ledger.remove_item(row.table, row.key);
    parts_.counts.change(&row, nullptr);
    return false;
  }
  write.predecessor = found != nullptr ? found->predecessor : row.hash;
  write.deletion = true;
  write.stamp.deleted = true;
  write.item = decode_key(row.key, parts_.view.targets()[key->table].key);
  LedgerItem item = row;
  item.hash = write.stamp.hash;
  item.version = write.stamp.version;
  item.deleted = true;
  parts_.flights.plan(*candidate.dirty, std::move(write), std::move(item), row);
  return true;
}

void Round::mark_contenders() {
  for (const ItemKey& key : released_) {
    for (const auto& [name, root] : parts_.quarantine.contenders(key)) {
      int document = parts_.view.document_index(name);
      if (document < 0) continue;
      parts_.queue.add(document, root, parts_.view.newest_cause());
    }
  }
}

}  // namespace tandem::sink
