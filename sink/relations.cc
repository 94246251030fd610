#include "sink/relations.h"

#include <algorithm>

#include "sink/document_plan.h"
#include "sink/relation_walk.h"
#include "state/sqlite.h"

namespace tandem::sink {
namespace {

constexpr std::string_view kIndexPrefix = "_tandem_join ";

/// The index's name says what it holds, so that one name never stands for two indexes.
std::string index_name(const JoinIndex& index, const std::string& terms) {
  return std::string(kIndexPrefix) + index.table + "(" + terms + ")";
}

/// What one relation of one document makes of a table's changes.
struct Role {
  std::shared_ptr<const Document> document;
  int path = 0;
  std::unique_ptr<RelationWalk> walk;  // prepared at the first change

  const Node& node() const { return document->plan().node(path); }

  bool touched(const state::Row* before, const state::Row* after) const {
    if (before == nullptr || after == nullptr) return true;
    const auto& columns = node().columns;
    return std::any_of(columns.begin(), columns.end(), [&](int column) {
      auto index = static_cast<std::size_t>(column);
      return !((*before)[index] == (*after)[index]);
    });
  }
};

state::Row picked(const state::Row& row, const std::vector<int>& columns) {
  state::Row values;
  values.reserve(columns.size());
  for (int column : columns) values.push_back(row[static_cast<std::size_t>(column)]);
  return values;
}

bool has_null(const state::Row& values) {
  return std::any_of(values.begin(), values.end(),
                     [](const state::Value& value) { return value.is_null(); });
}

}  // namespace

class Relations::Impl {
 public:
  Impl(const DocumentSet& documents, std::size_t wide_at)
      : documents_(documents.specs(), documents.targets()), wide_at_(wide_at) {}

  void tables_changed(state::Database& replica,
                      const std::unordered_map<std::string, state::ReplicaTable>& tables,
                      state::Marks& marks) {
    replica_ = &replica;
    tables_ = tables;
    settle(marks);
  }

  void table_whole(const std::string& table, state::Marks& marks) {
    auto known = tables_.find(table);
    if (known == tables_.end() || known->second.whole) return;
    known->second.whole = true;
    settle(marks);
  }

  void table_touched(const std::string& table, bool as_root, state::Marks& marks) {
    auto roles = roles_.find(table);
    if (roles == roles_.end()) return;
    for (const Role& role : roles->second) {
      if (role.path != 0 || as_root) marks.mark_wide(role.document->name(), 0, {});
    }
  }

  void row_changed(const state::TableSchema& table, const state::Row* before,
                   const state::Row* after, bool applied, state::Marks& marks) {
    auto roles = roles_.find(table.name);
    if (roles == roles_.end()) return;
    for (Role& role : roles->second) {
      if (!role.touched(before, after)) continue;
      if (role.path == 0) {
        mark_root(role, before, after, applied, marks);
      } else {
        mark_roots(role, before, after, applied, marks);
      }
    }
  }

 private:
  /// Compiles, marks what no longer rests, and makes the indexes of tables that are whole: a first
  /// load is faster without them.
  void settle(state::Marks& marks) {
    std::vector<DocumentSet::Entry> before = documents_.entries();
    bool first = documents_.generation() == 0;
    bool changed = documents_.recompile(tables_);
    std::vector<DocumentSet::Entry> entries = documents_.entries();
    make_indexes(entries);
    if (!changed) return;
    roles_.clear();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const DocumentSet::Entry& entry = entries[i];
      if (entry.document == nullptr || !entry.resting.empty()) continue;
      // At open, a document that does not rest has had its mark in an earlier transaction.
      if (!first && !before[i].resting.empty()) marks.mark_wide(entry.document->name(), 0, {});
      const auto& nodes = entry.document->plan().nodes;
      for (int path = 0; path < static_cast<int>(nodes.size()); ++path) {
        const Node& node = nodes[static_cast<std::size_t>(path)];
        if (node.used) roles_[node.table.name].push_back({entry.document, path, nullptr});
      }
    }
  }

  void make_indexes(const std::vector<DocumentSet::Entry>& entries) {
    std::vector<std::string> wanted;
    bool all = true;
    for (const DocumentSet::Entry& entry : entries) {
      if (entry.document == nullptr) {
        all = false;
        continue;
      }
      for (const JoinIndex& index : entry.document->join_indexes()) {
        std::string terms;
        for (const std::string& term : index.terms) terms += (terms.empty() ? "" : ", ") + term;
        wanted.push_back(index_name(index, terms));
        auto table = tables_.find(index.table);
        if (table == tables_.end() || !table->second.whole) continue;
        replica_->execute("CREATE INDEX IF NOT EXISTS " + state::quote_identifier(wanted.back()) +
                          " ON " + state::quote_identifier(index.table) + "(" + terms + ")");
      }
    }
    // Only a whole set of documents knows which indexes nobody wants any more.
    if (!all) return;
    std::vector<std::string> surplus;
    {
      auto select = replica_->prepare(
          "SELECT name FROM sqlite_schema WHERE type = 'index' AND substr(name, 1, ?) = ?");
      select.bind(1, static_cast<std::int64_t>(kIndexPrefix.size())).bind(2, kIndexPrefix);
      while (select.step()) {
        std::string name = select.text(0);
        if (std::find(wanted.begin(), wanted.end(), name) == wanted.end()) {
          surplus.push_back(std::move(name));
        }
      }
    }
    for (const std::string& name : surplus) {
      replica_->execute("DROP INDEX " + state::quote_identifier(name));
    }
  }

  /// The changed row is itself a root, before, after, or both.
  static void mark_root(const Role& role, const state::Row* before, const state::Row* after,
                        bool applied, state::Marks& marks) {
    const Document::Plan& plan = role.document->plan();
    const state::Row* row = applied ? after : before;
    if (row == nullptr) return;
    state::Row key = picked(*row, plan.root_key);
    // The call before has marked a key that stays.
    if (applied && before != nullptr && picked(*before, plan.root_key) == key) return;
    // A document by distinct values has none for null.
    if (!plan.by.empty() && has_null(key)) return;
    marks.mark(plan.spec.name, state::encode_row(key));
  }

  /// The changed row is reached from roots. One whose joining columns stay needs no walk after: a
  /// root that begins to reach it does so through another change, which is walked itself.
  void mark_roots(Role& role, const state::Row* before, const state::Row* after, bool applied,
                  state::Marks& marks) {
    const state::Row* row = applied ? after : before;
    if (row == nullptr) return;
    const Node& node = role.node();
    state::Row values = RelationWalk::values_of(node, *row);
    if (has_null(values)) return;
    if (applied && before != nullptr && RelationWalk::values_of(node, *before) == values) return;
    if (role.walk == nullptr) {
      role.walk = std::make_unique<RelationWalk>(*replica_, role.document->plan(), role.path, false,
                                                 std::vector<bool>{});
    }
    std::vector<std::string> roots = role.walk->roots(values, {}, wide_at_ + 1);
    const std::string& name = role.document->name();
    if (roots.size() > wide_at_) {
      marks.mark_wide(name, role.path, values);
    } else {
      for (const std::string& root : roots) marks.mark(name, root);
    }
  }

  DocumentSet documents_;
  const std::size_t wide_at_;
  state::Database* replica_ = nullptr;
  std::unordered_map<std::string, state::ReplicaTable> tables_;
  std::unordered_map<std::string, std::vector<Role>> roles_;  // by table, of what does not rest
};

Relations::Relations(DocumentSet& documents, std::size_t wide_at)
    : impl_(std::make_unique<Impl>(documents, wide_at)) {}
Relations::~Relations() = default;

void Relations::tables_changed(state::Database& replica,
                               const std::unordered_map<std::string, state::ReplicaTable>& tables,
                               state::Marks& marks) {
  impl_->tables_changed(replica, tables, marks);
}

void Relations::table_whole(const std::string& table, state::Marks& marks) {
  impl_->table_whole(table, marks);
}

void Relations::table_touched(const std::string& table, bool as_root, state::Marks& marks) {
  impl_->table_touched(table, as_root, marks);
}

void Relations::row_changed(const state::TableSchema& table, const state::Row* before,
                            const state::Row* after, bool applied, state::Marks& marks) {
  impl_->row_changed(table, before, after, applied, marks);
}

}  // namespace tandem::sink
