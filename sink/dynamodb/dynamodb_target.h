// Amazon DynamoDB, DynamoDB Local or LocalStack as the target.
//
// Delivery promise and threads are Target's. Writes go out from a thread of the target's own, up to
// `connections` at once; unconditional ones in batches. Throttled and lost requests are repeated
// with jittered exponential backoff for as long as it takes; when nothing at all has come through
// for `patience`, wait() throws, and what had no outcome may or may not have been written. A write
// that finds its own stamp at the target had arrived, and is done.
//
// An unconditional batch whose answer was lost may still be carried out. Its items are sent again
// one by one, with the condition and `late_batch` later, so that what stands there by then is seen
// before a newer version can be submitted. What is left: a batch carried out even later than that,
// or one whose sender was killed, may put an item of the first load over a newer one; `verify`
// finds it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "sink/target.h"

namespace tandem::sink {

struct DynamodbOptions {
  std::string region;            // "": AWS_REGION, AWS_DEFAULT_REGION, or the profile's
  std::string endpoint;          // "": AWS itself
  std::size_t connections = 32;  // requests in flight; more helps far from the region
  std::chrono::seconds patience{300};
  std::chrono::milliseconds late_batch{5'000};  // how late a batch without an answer may arrive
};

/// Reads credentials and resolves the endpoint; sends nothing yet.
std::unique_ptr<Target> open_dynamodb_target(const DynamodbOptions& options,
                                             std::vector<TargetTable> tables,
                                             TargetOptions target_options);

}  // namespace tandem::sink
