// Compiles a document's spec against table schemas: first the tree of rows (plan_compiler.cc), then
// the values (plan_values.cc). Private to document.cc. One use, one thread. Mistakes are collected,
// never thrown, so that a config shows all of them at once.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sink/document_plan.h"

namespace tandem::sink {

class PlanCompiler {
 public:
  PlanCompiler(const DocumentSpec& spec, const TargetTable& target, const SchemaLookup& lookup,
               const std::vector<std::string>& known_tables, Document::Plan& plan,
               std::vector<Mistake>& mistakes);
  /// Fills the plan; true if there was no mistake.
  bool compile();

 private:
  // ── the tree of rows ──
  bool add_root();
  void add_relations(int parent, const std::vector<RelationSpec>& relations,
                     const std::string& key);
  void resolve_relation(int index, const RelationSpec& relation, const std::string& key);
  void check_one(const Node& node, const RelationSpec& relation, const std::string& key);
  WherePlan resolve_where(int scope, const Where& where, const std::string& key, int line);
  void check_cycles();
  bool is_below(int index, int at) const;
  static void for_each_test(const WherePlan& where, const std::function<void(ColumnRef)>& visit);

  /// The column that `path` names for a row of node `scope`; nothing after a mistake.
  std::optional<ColumnRef> resolve(int scope, const Path& path, const std::string& key, int line);
  /// Follows `one` relations through segments [first, last) from `scope`; -1 after a mistake.
  int follow(int scope, const Path& path, std::size_t first, std::size_t last,
             const std::string& key, int line);
  int child(int scope, const std::string& name) const;
  int column_of(int node, const std::string& name, const std::string& key, int line);

  // ── what is used ──
  void use_node(int node);
  void use(ColumnRef ref);
  Slot slot(ColumnRef ref);

  // ── values ──
  struct Scope {
    int node = 0;             // the row at hand
    bool page = false;        // {$page} may be used
    bool pages_item = false;  // inside pages.item
  };
  MapPlan compile_map(const MapSpec& map, const Scope& scope, const std::string& key);
  std::vector<int> compile_columns(const MapSpec& map, int node, const std::string& key);
  std::optional<ValuePlan> compile_value(const ValueSpec& value, const Scope& scope,
                                         const std::string& key);
  std::optional<ValuePlan> compile_template(const Template& text, const Scope& scope,
                                            const std::string& key, int line);
  std::optional<ValuePlan> compile_each(const EachSpec& each, const Scope& scope,
                                        const std::string& key, int line);
  std::optional<ValuePlan> compile_aggregate(const AggregateSpec& aggregate, const Scope& scope,
                                             const std::string& key, int line);
  std::optional<ValuePlan> compile_with(const WithSpec& with, const Scope& scope,
                                        const std::string& key, int line);
  std::optional<ValuePlan> compile_typed(const TypedSpec& typed, const Scope& scope,
                                         const std::string& key, int line);
  void compile_pages();
  /// The level of the `many` relation that `path` (its first `count` segments) names from `scope`.
  int many_level(const Path& path, std::size_t count, int scope, const std::string& key, int line);

  // ── keys ──
  void check_keys(const MapPlan& item, const std::string& key, int line);
  std::optional<AttributeType> type_of(const ValuePlan& value) const;

  void mistake(int line, const std::string& key, std::string text, std::string nearest = "");
  void warn(int line, const std::string& key, const std::optional<std::string>& text);
  const state::Column& column_at(ColumnRef ref) const;
  Node& node(int index) { return plan_.nodes[static_cast<std::size_t>(index)]; }
  Level& level(int index) { return plan_.levels[static_cast<std::size_t>(index)]; }

  const DocumentSpec& spec_;
  const SchemaLookup& lookup_;
  const std::vector<std::string>& known_tables_;
  Document::Plan& plan_;
  std::vector<Mistake>& mistakes_;
  const std::size_t mistakes_before_;
};

}  // namespace tandem::sink
