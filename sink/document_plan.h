// The compiled form of a document, shared by the compiler, the builder and the relations.
//
// Rows form a tree of nodes: the root, and one node a relation. Nodes that are read by one SQL
// statement form a level: the root or a `many` with all `one` relations joined to it. A value to be
// shown is a slot: a column in the select list of a level. While a level's statement stands on a
// row, the levels below run with that row's slots as their parameters.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sink/document.h"

namespace tandem::sink {

/// A column of a node's table.
struct ColumnRef {
  int node = 0;
  int column = 0;
  friend bool operator==(const ColumnRef&, const ColumnRef&) = default;
};

/// A column in the select list of a level.
struct Slot {
  int level = 0;
  int column = 0;
  friend bool operator==(const Slot&, const Slot&) = default;
};

struct WherePlan {
  struct Test {
    ColumnRef column;
    Where::Comparison comparison = Where::Comparison::kIn;
    std::vector<state::Value> values;
  };
  std::vector<Test> tests;
  std::vector<std::vector<WherePlan>> any;
  bool empty() const { return tests.empty() && any.empty(); }
};

/// The root (node 0) or a relation; the index in Plan::nodes is also the number of its path.
struct Node {
  std::string name;
  int parent = -1;
  bool many = false;
  bool broken = false;  // a mistake was found here; what refers to it is not reported again
  state::TableSchema table;
  std::vector<std::pair<int, ColumnRef>> on;  // their column, our column
  WherePlan where;
  std::vector<std::pair<ColumnRef, bool>> order_by;  // column, descending
  std::vector<int> children;
  int level = 0;
  bool used = false;      // something in the item depends on it
  std::set<int> columns;  // columns of its table that something depends on
};

struct ValuePlan;

struct MapPlan {
  std::vector<std::pair<std::string, ValuePlan>> entries;  // sorted by name
};
struct ConstantPlan {
  Attribute value;
};
/// A column that keeps its type.
struct ColumnPlan {
  Slot slot;
  state::ColumnForm form = state::ColumnForm::kAny;
  std::string declared_type;  // of an array
};
struct PageNumberPlan {};
struct TextPlan {
  struct Part {
    std::string literal;
    std::optional<Slot> slot;  // neither slot nor page: the literal
    bool page = false;
    std::vector<Filter> filters;
    state::ColumnForm form = state::ColumnForm::kAny;  // of the slot
  };
  std::vector<Part> parts;
};
struct ListPlan {
  std::vector<ValuePlan> elements;
};
/// What a level below has found for the present row of `level`: a list, count, sum, …
struct ResultPlan {
  int level = 0;
  int result = 0;
};
/// Left out unless the relation has found a row: its join column is not null then.
struct WithPlan {
  Slot found;
  MapPlan item;
};
struct TypedPlan {
  std::vector<ValuePlan> value;  // one
  std::vector<std::pair<state::Value, Attribute>> map;
  std::optional<Attribute> default_value;
  TypedSpec::As as = TypedSpec::As::kSame;
  bool keep_null = false;
};
struct ValuePlan {
  std::variant<ConstantPlan, ColumnPlan, PageNumberPlan, TextPlan, MapPlan, ListPlan, ResultPlan,
               WithPlan, TypedPlan>
      node;
};

/// One value for each row of a `many` level, gathered into a list.
struct EachPlan {
  ValuePlan item;
  int result = 0;      // of the level above
  bool paged = false;  // it stands in pages.item: each page gets its part
};
struct AggregatePlan {
  AggregateSpec::Kind kind = AggregateSpec::Kind::kCount;
  Slot slot;  // not of a count
  std::string collation;
  state::ColumnForm form = state::ColumnForm::kAny;
  int result = 0;  // of the level above
};

struct Level {
  int node = 0;
  int parent = -1;                // level
  bool used = false;              // something is gathered from it
  std::vector<int> ones;          // nodes joined to it, each after those that it depends on
  std::vector<ColumnRef> select;  // of this level's nodes
  std::vector<int> children;      // levels
  std::vector<EachPlan> each;
  std::vector<AggregatePlan> aggregates;
  int results = 0;  // how many the levels below give to each of its rows
};

struct PagesPlan {
  int level = 0;  // that is cut into pages
  std::int64_t size = 0, over = 0;
  MapPlan item;
};

struct Document::Plan {
  DocumentSpec spec;
  TargetTable target;
  std::size_t target_index = 0;
  std::vector<Node> nodes;
  std::vector<Level> levels;
  std::vector<int> by;          // root columns of one document per distinct value; else empty
  std::vector<int> root_key;    // root columns that identify a document: the key, or `by`
  std::vector<int> root_slots;  // their places in level 0's select list
  MapPlan item;
  std::optional<PagesPlan> pages;
  std::vector<std::string> tables;
  std::vector<std::pair<std::string, AttributeType>> attribute_types;
  std::vector<Mistake> warnings;
  std::string fingerprint;

  const std::string& column_name(ColumnRef ref) const {
    return nodes[static_cast<std::size_t>(ref.node)]
        .table.columns[static_cast<std::size_t>(ref.column)]
        .name;
  }
  const Node& node(int index) const { return nodes[static_cast<std::size_t>(index)]; }
  const Level& level(int index) const { return levels[static_cast<std::size_t>(index)]; }
};

}  // namespace tandem::sink
