#include "sink/reconciler/replica_view.h"

#include <algorithm>
#include <utility>

namespace tandem::sink {

ReplicaView::ReplicaView(const std::string& path, DocumentSet& set, std::string attribute,
                         std::string pipeline)
    : path_(path),
      reader_(path),
      set_(set),
      attribute_(std::move(attribute)),
      pipeline_(std::move(pipeline)) {
  for (const DocumentSpec& spec : set_.specs()) {
    ViewDocument entry;
    entry.name = spec.name;
    entry.spec = &spec;
    entry.resting = "waits for the replica";
    entry.table = static_cast<std::size_t>(std::max(0, table_index(spec.table)));
    indexes_[spec.name] = static_cast<int>(documents_.size());
    documents_.push_back(std::move(entry));
  }
}

bool ReplicaView::renew() {
  reader_.renew();
  state::ReplicaPosition position = reader_.position();
  const bool moved = !compiled_ || position.next != position_.next ||
                     position.log_identity != position_.log_identity;
  position_ = std::move(position);
  if (!moved) return false;
  auto tables = reader_.tables();
  const bool changed = set_.recompile(tables);
  if (compiled_ && !changed) return false;
  compile(tables);
  return true;
}

void ReplicaView::compile(const std::unordered_map<std::string, state::ReplicaTable>& tables) {
  compiled_ = true;
  schemas_.clear();
  for (const auto& [name, table] : tables) schemas_[name] = table.schema;
  lookups_.clear();
  std::vector<DocumentSet::Entry> entries = set_.entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    ViewDocument& entry = documents_[i];
    entry.builder.reset();
    entry.document = entries[i].document;
    entry.resting = entries[i].resting;
    entry.fingerprint.clear();
    if (!entry.document) {
      if (entry.resting.empty()) entry.resting = "does not fit the source's tables";
      continue;
    }
    entry.fingerprint = entry.document->fingerprint();
    entry.builder = std::make_unique<Builder>(reader_.database(), entry.document, attribute_);
  }
}

int ReplicaView::table_index(const std::string& name) const {
  const std::vector<TargetTable>& tables = set_.targets();
  for (std::size_t i = 0; i < tables.size(); ++i) {
    if (tables[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

int ReplicaView::document_index(const std::string& name) const {
  auto found = indexes_.find(name);
  return found == indexes_.end() ? -1 : found->second;
}

int ReplicaView::add_undeclared(const std::string& name) {
  int index = document_index(name);
  if (index >= 0) return index;
  index = static_cast<int>(documents_.size());
  documents_.emplace_back().name = name;
  indexes_[name] = index;
  return index;
}

BuiltDocument ReplicaView::build(int index, const std::string& root) {
  ViewDocument& entry = document(index);
  // The empty root stands for items whose root is not known: nothing yields them.
  if (entry.spec == nullptr || root.empty()) return {};
  return entry.builder->build(root);
}

bool ReplicaView::root_exists(int index, const std::string& root) {
  ViewDocument& entry = document(index);
  if (entry.spec == nullptr || root.empty()) return false;
  auto schema = schemas_.find(entry.spec->root);
  if (!entry.spec->where.empty() || !entry.spec->by.empty() || schema == schemas_.end()) {
    return entry.builder->build(root).exists;
  }
  auto [found, made] = lookups_.try_emplace(index);
  state::Statement& lookup = found->second;
  if (made) {
    std::string columns, condition;
    for (int column : schema->second.key) {
      std::string name =
          state::quote_identifier(schema->second.columns[static_cast<std::size_t>(column)].name);
      columns += (columns.empty() ? "" : ", ") + name;
      condition += (condition.empty() ? "" : " AND ") + name + " IS ?";
    }
    lookup = reader_.database().prepare("SELECT " + columns + " FROM " +
                                        state::quote_identifier(schema->second.name) + " WHERE " +
                                        condition);
  }
  lookup.bind_row(1, state::decode_row(root));
  // A root found under another spelling of its key is another root.
  bool exists = lookup.step() && state::encode_row(lookup.row(
                                     0, static_cast<int>(schema->second.key.size()))) == root;
  lookup.reset();
  return exists;
}

std::string ReplicaView::display_root(int index, const std::string& root) {
  ViewDocument& entry = document(index);
  if (entry.builder && !root.empty()) return entry.builder->display_root(root);
  return entry.name;
}

std::int64_t ReplicaView::count_roots(int index) {
  const ViewDocument& entry = document(index);
  if (!entry.declared() || !schemas_.contains(entry.spec->root)) return 0;
  return reader_.database()
      .query_value("SELECT count(*) FROM " + state::quote_identifier(entry.spec->root))
      .as_integer();
}

}  // namespace tandem::sink
