// `documents`: roots, relations and pages.
#include <algorithm>
#include <set>

#include "agent/config_parts.h"
#include "agent/config_reader.h"

namespace tandem::agent {
namespace {

/// A column's name where no path may stand; an odd one may be in brackets as in a path.
std::optional<std::string> read_column(const ConfigNode& node, MistakeList& mistakes) {
  auto name = read_name(node, mistakes);
  if (!name || name->front() != '[') return name;
  auto path = read_path(node, mistakes);
  if (!path) return std::nullopt;
  if (path->segments.size() == 1) return path->segments[0];
  mistakes.add(node, "must be a column of the related table, not a path");
  return std::nullopt;
}

class DocumentReader {
 public:
  explicit DocumentReader(MistakeList& mistakes) : mistakes_(mistakes) {}

  sink::DocumentSpec read(const ConfigNode& name, const ConfigNode& node,
                          const TargetConfig& target) {
    sink::DocumentSpec document;
    document.name = name.text;
    document.line = name.line;
    document.source_text = normalised(node);
    MapReader map(node, kDocumentShape, mistakes_);
    if (!map) return document;
    if (const ConfigNode* table = map.require("table")) read_table(*table, target, document);
    if (const ConfigNode* root = map.require("root")) read_root(*root, document);
    read_relations(map, document.relations);
    if (const ConfigNode* item = map.require("item")) {
      document.item = read_map(*item, mistakes_);
      check_attributes(*item, target);
    }
    if (const ConfigNode* pages = map.find("pages")) read_pages(*pages, target, document);
    if (const ConfigNode* names = map.find("volatile")) {
      document.volatile_names = read_names(*names, "attributes", mistakes_);
    }
    return document;
  }

 private:
  void read_table(const ConfigNode& node, const TargetConfig& target,
                  sink::DocumentSpec& document) {
    document.table_line = node.line;
    document.table = read_name(node, mistakes_).value_or("");
    if (document.table.empty()) return;
    std::vector<std::string> known;
    for (const sink::TargetTable& table : target.tables) known.push_back(table.name);
    if (std::find(known.begin(), known.end(), document.table) != known.end()) return;
    mistakes_.add(node, "target.tables declares no table " + shown(node),
                  sink::nearest_name(document.table, known));
  }

  void read_root(const ConfigNode& node, sink::DocumentSpec& document) {
    document.root_line = node.line;
    if (!node.is_map()) {
      document.root = read_name(node, mistakes_).value_or("");
      return;
    }
    MapReader map(node, kRootShape, mistakes_);
    if (const ConfigNode* table = map.require("table")) {
      document.root_line = table->line;
      document.root = read_name(*table, mistakes_).value_or("");
    }
    if (const ConfigNode* where = map.find("where")) {
      document.where = read_where(*where, mistakes_);
    }
    if (const ConfigNode* by = map.find("by")) document.by = read_names(*by, "columns", mistakes_);
  }

  void read_relations(const MapReader& map, std::vector<sink::RelationSpec>& relations) {
    for (const bool many : {false, true}) {
      const ConfigNode* node = map.find(many ? "many" : "one");
      if (node == nullptr || !expect_map(*node, "of relations", mistakes_)) continue;
      for (const auto& [name, settings] : node->entries) {
        check_relation_name(name);
        relations.push_back(read_relation(name, settings, many));
      }
    }
  }

  void check_relation_name(const ConfigNode& name) {
    if (name.text.empty()) {
      mistakes_.add(name, "a relation needs a name");
    } else if (name.text == "root") {
      mistakes_.add(name, "root is the document's own row; name the relation otherwise");
    } else if (!relation_names_.insert(name.text).second) {
      mistakes_.add(name, "another relation of this document has this name");
    }
  }

  sink::RelationSpec read_relation(const ConfigNode& name, const ConfigNode& node, bool many) {
    sink::RelationSpec relation;
    relation.name = name.text;
    relation.many = many;
    relation.line = name.line;
    MapReader map(node, many ? kManyShape : kOneShape, mistakes_);
    if (!map) return relation;
    if (const ConfigNode* table = map.require("table")) {
      relation.table = read_name(*table, mistakes_).value_or("");
    }
    if (const ConfigNode* on = map.require("on")) read_on(*on, relation);
    if (const ConfigNode* where = map.find("where")) {
      relation.where = read_where(*where, mistakes_);
    }
    if (many) {
      if (const ConfigNode* order_by = map.find("order_by")) read_order(*order_by, relation);
    }
    read_relations(map, relation.relations);
    return relation;
  }

  /// X, or {THEIRS: OURS, …}: their columns, our paths.
  void read_on(const ConfigNode& node, sink::RelationSpec& relation) {
    if (node.is_scalar()) {
      auto column = read_column(node, mistakes_);
      if (column) relation.on.push_back({*column, sink::Path{{*column}, node.line}});
      return;
    }
    if (!node.is_map()) {
      mistakes_.add(node, "must be a column, or {THEIRS: OURS} with more pairs for more columns");
      return;
    }
    if (node.entries.empty()) mistakes_.add(node, "must hold at least one pair {THEIRS: OURS}");
    for (const auto& [theirs, ours] : node.entries) {
      auto column = read_column(theirs, mistakes_);
      auto path = read_path(ours, mistakes_);
      if (column && path) relation.on.emplace_back(std::move(*column), std::move(*path));
    }
  }

  void read_order(const ConfigNode& node, sink::RelationSpec& relation) {
    if (!expect_list(node, "columns, -COLUMN for descending", mistakes_)) return;
    for (const ConfigNode& element : node.elements) {
      ConfigNode path = element;
      const bool descending = path.is_scalar() && path.text.starts_with("-");
      if (descending) path.text.erase(0, 1);
      if (descending && path.written.starts_with("-")) path.written.erase(0, 1);
      if (auto parsed = read_path(path, mistakes_)) {
        relation.order_by.emplace_back(std::move(*parsed), descending);
      }
    }
  }

  void read_pages(const ConfigNode& node, const TargetConfig& target,
                  sink::DocumentSpec& document) {
    MapReader map(node, kPagesShape, mistakes_);
    if (!map) return;
    sink::PagesSpec pages;
    pages.line = node.line;
    if (const ConfigNode* of = map.require("of")) {
      if (auto path = read_path(*of, mistakes_)) pages.of = std::move(*path);
    }
    if (const ConfigNode* size = map.require("size")) {
      pages.size = read_whole(*size, 1, mistakes_).value_or(1);
    }
    if (const ConfigNode* over = map.require("over")) {
      pages.over = read_whole(*over, 0, mistakes_).value_or(0);
    }
    if (const ConfigNode* item = map.require("item")) {
      pages.item = read_map(*item, mistakes_);
      check_attributes(*item, target);
    }
    document.pages = std::move(pages);
  }

  /// Our own attributes are not the documents' to set.
  void check_attributes(const ConfigNode& item, const TargetConfig& target) {
    const std::string& own = target.options.attribute;
    for (const auto& [name, value] : item.entries) {
      if (name.text == own || name.text == own + "_ttl") {
        mistakes_.add(name, "this attribute is Tandem's own; name another by target.attribute");
      }
    }
  }

  MistakeList& mistakes_;
  std::set<std::string> relation_names_;
};

}  // namespace

void read_documents(const ConfigNode& node, const TargetConfig& target,
                    std::vector<sink::DocumentSpec>& documents, MistakeList& mistakes) {
  if (!expect_map(node, "of documents", mistakes)) return;
  if (node.entries.empty()) mistakes.add(node, "must declare at least one document");
  for (const auto& [name, document] : node.entries) {
    if (name.text.empty() || name.text.find('/') != std::string::npos) {
      mistakes.add(name, "a document needs a name, without a slash: items carry PIPELINE/DOCUMENT");
    }
    documents.push_back(DocumentReader(mistakes).read(name, document, target));
  }
}

}  // namespace tandem::agent
