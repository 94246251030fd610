// What DynamoDB answers, and what is to be done about a refusal.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sink/item.h"
#include "state/error.h"

namespace tandem::sink {

/// A refusal: {"__type": "com.amazonaws…#ValidationException", "message": "…", "Item": {…}}.
struct ServiceError {
  int status = 0;
  std::string type;          // the name alone, "" if the body says none (a proxy's page)
  std::string message;       // the service's words
  std::optional<Item> item;  // of a failed condition: what stands there
};
ServiceError read_error(int status, std::string_view body);

enum class Verdict {
  kThrottled,        // too fast: again later
  kRetry,            // the service's failure: again later
  kConditionFailed,  // expected
  kRejected,         // this request will never be taken
  kExpired,          // the credentials have run out
  kFatal             // no request will be taken
};
Verdict judge(const ServiceError& error);

/// A fatal refusal in words for people, with what to do. Holds no secret: the service's text is
/// left out where it repeats signed headers.
state::Error explain(const ServiceError& error, std::string_view operation,
                     const std::string& where);

/// {"UnprocessedItems": {"T": [{"PutRequest": {"Item": …}} | {"DeleteRequest": {"Key": …}}]}}:
/// table and item (or key) of each.
std::vector<std::pair<std::string, Item>> read_unprocessed(std::string_view body);

/// {"Item": {…}} or {}.
std::optional<Item> read_item_answer(std::string_view body);
/// {"Responses": {"T": [item, …]}, "UnprocessedKeys": {"T": {"Keys": [key, …]}}}
struct BatchGetAnswer {
  std::vector<Item> items, unprocessed_keys;
};
BatchGetAnswer read_batch_get_answer(std::string_view body);
/// {"Items": [item, …], "LastEvaluatedKey": {…}}
struct ScanAnswer {
  std::vector<Item> items;
  std::optional<Item> last_key;
};
ScanAnswer read_scan_answer(std::string_view body);

}  // namespace tandem::sink
