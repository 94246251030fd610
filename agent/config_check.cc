// Holds a parsed config against the source: documents compile, tables can be captured, and the
// documents agree on what types the target's key attributes have.
#include <algorithm>
#include <set>

#include "agent/config.h"
#include "agent/config_node.h"

namespace tandem::agent {
namespace {

using sink::AttributeType;

/// Which document gave an attribute of a target table its type.
struct TypeOrigin {
  AttributeType type = AttributeType::kString;
  std::string document;
};
using AttributeTypes = std::map<std::string, TypeOrigin>;

class Checker {
 public:
  Checker(Config& config, const sink::SchemaLookup& lookup,
          const std::vector<std::string>& known_tables)
      : config_(config), lookup_(lookup), known_tables_(known_tables) {
    types_.resize(config.target.tables.size());
  }

  /// Documents of which a table cannot even be described are left out.
  std::vector<sink::Mistake> run(const std::set<std::string>& unreadable, MistakeList& mistakes) {
    config_.warnings.clear();
    check_source_tables(mistakes);
    std::vector<sink::Mistake> found;
    for (const sink::DocumentSpec& spec : config_.documents) {
      if (uses(spec, unreadable)) continue;
      compile(spec, found, mistakes);
    }
    for (sink::Mistake& mistake : found) {
      // A mistake that knows its key but not its line is shown where the key stands.
      if (mistake.line == 0) mistake.line = config_.line_of(mistake.key);
      mistakes.add(mistake.line, mistake.key, mistake.text, mistake.nearest);
    }
    settle_types();
    return mistakes.take();
  }

 private:
  void check_source_tables(MistakeList& mistakes) {
    for (const auto& [name, request] : config_.source.tables) {
      const std::string key = "source.tables." + name;
      const state::TableSchema* schema = lookup_(name);
      if (schema == nullptr) {
        mistakes.add(config_.line_of(key), key, "the source has no table " + name,
                     sink::nearest_name(name, known_tables_));
        continue;
      }
      std::vector<std::string> columns;
      for (const state::Column& column : schema->columns) columns.push_back(column.name);
      for (const std::string& column : request.key) {
        if (columns.empty() || schema->find(column) >= 0) continue;
        mistakes.add(config_.line_of(key + ".key"), key + ".key",
                     "table " + name + " has no column " + column,
                     sink::nearest_name(column, columns));
      }
    }
  }

  static bool uses(const sink::DocumentSpec& spec, const std::set<std::string>& tables) {
    return tables.contains(spec.root) || use(spec.relations, tables);
  }
  static bool use(const std::vector<sink::RelationSpec>& relations,
                  const std::set<std::string>& tables) {
    return std::any_of(relations.begin(), relations.end(), [&tables](const auto& relation) {
      return tables.contains(relation.table) || use(relation.relations, tables);
    });
  }

  void compile(const sink::DocumentSpec& spec, std::vector<sink::Mistake>& found,
               MistakeList& mistakes) {
    std::vector<sink::TargetTable>& targets = config_.target.tables;
    auto target = std::find_if(targets.begin(), targets.end(),
                               [&spec](const auto& table) { return table.name == spec.table; });
    if (target == targets.end()) return;
    const auto index = static_cast<std::size_t>(target - targets.begin());
    auto document = sink::Document::compile(spec, *target, index, lookup_, known_tables_, found);
    if (document == nullptr) return;
    for (sink::Mistake warning : document->warnings()) {
      if (warning.line == 0) warning.line = config_.line_of(warning.key);
      config_.warnings.push_back(std::move(warning));
    }
    for (const auto& [name, type] : document->attribute_types()) {
      auto [standing, fresh] = types_[index].try_emplace(name, TypeOrigin{type, spec.name});
      if (fresh || standing->second.type == type) continue;
      const std::string key = "documents." + spec.name + ".item." + name;
      mistakes.add(config_.line_of(key), key,
                   std::string("this is ") + type_name(type) + ", but in document " +
                       standing->second.document + " it is " + type_name(standing->second.type) +
                       "; an attribute of a key has one type in all items of a table");
    }
  }

  /// An attribute that no document types is a string: the table must declare something.
  void settle_types() {
    for (std::size_t i = 0; i < types_.size(); ++i) {
      sink::TargetTable& table = config_.target.tables[i];
      auto type_of = [this, i](const std::string& name) {
        auto found = types_[i].find(name);
        return found == types_[i].end() ? AttributeType::kString : found->second.type;
      };
      table.key_types.clear();
      for (const std::string& name : table.key) table.key_types.push_back(type_of(name));
      table.index_types.clear();
      std::set<std::string> seen;
      for (const sink::TargetIndex& index : table.indexes) {
        for (const std::string& name : index.key) {
          if (seen.insert(name).second) table.index_types.emplace_back(name, type_of(name));
        }
      }
    }
  }

  Config& config_;
  const sink::SchemaLookup& lookup_;
  const std::vector<std::string>& known_tables_;
  std::vector<AttributeTypes> types_;  // of each target table
};

/// Notes the first place at which documents use a table that cannot be captured.
class RefusalReporter {
 public:
  RefusalReporter(const capture::Catalog& catalog, MistakeList& mistakes)
      : catalog_(catalog), mistakes_(mistakes) {}

  void report(const sink::DocumentSpec& spec) {
    const std::string key = "documents." + spec.name;
    report_table(spec.root, spec.root_line, key + ".root");
    report_relations(spec.relations, key);
  }

 private:
  void report_relations(const std::vector<sink::RelationSpec>& relations, const std::string& at) {
    for (const sink::RelationSpec& relation : relations) {
      const std::string key = at + (relation.many ? ".many." : ".one.") + relation.name;
      report_table(relation.table, relation.line, key);
      report_relations(relation.relations, key);
    }
  }

  void report_table(const std::string& name, int line, const std::string& key) {
    const capture::CatalogTable* table = catalog_.find(name);
    if (table == nullptr || table->refusal.empty() || !reported_.insert(name).second) return;
    mistakes_.add(line, key, "table " + name + " cannot be captured: " + table->refusal);
  }

  const capture::Catalog& catalog_;
  MistakeList& mistakes_;
  std::set<std::string> reported_;
};

}  // namespace

std::vector<sink::Mistake> check_config(Config& config, const sink::SchemaLookup& lookup,
                                        const std::vector<std::string>& known_tables) {
  MistakeList mistakes;
  return Checker(config, lookup, known_tables).run({}, mistakes);
}

std::vector<sink::Mistake> check_config(Config& config, const capture::Catalog& catalog) {
  MistakeList mistakes;
  std::map<std::string, state::TableSchema> schemas;
  std::vector<std::string> known_tables;
  std::set<std::string> unreadable;
  for (const capture::CatalogTable& table : catalog.tables) {
    state::TableSchema schema = table.schema;
    if (schema.columns.empty()) unreadable.insert(schema.name);
    if (table.refusal.empty()) known_tables.push_back(schema.name);
    // A refused table has no key; with any key its columns can be checked all the same.
    if (schema.key.empty() && !schema.columns.empty()) schema.key = {0};
    schemas.emplace(schema.name, std::move(schema));
  }
  RefusalReporter refusals(catalog, mistakes);
  for (const sink::DocumentSpec& spec : config.documents) refusals.report(spec);
  sink::SchemaLookup lookup = [&schemas](const std::string& name) -> const state::TableSchema* {
    auto found = schemas.find(name);
    return found == schemas.end() ? nullptr : &found->second;
  };
  return Checker(config, lookup, known_tables).run(unreadable, mistakes);
}

}  // namespace tandem::agent
