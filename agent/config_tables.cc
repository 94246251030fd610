// What a config asks of its source, and which of it this version cannot run yet.
#include "agent/config.h"

namespace tandem::agent {
namespace {

void gather_tables(const std::vector<sink::RelationSpec>& relations,
                   std::map<std::string, capture::TableRequest>& tables) {
  for (const sink::RelationSpec& relation : relations) {
    tables[relation.table].name = relation.table;
    gather_tables(relation.relations, tables);
  }
}

}  // namespace

std::vector<capture::TableRequest> captured_tables(const Config& config) {
  std::map<std::string, capture::TableRequest> tables;
  for (const sink::DocumentSpec& document : config.documents) {
    tables[document.root].name = document.root;
    gather_tables(document.relations, tables);
  }
  std::vector<capture::TableRequest> requests;
  for (const auto& [name, request] : tables) {
    auto settings = config.source.tables.find(name);
    requests.push_back(settings != config.source.tables.end() ? settings->second : request);
  }
  return requests;
}

}  // namespace tandem::agent
