// Whether anything has changed at the server that capture must look at: the captured tables'
// columns, keys, identities, partitions and files, and what the publications publish of them.
//
// One query that costs the server little, so that it can be asked every second. One thread. Errors:
// those of the connection.
#pragma once

#include <string>
#include <vector>

#include "capture/postgres/connection.h"
#include "capture/source.h"

namespace tandem::capture::postgres {

class CatalogWatch {
 public:
  CatalogWatch(const std::vector<TableRequest>& tables, const std::string& publication);

  /// True on the first call, and whenever the catalog is not as it was at the last.
  bool changed(Connection& connection);
  /// The next call is as the first.
  void forget() { last_.clear(); }

 private:
  std::string names_, last_parts_, publications_;  // arrays as the server reads them
  std::string last_;
};

}  // namespace tandem::capture::postgres
