// What every request to one DynamoDB endpoint needs: address, region, credentials, signature.
// One thread.
#pragma once

#include <ctime>
#include <string>

#include "sink/dynamodb/credentials.h"
#include "sink/dynamodb/endpoint.h"
#include "sink/dynamodb/http_client.h"
#include "sink/dynamodb/signer.h"

namespace tandem::sink {

class Session {
 public:
  /// `endpoint`: "" for AWS; `region`: "" for the environment's.
  Session(const std::string& endpoint, const std::string& region);

  const Endpoint& endpoint() const { return endpoint_; }
  const std::string& region() const { return region_; }
  HttpOptions http_options(std::size_t connections) const;

  /// Sets the headers of an exchange whose body is complete. `operation`: "PutItem".
  void prepare(HttpExchange& exchange, std::string_view operation);
  /// Reads the credentials again, for an answer that says they have expired. False if they are the
  /// same as before.
  bool reload_credentials();

 private:
  std::string region_;
  Endpoint endpoint_;
  Credentials credentials_;
  Signer signer_;
  std::time_t dated_ = 0;
  std::string date_, target_;
};

}  // namespace tandem::sink
