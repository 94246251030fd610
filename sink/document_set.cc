// The declared documents over the tables of one snapshot of the replica.
#include <algorithm>

#include "sink/relations.h"

namespace tandem::sink {
namespace {

using Tables = std::unordered_map<std::string, state::ReplicaTable>;

/// A table by the name that the config uses: as it is written, or else whatever its case.
const state::ReplicaTable* find_table(const Tables& tables, const std::string& name) {
  auto found = tables.find(name);
  if (found != tables.end()) return &found->second;
  auto lower = [](std::string text) {
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return text;
  };
  for (const auto& [known, table] : tables) {
    if (lower(known) == lower(name)) return &table;
  }
  return nullptr;
}

void add_tables(const std::vector<RelationSpec>& relations, std::vector<std::string>& names) {
  for (const RelationSpec& relation : relations) {
    names.push_back(relation.table);
    add_tables(relation.relations, names);
  }
}

std::string waits_for(const std::string& table) {
  return "waits for the snapshot of table " + table;
}

DocumentSet::Entry compile(const DocumentSpec& spec, const std::vector<TargetTable>& targets,
                           const Tables& tables) {
  auto target = std::find_if(targets.begin(), targets.end(),
                             [&](const TargetTable& table) { return table.name == spec.table; });
  if (target == targets.end()) return {nullptr, "there is no target table " + spec.table};
  std::vector<std::string> names;
  for (const auto& [name, table] : tables) names.push_back(name);
  auto lookup = [&](const std::string& name) -> const state::TableSchema* {
    const state::ReplicaTable* table = find_table(tables, name);
    return table == nullptr ? nullptr : &table->schema;
  };
  std::vector<Mistake> mistakes;
  auto document = Document::compile(
      spec, *target, static_cast<std::size_t>(target - targets.begin()), lookup, names, mistakes);
  if (document != nullptr) return {document, ""};
  std::vector<std::string> wanted{spec.root};
  add_tables(spec.relations, wanted);
  for (const std::string& name : wanted) {
    if (lookup(name) == nullptr) return {nullptr, waits_for(name)};
  }
  return {nullptr, mistakes.front().key + ": " + mistakes.front().text};
}

}  // namespace

DocumentSet::DocumentSet(std::vector<DocumentSpec> specs, std::vector<TargetTable> targets)
    : specs_(std::move(specs)), targets_(std::move(targets)), entries_(specs_.size()) {
  for (std::size_t i = 0; i < specs_.size(); ++i) entries_[i].resting = waits_for(specs_[i].root);
}

std::vector<DocumentSet::Entry> DocumentSet::entries() const {
  std::lock_guard lock(mutex_);
  return entries_;
}

std::uint64_t DocumentSet::generation() const {
  std::lock_guard lock(mutex_);
  return generation_;
}

bool DocumentSet::schemas_changed(const Tables& tables) const {
  if (tables.size() != tables_.size()) return true;
  return std::any_of(tables.begin(), tables.end(), [&](const auto& pair) {
    auto before = tables_.find(pair.first);
    return before == tables_.end() || before->second.schema != pair.second.schema;
  });
}

bool DocumentSet::recompile(const Tables& tables) {
  std::lock_guard lock(mutex_);
  bool compiling = generation_ == 0 || schemas_changed(tables);
  bool changed = generation_ == 0;
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    Entry entry = compiling ? compile(specs_[i], targets_, tables) : entries_[i];
    if (entry.document != nullptr) {
      entry.resting.clear();
      for (const std::string& name : entry.document->tables()) {
        const state::ReplicaTable* table = find_table(tables, name);
        if (entry.resting.empty() && !(table != nullptr && table->whole)) {
          entry.resting = waits_for(name);
        }
      }
    }
    changed =
        changed || entry.document != entries_[i].document || entry.resting != entries_[i].resting;
    entries_[i] = std::move(entry);
  }
  tables_ = tables;
  if (changed) ++generation_;
  return changed;
}

}  // namespace tandem::sink
