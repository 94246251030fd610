// One write request on its way: a single item, or a batch of a first load.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "sink/dynamodb/http_client.h"
#include "sink/target.h"

namespace tandem::sink {

/// A submitted write until its outcome.
struct Job {
  Write write;
  std::size_t bytes = 0;  // of its item
};

struct WriteCall {
  enum class Kind {
    kConditional,    // one job: PutItem or DeleteItem with the condition
    kUnconditional,  // one job of a batch that was refused
    kBatch,          // up to kBatchItems jobs of one table
    kStanding        // one job whose condition failed without saying on what: GetItem
  };
  Kind kind = Kind::kConditional;
  std::size_t table = 0;
  std::vector<Job> jobs;
  std::optional<Attribute> seen;  // our attribute as it stands there, unreadable: replace just that
  int attempts = 0;
  std::chrono::steady_clock::time_point due;  // of the next attempt
  HttpExchange exchange;
};

inline constexpr std::size_t kBatchItems = 25;
/// Of items; well below the service's 16 MB of text, and enough to keep requests few.
inline constexpr std::size_t kBatchBytes = 2U << 20U;

}  // namespace tandem::sink
