// The tables at DynamoDB: making what is missing, and comparing what is there with what is wanted.
//
// One thread. Errors: Error of the service; a table that stands in the way with another key.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sink/dynamodb/service.h"
#include "sink/target.h"

namespace tandem::sink {

class Tables {
 public:
  Tables(Service& service, const std::vector<TargetTable>& tables, const TargetOptions& options);

  std::vector<std::string> create_missing(const std::function<void(const std::string&)>& say);
  std::vector<TargetFinding> check(CheckDepth depth);

 private:
  void create(const TargetTable& table);
  void add_indexes(const TargetTable& table, const std::function<void(const std::string&)>& say);
  void turn_on_ttl(const TargetTable& table, const std::function<void(const std::string&)>& say);
  void check_table(const TargetTable& table, CheckDepth depth,
                   std::vector<TargetFinding>& findings);
  void check_ttl(const TargetTable& table, std::vector<TargetFinding>& findings);
  void check_permissions(const TargetTable& table, std::vector<TargetFinding>& findings);

  Service& service_;
  const std::vector<TargetTable>& tables_;
  const TargetOptions& options_;
};

}  // namespace tandem::sink
