#include "sink/item_verifier.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "sink/builder.h"
#include "state/ledger_reader.h"
#include "state/patience.h"

namespace tandem::sink {
namespace {

constexpr std::chrono::milliseconds kPause{20};  // between two looks at what is on its way

// What stands at the target, by key, on disk in a temporary database: a table may hold more items
// than fit in memory.
class Seen {
 public:
  Seen() : database_("", state::OpenMode::kReadWriteCreate) {
    database_.execute(
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
        "CREATE TABLE seen(tbl INTEGER, key BLOB, hash BLOB, name TEXT, matched INTEGER, "
        "PRIMARY KEY(tbl, key)) WITHOUT ROWID; BEGIN");
    insert_ = database_.prepare("INSERT OR REPLACE INTO seen VALUES(?,?,?,?,0)");
    find_ = database_.prepare("SELECT hash FROM seen WHERE tbl=? AND key=?");
    match_ = database_.prepare("UPDATE seen SET matched=1 WHERE tbl=? AND key=?");
  }

  void add(std::size_t table, const std::string& key, const state::Hash& hash,
           const std::string& document) {
    insert_.bind(1, static_cast<std::int64_t>(table)).bind_blob(2, key);
    insert_.bind_blob(3, std::string_view(reinterpret_cast<const char*>(hash.data()), hash.size()));
    insert_.bind(4, std::string_view(document)).run();
  }

  // True if the key is there with that hash; the key counts as matched whenever it is there.
  bool match(std::size_t table, const std::string& key, const state::Hash& hash) {
    find_.bind(1, static_cast<std::int64_t>(table)).bind_blob(2, key);
    bool there = find_.step();
    bool same =
        there &&
        find_.view(0) == std::string_view(reinterpret_cast<const char*>(hash.data()), hash.size());
    find_.reset();
    if (there) match_.bind(1, static_cast<std::int64_t>(table)).bind_blob(2, key).run();
    return same;
  }

  struct Entry {
    std::size_t table;
    std::string key, document;
  };
  // Items of ours that no document yielded.
  void unmatched(const std::function<void(const Entry&)>& take) {
    auto select = database_.prepare("SELECT tbl, key, name FROM seen WHERE matched=0 AND name<>''");
    while (select.step()) {
      take({static_cast<std::size_t>(select.integer(0)), select.text(1), select.text(2)});
    }
  }

 private:
  state::Database database_;
  state::Statement insert_, find_, match_;
};

class Verifier {
 public:
  Verifier(Target& target, DocumentSet& documents, const ItemVerifierOptions& options,
           std::stop_token stop)
      : target_(target),
        documents_(documents),
        options_(options),
        patience_(options.patience),
        stop_(std::move(stop)),
        replica_(options.replica_path),
        ledger_(options.ledger_path) {}

  ItemReport run() {
    replica_.renew();
    documents_.recompile(replica_.tables());
    for (const state::DeadLetter& letter : ledger_.dead_letters()) {
      dead_.emplace(letter.document, letter.root);
    }
    report_.dead_letters = static_cast<std::int64_t>(dead_.size());
    for (std::size_t table = 0; table < documents_.targets().size(); ++table) scan(table);
    for (const DocumentSet::Entry& entry : documents_.entries()) {
      if (entry.document == nullptr || !entry.resting.empty()) {
        ++report_.pending;
        continue;
      }
      compare_document(entry.document);
    }
    seen_.unmatched([this](const Seen::Entry& entry) {
      if (declared(entry.document)) {
        recheck_surplus(entry);
      } else {
        ++report_.undeclared;
      }
    });
    return std::move(report_);
  }

 private:
  bool declared(const std::string& document) const {
    const std::vector<DocumentSpec>& specs = documents_.specs();
    return std::any_of(specs.begin(), specs.end(),
                       [&](const DocumentSpec& spec) { return spec.name == document; });
  }

  const std::vector<std::string>& volatile_names(const std::string& document) const {
    static const std::vector<std::string> kNone;
    for (const DocumentSpec& spec : documents_.specs()) {
      if (spec.name == document) return spec.volatile_names;
    }
    return kNone;
  }

  void scan(std::size_t table) {
    const std::string prefix = options_.pipeline + "/";
    const auto& keys = documents_.targets()[table].key;
    target_.scan(table, !options_.deep, [&](std::vector<Item>& page) {
      for (const Item& item : page) {
        std::optional<Stamp> stamp = stamp_of(item, options_.attribute);
        bool ours = stamp.has_value() && stamp->name.starts_with(prefix);
        if (ours && stamp->deleted) {
          ++report_.tombstones;
          continue;
        }
        std::string document = ours ? stamp->name.substr(prefix.size()) : "";
        state::Hash hash{};
        if (ours) {
          hash = options_.deep ? hash_item(item, options_.attribute, volatile_names(document))
                               : stamp->hash;
          ++report_.items_found;
        } else {
          ++report_.foreign;
        }
        seen_.add(table, encode_key(item, keys), hash, document);
      }
      progress();
      return !stop_.stop_requested();
    });
  }

  void compare_document(const std::shared_ptr<const Document>& document) {
    constexpr std::size_t kStep = 1000;
    std::string after;
    for (;;) {
      replica_.renew();
      Builder& builder = builder_of(document);
      std::vector<std::string> candidates;
      after = builder.build_range(after, kStep, [&](std::string root, BuiltDocument built) {
        if (!built.exists) return;
        if (!built.invalid.empty()) {
          candidates.push_back(std::move(root));
          return;
        }
        bool same = true;
        for (const BuiltItem& item : built.items) {
          ++report_.items_expected;
          same = seen_.match(document->target_index(), item.key, item.hash) && same;
        }
        if (!same) candidates.push_back(std::move(root));
      });
      for (const std::string& root : candidates) recheck(document, root);
      progress();
      if (after.empty() || stop_.stop_requested()) return;
    }
  }

  // Reads both sides again until they agree, or differ while the document is clean before and
  // after.
  void recheck(const std::shared_ptr<const Document>& document, const std::string& root) {
    if (dead_.contains({document->name(), root})) return;
    state::Patience::Wait wait(patience_);
    for (;;) {
      replica_.renew();
      if (!dirty(document->name(), root)) {
        BuiltDocument built = builder_of(document).build(root);
        std::vector<ItemDifference> differences;
        if (built.invalid.empty()) {
          differences = differences_of(*document, root, built);
          if (differences.empty()) return;
        }
        replica_.renew();
        if (!dirty(document->name(), root) && same_build(document, root, built)) {
          if (!built.invalid.empty() && ledger_.dead_letter(document->name(), root)) {
            ++report_.dead_letters;
            dead_.emplace(document->name(), root);
            return;
          }
          if (!differences.empty()) {
            std::move(differences.begin(), differences.end(),
                      std::back_inserter(report_.differences));
            return;
          }
        }
      }
      if (wait.is_over() || stop_.stop_requested()) {
        ++report_.pending;
        return;
      }
      wait.pause(kPause);
    }
  }

  bool same_build(const std::shared_ptr<const Document>& document, const std::string& root,
                  const BuiltDocument& before) {
    BuiltDocument again = builder_of(document).build(root);
    return again.exists == before.exists && again.invalid == before.invalid &&
           std::equal(again.items.begin(), again.items.end(), before.items.begin(),
                      before.items.end(), [](const BuiltItem& a, const BuiltItem& b) {
                        return a.key == b.key && a.hash == b.hash;
                      });
  }

  std::vector<ItemDifference> differences_of(const Document& document, const std::string& root,
                                             const BuiltDocument& built) {
    std::vector<ItemDifference> differences;
    if (built.items.empty()) return differences;
    const auto& names = document.target().key;
    std::vector<Item> keys;
    for (const BuiltItem& item : built.items) keys.push_back(decode_key(item.key, names));
    auto found = target_.read(document.target_index(), keys);
    for (std::size_t i = 0; i < built.items.size(); ++i) {
      ItemDifference difference;
      bool there = found[i].has_value();
      if (there) {
        auto stamp = stamp_of(*found[i], options_.attribute);
        there = !stamp.has_value() || !stamp->deleted;
      }
      difference.kind = there ? ItemDifference::Kind::kDifferent : ItemDifference::Kind::kMissing;
      difference.attributes = compare_items(built.items[i].item, there ? *found[i] : keys[i],
                                            options_.attribute, document.spec().volatile_names);
      if (there && difference.attributes.empty()) continue;
      difference.document = document.name();
      difference.root = root;
      difference.row = builder_of_name(document.name()).display_root(root);
      difference.table = document.target().name;
      difference.key = built.items[i].key;
      difference.item = display_key(keys[i], names);
      differences.push_back(std::move(difference));
    }
    return differences;
  }

  // Our stamp on the item as it stands there now; nothing if none of our items does.
  std::optional<Stamp> standing_stamp(std::size_t table, const Item& key) {
    auto found = target_.read(table, {key});
    if (!found[0].has_value()) return std::nullopt;
    auto stamp = stamp_of(*found[0], options_.attribute);
    return stamp.has_value() && !stamp->deleted ? stamp : std::nullopt;
  }

  // The ledger knows an item before it is sent, and forgets it once it is deleted. So what it does
  // not know is surplus only if the very same item stood there before and after it was asked.
  void recheck_surplus(const Seen::Entry& entry) {
    const TargetTable& table = documents_.targets()[entry.table];
    state::Patience::Wait wait(patience_);
    Item key = decode_key(entry.key, table.key);
    std::optional<Stamp> stamp = standing_stamp(entry.table, key);
    while (stamp.has_value()) {
      replica_.renew();
      auto owner = ledger_.owner_of(table.name, entry.key);
      bool waits = wide_work(entry.document) || (owner && dirty(owner->document, owner->root));
      if (!waits && owner) {
        if (yields(*owner, entry.key) || dead_.contains({owner->document, owner->root})) return;
      }
      std::optional<Stamp> after = standing_stamp(entry.table, key);
      if (!after.has_value()) return;
      if (!waits && after->version == stamp->version && after->hash == stamp->hash) {
        ItemDifference difference;
        difference.kind = ItemDifference::Kind::kSurplus;
        difference.document = entry.document;
        difference.root = owner ? owner->root : "";
        difference.table = table.name;
        difference.key = entry.key;
        difference.item = display_key(key, table.key);
        report_.differences.push_back(std::move(difference));
        return;
      }
      stamp = std::move(after);
      if (wait.is_over() || stop_.stop_requested()) {
        ++report_.pending;
        return;
      }
      wait.pause(kPause);
    }
  }

  bool yields(const state::LedgerItem& owner, const std::string& key) {
    for (const DocumentSet::Entry& entry : documents_.entries()) {
      if (entry.document == nullptr || entry.document->name() != owner.document) continue;
      BuiltDocument built = builder_of(entry.document).build(owner.root);
      return std::any_of(built.items.begin(), built.items.end(),
                         [&](const BuiltItem& item) { return item.key == key; });
    }
    return false;
  }

  bool dirty(const std::string& document, const std::string& root) {
    auto number = replica_.mark_number(document, root);
    if (number.has_value()) {
      auto settled = ledger_.settled(document, root);
      if (!settled.has_value() || *settled < *number) return true;
    }
    return wide_work(document);
  }

  // Is a wide mark of the document not expanded to its end?
  bool wide_work(const std::string& document) {
    auto expansions = ledger_.expansions();
    for (const state::Expansion& expansion : expansions) {
      if (expansion.document == document && !expansion.done) return true;
    }
    for (const state::WideMark& mark : replica_.wide_marks()) {
      if (mark.document != document) continue;
      bool done = std::any_of(expansions.begin(), expansions.end(), [&](const state::Expansion& e) {
        return e.document == mark.document && e.path == mark.path && e.values == mark.values &&
               e.number >= mark.number && e.done;
      });
      if (!done) return true;
    }
    return false;
  }

  Builder& builder_of(const std::shared_ptr<const Document>& document) {
    auto& slot = builders_[document->name()];
    if (slot == nullptr) {
      slot = std::make_unique<Builder>(replica_.database(), document, options_.attribute);
    }
    return *slot;
  }
  Builder& builder_of_name(const std::string& name) { return *builders_.at(name); }

  void progress() const {
    if (options_.progress) options_.progress(report_.items_expected, report_.items_found);
  }

  Target& target_;
  DocumentSet& documents_;
  const ItemVerifierOptions& options_;
  state::Patience patience_;  // with documents that something is on its way for
  std::stop_token stop_;
  state::ReplicaReader replica_;
  state::LedgerReader ledger_;
  Seen seen_;
  std::map<std::string, std::unique_ptr<Builder>> builders_;
  std::set<std::pair<std::string, std::string>> dead_;
  ItemReport report_;
};

}  // namespace

std::vector<AttributeDifference> compare_items(const Item& expected, const Item& found,
                                               std::string_view own_attribute,
                                               const std::vector<std::string>& volatile_names) {
  auto ignored = [&](const std::string& name) {
    return name == own_attribute ||
           std::find(volatile_names.begin(), volatile_names.end(), name) != volatile_names.end();
  };
  std::vector<AttributeDifference> differences;
  for (const auto& [name, value] : expected) {
    if (ignored(name)) continue;
    const Attribute* other = find_attribute(found, name);
    if (other == nullptr) {
      differences.push_back({name, to_plain_json(value), ""});
    } else if (!(*other == value)) {
      differences.push_back({name, to_plain_json(value), to_plain_json(*other)});
    }
  }
  for (const auto& [name, value] : found) {
    if (!ignored(name) && find_attribute(expected, name) == nullptr) {
      differences.push_back({name, "", to_plain_json(value)});
    }
  }
  return differences;
}

ItemReport verify_items(Target& target, DocumentSet& documents, const ItemVerifierOptions& options,
                        std::stop_token stop) {
  return Verifier(target, documents, options, std::move(stop)).run();
}

}  // namespace tandem::sink
