#include "sink/document.h"

#include <xxhash.h>

#include <algorithm>

#include "sink/affinity.h"
#include "sink/document_plan.h"
#include "sink/plan_compiler.h"
#include "state/sqlite.h"

namespace tandem::sink {
namespace {

// Grows when the same config would yield other items from the same rows.
constexpr std::string_view kBuildRules = "1";

void add(std::string& bytes, std::string_view text) {
  bytes += std::to_string(text.size());
  bytes += ':';
  bytes += text;
}

/// Over the config's text and the columns that the document depends on, and no other column.
std::string fingerprint_of(const Document::Plan& plan) {
  std::string bytes;
  add(bytes, kBuildRules);
  add(bytes, plan.spec.name);
  add(bytes, plan.spec.source_text);
  add(bytes, plan.target.name);
  for (const std::string& attribute : plan.target.key) add(bytes, attribute);
  for (const Node& node : plan.nodes) {
    if (!node.used) continue;
    add(bytes, node.name);
    add(bytes, node.table.name);
    for (int index : node.columns) {
      const state::Column& column = node.table.columns[static_cast<std::size_t>(index)];
      add(bytes, column.name);
      add(bytes, column.declared_type);
      add(bytes, column.collation);
      add(bytes, std::to_string(static_cast<int>(column.form)));
    }
    for (int index : node.table.key) {
      add(bytes, node.table.columns[static_cast<std::size_t>(index)].name);
    }
  }
  XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  state::Hash digest{};
  std::copy(std::begin(canonical.digest), std::end(canonical.digest), digest.begin());
  return state::to_hex(digest);
}

bool covered_by_key(const state::TableSchema& table, const std::vector<int>& columns) {
  return columns.size() <= table.key.size() &&
         std::equal(columns.begin(), columns.end(), table.key.begin());
}

}  // namespace

Document::Document() : plan_(std::make_unique<Plan>()) {}
Document::~Document() = default;

std::shared_ptr<const Document> Document::compile(const DocumentSpec& spec,
                                                  const TargetTable& target,
                                                  std::size_t target_index,
                                                  const SchemaLookup& lookup,
                                                  const std::vector<std::string>& known_tables,
                                                  std::vector<Mistake>& mistakes) {
  std::shared_ptr<Document> document(new Document());
  Plan& plan = *document->plan_;
  PlanCompiler compiler(spec, target, lookup, known_tables, plan, mistakes);
  if (!compiler.compile()) return nullptr;
  plan.target_index = target_index;
  for (const Node& node : plan.nodes) {
    if (!node.used) continue;
    if (std::find(plan.tables.begin(), plan.tables.end(), node.table.name) == plan.tables.end()) {
      plan.tables.push_back(node.table.name);
    }
  }
  plan.fingerprint = fingerprint_of(plan);
  return document;
}

const std::string& Document::name() const { return plan_->spec.name; }
std::size_t Document::target_index() const { return plan_->target_index; }
const TargetTable& Document::target() const { return plan_->target; }
const DocumentSpec& Document::spec() const { return plan_->spec; }
const std::vector<std::string>& Document::tables() const { return plan_->tables; }
std::string Document::fingerprint() const { return plan_->fingerprint; }

const std::vector<Mistake>& Document::warnings() const { return plan_->warnings; }

std::vector<std::pair<std::string, AttributeType>> Document::attribute_types() const {
  return plan_->attribute_types;
}

std::vector<JoinIndex> Document::join_indexes() const {
  std::vector<JoinIndex> indexes;
  auto want = [&](JoinIndex index) {
    bool known = std::any_of(indexes.begin(), indexes.end(), [&](const JoinIndex& other) {
      return other.table == index.table && other.terms == index.terms;
    });
    if (!known) indexes.push_back(std::move(index));
  };
  auto column_of = [](const Node& node, int column) -> const state::Column& {
    return node.table.columns[static_cast<std::size_t>(column)];
  };
  if (!plan_->by.empty()) {
    JoinIndex distinct{.table = plan_->node(0).table.name};
    for (int column : plan_->by) {
      const state::Column& by = column_of(plan_->node(0), column);
      distinct.columns.push_back(by.name);
      distinct.terms.push_back(state::quote_identifier(by.name) + " COLLATE \"BINARY\"");
    }
    want(std::move(distinct));
  }
  for (const Node& node : plan_->nodes) {
    if (!node.used || node.parent < 0) continue;
    // Downwards: the rows that join to the row at hand.
    JoinIndex down{.table = node.table.name};
    std::vector<int> theirs;
    for (const auto& pair : node.on) {
      theirs.push_back(pair.first);
      down.columns.push_back(column_of(node, pair.first).name);
      down.terms.push_back(state::quote_identifier(down.columns.back()));
    }
    if (!covered_by_key(node.table, theirs)) want(std::move(down));
    // Backwards: the rows that a changed row joins to. `on` may name columns of several rows.
    for (std::size_t i = 0; i < node.on.size(); ++i) {
      int owner = node.on[i].second.node;
      bool first = std::none_of(node.on.begin(), node.on.begin() + static_cast<std::ptrdiff_t>(i),
                                [&](const auto& pair) { return pair.second.node == owner; });
      if (!first) continue;
      JoinIndex up{.table = plan_->node(owner).table.name};
      std::vector<int> ours;
      bool plain = true;
      for (const auto& [their_column, ref] : node.on) {
        if (ref.node != owner) continue;
        const state::Column& our = column_of(plan_->node(owner), ref.column);
        const state::Column& their = column_of(node, their_column);
        ours.push_back(ref.column);
        up.columns.push_back(our.name);
        std::string quoted = state::quote_identifier(our.name);
        up.terms.push_back(backward_index_term(their, our, quoted));
        // The key's own index serves if it compares as the join does.
        plain = plain &&
                up.terms.back() == quoted + " COLLATE " + state::quote_identifier(our.collation);
      }
      if (!plain || !covered_by_key(plan_->node(owner).table, ours)) want(std::move(up));
    }
  }
  return indexes;
}

}  // namespace tandem::sink
