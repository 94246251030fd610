#include "sink/dynamodb/endpoint.h"

#include <string_view>

#include "state/error.h"

namespace tandem::sink {
namespace {

struct Parts {
  std::string scheme, host, port;
};

Parts split(const std::string& given) {
  // The text is not repeated: it may hold a password.
  auto wrong = []() -> state::Error {
    return {"not the address of an endpoint", "target.endpoint",
            "write it as http://127.0.0.1:8000 or https://host"};
  };
  Parts parts;
  std::size_t colon = given.find("://");
  if (colon == std::string::npos) throw wrong();
  parts.scheme = given.substr(0, colon);
  if (parts.scheme != "http" && parts.scheme != "https") throw wrong();
  std::string rest = given.substr(colon + 3);
  if (!rest.empty() && rest.back() == '/') rest.pop_back();
  if (rest.empty() || rest.find_first_of("/?#@ \\\r\n\t") != std::string::npos) throw wrong();
  std::size_t bracket = rest.find(']');  // of an IPv6 address
  std::size_t port = rest.find(':', bracket == std::string::npos ? 0 : bracket);
  parts.host = rest.substr(0, port);
  if (port != std::string::npos) {
    parts.port = rest.substr(port + 1);
    if (parts.port.empty() || parts.port.find_first_not_of("0123456789") != std::string::npos) {
      throw wrong();
    }
  }
  if (parts.host.empty()) throw wrong();
  return parts;
}

bool is_local(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host.rfind("127.", 0) == 0;
}

}  // namespace

bool is_local_endpoint(const std::string& given) {
  return !given.empty() && is_local(split(given).host);
}

Endpoint resolve_endpoint(const std::string& given, const std::string& region) {
  Endpoint endpoint;
  if (given.empty()) {
    const bool china = region.rfind("cn-", 0) == 0;
    endpoint.host = "dynamodb." + region + ".amazonaws.com" + (china ? ".cn" : "");
    endpoint.url = "https://" + endpoint.host + "/";
    return endpoint;
  }
  Parts parts = split(given);
  endpoint.local = is_local(parts.host);
  endpoint.encrypted = parts.scheme == "https";
  endpoint.host = parts.host;
  const char* usual = endpoint.encrypted ? "443" : "80";
  if (!parts.port.empty() && parts.port != usual) endpoint.host += ":" + parts.port;
  endpoint.url = parts.scheme + "://" + endpoint.host + "/";
  return endpoint;
}

}  // namespace tandem::sink
