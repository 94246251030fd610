// Where DynamoDB is: the region's own address, or one given in the config (DynamoDB Local,
// LocalStack, a VPC endpoint).
#pragma once

#include <string>

namespace tandem::sink {

struct Endpoint {
  std::string url;     // https://host[:port]/
  std::string host;    // as the header Host says it
  bool local = false;  // on this machine: no credentials needed, no proxy used
  bool encrypted = true;
};

/// `given`: "" for AWS itself, or http(s)://host[:port]. Throws Error for anything else.
Endpoint resolve_endpoint(const std::string& given, const std::string& region);
bool is_local_endpoint(const std::string& given);

}  // namespace tandem::sink
