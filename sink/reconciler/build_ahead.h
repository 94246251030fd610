// Builds the next roots of a full pass on a thread of its own, while the round before them is
// recorded and sent.
//
// Promise: what take() returns is what Builder::build_range() would build at that position of the
// replica; what was built at another one is thrown away. Memory: one range. Threads: ask() and
// take() are called by one thread. Errors: a build that fails is not returned, so that the caller's
// own build meets the error.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sink/builder.h"
#include "state/replica.h"

namespace tandem::sink {

class BuildAhead {
 public:
  struct Range {
    std::vector<std::pair<std::string, BuiltDocument>> documents;  // by root
    std::string next;  // as Builder::build_range() returns it
  };

  BuildAhead(std::string replica_path, std::string own_attribute);
  ~BuildAhead();

  /// Begins to build the roots after `after`, at most `limit`. What was asked before is forgotten.
  void ask(std::shared_ptr<const Document> document, std::string after, std::size_t limit,
           const state::ReplicaPosition& position);
  /// The range that was asked for last, if it was exactly this one; waits until it is built.
  std::optional<Range> take(const std::shared_ptr<const Document>& document,
                            const std::string& after, const state::ReplicaPosition& position);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::sink
