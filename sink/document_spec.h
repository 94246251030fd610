// A document as the config declares it, before it is checked against table schemas. Built by
// agent/config from YAML (or by tests directly); compiled by document.h. Every node knows its line.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sink/item.h"

namespace tandem::sink {

/// `Name`, `track.Name`, `root.Name`, `author.land.name`, `[odd name]`; "$page" where pages allow
/// it.
struct Path {
  std::vector<std::string> segments;
  int line = 0;
};

struct Filter {
  std::string name;      // iso8601, upper, lower, pad, uuid5
  std::string argument;  // "" for none
};

/// "text{PATH:filter(arg)}…": literals and placeholders in turn. One placeholder and no literal is
/// a bare path, which keeps its value's type.
struct Template {
  struct Part {
    std::string literal;  // used when there is no path
    std::optional<Path> path;
    std::vector<Filter> filters;
  };
  std::vector<Part> parts;
  int line = 0;
  bool bare() const {
    return parts.size() == 1 && parts[0].path.has_value() && parts[0].filters.empty();
  }
};

/// Parses a template's text; throws std::invalid_argument with a message for people.
Template parse_template(std::string_view text, int line);
Path parse_path(std::string_view text, int line);

/// All comparisons and all `any` groups must hold.
struct Where {
  enum class Comparison { kIn, kNull, kNot, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };
  struct Test {
    Path path;
    Comparison comparison = Comparison::kIn;
    std::vector<state::Value> values;  // of kIn; one for the others; kNot of null: is not null
  };
  std::vector<Test> tests;
  std::vector<std::vector<Where>> any;
  bool empty() const { return tests.empty() && any.empty(); }
};

struct RelationSpec {
  std::string name;
  bool many = false;
  std::string table;
  std::vector<std::pair<std::string, Path>> on;  // theirs, ours
  Where where;
  std::vector<std::pair<Path, bool>> order_by;  // path, descending
  std::vector<RelationSpec> relations;          // nested one and many
  int line = 0;
};

struct ValueSpec;
struct MapSpec {
  enum class Columns { kNone, kAll, kOnly, kExcept } columns = Columns::kNone;
  std::vector<std::string> column_names;  // of kOnly and kExcept
  std::vector<std::pair<std::string, ValueSpec>> entries;
  int line = 0;
};
struct ConstantSpec {
  Attribute value;
};
struct ListSpec {
  std::vector<ValueSpec> elements;
};
struct EachSpec {
  Path relation;
  std::shared_ptr<ValueSpec> item;
};
struct AggregateSpec {
  enum class Kind { kCount, kSum, kMin, kMax } kind = Kind::kCount;
  Path path;  // of kCount the relation; of the others relation.PATH
};
struct WithSpec {
  Path relation;
  std::shared_ptr<MapSpec> item;
};
/// {$value: T, map: …, default: V, as: …, null: omit|keep}: map, then as, then default.
struct TypedSpec {
  enum class As { kSame, kString, kNumber, kJson, kBytes };
  Template value;
  std::vector<std::pair<state::Value, Attribute>> map;
  std::optional<Attribute> default_value;
  As as = As::kSame;
  bool keep_null = false;
};
struct ValueSpec {
  std::variant<ConstantSpec, Template, MapSpec, ListSpec, EachSpec, AggregateSpec, WithSpec,
               TypedSpec>
      node;
  int line = 0;
};

struct PagesSpec {
  Path of;
  std::int64_t size = 0, over = 0;
  MapSpec item;
  int line = 0;
};

struct DocumentSpec {
  std::string name;
  std::string table;  // of the target
  std::string root;   // source table
  Where where;
  std::vector<std::string> by;  // one document per distinct value of these columns
  std::vector<RelationSpec> relations;
  MapSpec item;
  std::optional<PagesSpec> pages;
  std::vector<std::string> volatile_names;
  int line = 0, table_line = 0, root_line = 0;
  /// The document's own config text, normalised: what its fingerprint covers.
  std::string source_text;
};

/// One mistake in a config, for the list that is shown at once.
struct Mistake {
  int line = 0;
  std::string key;      // "documents.order.root"
  std::string text;     // what is wrong
  std::string nearest;  // the nearest right name, "" if none is near
};

/// The candidate nearest to `name` by edit distance (case-insensitive), or "" if none is near
/// enough.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace tandem::sink
