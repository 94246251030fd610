// Records of the change log as text: a line for people, or one JSON object a line for machines.
#pragma once

#include <string>
#include <unordered_map>

#include "state/record.h"

namespace tandem::agent {

/// Remembers schemas as they pass by, so that rows are shown with their columns' names. One thread.
class RecordText {
 public:
  /// What is known before the first record (the replica's tables).
  void know(const state::TableSchema& schema) { schemas_[schema.name] = schema; }
  /// The table that the record is about, "" for none.
  static std::string table_of(const state::Batch& batch, const state::Record& record);
  /// Does the record touch a row with this key, its values given as text?
  bool has_key(const state::Batch& batch, const state::Record& record,
               const std::vector<std::string>& key) const;
  void pass(const state::Record& record);  // learns a schema
  std::string line(const state::Batch& batch, std::size_t index) const;
  std::string json(const state::Batch& batch, std::size_t index) const;

 private:
  const state::TableSchema* schema(const std::string& table) const;
  std::unordered_map<std::string, state::TableSchema> schemas_;
};

}  // namespace tandem::agent
