#include "sink/dynamodb/answer.h"

#include <algorithm>
#include <array>

#include "sink/item_reader.h"

namespace tandem::sink {
namespace {

using Names = std::initializer_list<std::string_view>;

bool is_one_of(std::string_view name, Names names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Reads an answer; malformed ones are an Error of the endpoint, not an invalid item.
template <typename Read>
void read_answer(std::string_view body, Read&& read) {
  try {
    JsonReader reader(body);
    read(reader);
    reader.end();
  } catch (const InvalidItem& invalid) {
    throw state::Error("an answer that is none of DynamoDB's: " + invalid.message(),
                       "the endpoint, " + invalid.where(),
                       "check target.endpoint and what stands between");
  }
}

std::vector<Item> read_items(JsonReader& reader) {
  std::vector<Item> items;
  reader.array([&] { items.push_back(read_dynamodb_item(reader)); });
  return items;
}

}  // namespace

ServiceError read_error(int status, std::string_view body) {
  ServiceError error;
  error.status = status;
  try {
    JsonReader reader(body);
    reader.object([&](const std::string& name) {
      if (name == "__type") {
        error.type = reader.string();
      } else if ((name == "message" || name == "Message") && reader.peek() == '"') {
        error.message = reader.string();
      } else if (name == "Item" && reader.peek() == '{') {
        error.item = read_dynamodb_item(reader);
      } else {
        reader.skip();
      }
    });
  } catch (const InvalidItem&) {
    // Not the service's own words, but a proxy's or a load balancer's: the status has to do.
    error.type.clear();
    error.item.reset();
  }
  if (std::size_t hash = error.type.rfind('#'); hash != std::string::npos) {
    error.type.erase(0, hash + 1);
  }
  return error;
}

Verdict judge(const ServiceError& error) {
  const std::string& type = error.type;
  if (type == "ConditionalCheckFailedException") return Verdict::kConditionFailed;
  if (is_one_of(type,
                {"ProvisionedThroughputExceededException", "ThrottlingException", "Throttling",
                 "RequestLimitExceeded", "TooManyRequestsException", "RequestThrottled",
                 "RequestThrottledException", "SlowDown", "LimitExceededException"})) {
    return Verdict::kThrottled;
  }
  if (is_one_of(type, {"InternalServerError", "InternalFailure", "InternalFailureException",
                       "ServiceUnavailable", "ServiceUnavailableException", "RequestTimeout",
                       "RequestTimeoutException", "TransactionConflictException",
                       "TransactionInProgressException", "ReplicatedWriteConflictException"})) {
    return Verdict::kRetry;
  }
  if (is_one_of(type, {"ExpiredTokenException", "ExpiredToken"})) return Verdict::kExpired;
  if (is_one_of(type, {"ValidationException", "SerializationException",
                       "ItemCollectionSizeLimitExceededException"})) {
    return Verdict::kRejected;
  }
  if (error.status == 429) return Verdict::kThrottled;
  if (error.status >= 500) return Verdict::kRetry;
  if (error.status == 413) return Verdict::kRejected;
  return Verdict::kFatal;
}

state::Error explain(const ServiceError& error, std::string_view operation,
                     const std::string& where) {
  const std::string did = "DynamoDB refused " + std::string(operation);
  const std::string& type = error.type;
  if (is_one_of(type, {"AccessDeniedException", "AccessDenied", "NotAuthorized"})) {
    return {did + ": " + error.message, where,
            "give this identity the permission dynamodb:" + std::string(operation)};
  }
  if (is_one_of(type, {"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId",
                       "MissingAuthenticationTokenException", "MissingAuthenticationToken"})) {
    return {did + ": the access key is unknown there", where,
            "check AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN or AWS_PROFILE, and the region"};
  }
  if (is_one_of(type, {"InvalidSignatureException", "SignatureDoesNotMatch",
                       "IncompleteSignatureException", "RequestExpired", "RequestTimeTooSkewed"})) {
    return {did + ": the signature is not accepted (" + type + ")", where,
            "check AWS_SECRET_ACCESS_KEY, the region, and this machine's clock"};
  }
  if (is_one_of(type, {"ExpiredTokenException", "ExpiredToken"})) {
    return {did + ": the credentials have expired", where, "renew them and start again"};
  }
  if (type == "ResourceNotFoundException") {
    return {did + ": there is no such table", where,
            "run tandem init, and check the region and the endpoint"};
  }
  if (type.empty()) {
    return {did + " with HTTP status " + std::to_string(error.status), where,
            "check that target.endpoint is a DynamoDB endpoint"};
  }
  return {did + ": " + type + (error.message.empty() ? "" : ": " + error.message), where,
          "see the DynamoDB API reference for this error"};
}

std::vector<std::pair<std::string, Item>> read_unprocessed(std::string_view body) {
  std::vector<std::pair<std::string, Item>> items;
  read_answer(body, [&](JsonReader& reader) {
    reader.object([&](const std::string& member) {
      if (member != "UnprocessedItems") return reader.skip();
      reader.object([&](const std::string& table) {
        reader.array([&] {
          reader.object([&](const std::string&) {    // PutRequest, DeleteRequest
            reader.object([&](const std::string&) {  // Item, Key
              items.emplace_back(table, read_dynamodb_item(reader));
            });
          });
        });
      });
    });
  });
  return items;
}

std::optional<Item> read_item_answer(std::string_view body) {
  std::optional<Item> item;
  read_answer(body, [&](JsonReader& reader) {
    reader.object([&](const std::string& member) {
      if (member != "Item") return reader.skip();
      item = read_dynamodb_item(reader);
    });
  });
  return item;
}

BatchGetAnswer read_batch_get_answer(std::string_view body) {
  BatchGetAnswer answer;
  auto append = [](std::vector<Item> items, std::vector<Item>& to) {
    std::move(items.begin(), items.end(), std::back_inserter(to));
  };
  read_answer(body, [&](JsonReader& reader) {
    reader.object([&](const std::string& member) {
      if (member == "Responses") {
        reader.object([&](const std::string&) { append(read_items(reader), answer.items); });
      } else if (member == "UnprocessedKeys") {
        reader.object([&](const std::string&) {
          reader.object([&](const std::string& part) {
            if (part != "Keys") return reader.skip();
            append(read_items(reader), answer.unprocessed_keys);
          });
        });
      } else {
        reader.skip();
      }
    });
  });
  return answer;
}

ScanAnswer read_scan_answer(std::string_view body) {
  ScanAnswer answer;
  read_answer(body, [&](JsonReader& reader) {
    reader.object([&](const std::string& member) {
      if (member == "Items") {
        answer.items = read_items(reader);
      } else if (member == "LastEvaluatedKey" && reader.peek() == '{') {
        answer.last_key = read_dynamodb_item(reader);
      } else {
        reader.skip();
      }
    });
  });
  return answer;
}

}  // namespace tandem::sink
