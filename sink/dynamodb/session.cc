#include "sink/dynamodb/session.h"

namespace tandem::sink {
namespace {

constexpr std::string_view kContentType = "application/x-amz-json-1.0";

void set_header(std::string& header, std::string_view name, std::string_view value) {
  header.assign(name);
  header += ": ";
  header += value;
}

}  // namespace

Session::Session(const std::string& endpoint, const std::string& region)
    : region_(resolve_region(region, process_environment, is_local_endpoint(endpoint))),
      endpoint_(resolve_endpoint(endpoint, region_)),
      credentials_(load_credentials(process_environment, endpoint_.local)),
      signer_(region_, "dynamodb") {}

HttpOptions Session::http_options(std::size_t connections) const {
  HttpOptions options;
  options.url = endpoint_.url;
  options.connections = connections;
  options.use_proxy = !endpoint_.local;
  return options;
}

void Session::prepare(HttpExchange& exchange, std::string_view operation) {
  const std::time_t now = std::time(nullptr);
  if (now != dated_) {
    date_ = Signer::format_date(now);
    dated_ = now;
  }
  target_ = "DynamoDB_20120810.";
  target_ += operation;
  Signer::Headers headers = {
      {"content-type", kContentType}, {"host", endpoint_.host}, {"x-amz-date", date_}};
  if (!credentials_.session_token.empty()) {
    headers.emplace_back("x-amz-security-token", credentials_.session_token);
  }
  headers.emplace_back("x-amz-target", target_);
  const std::string& authorization =
      signer_.sign(credentials_, "POST", headers, exchange.body, date_);

  const bool token = !credentials_.session_token.empty();
  exchange.headers.resize(token ? 8 : 7);
  set_header(exchange.headers[0], "Host", endpoint_.host);
  set_header(exchange.headers[1], "Content-Type", kContentType);
  set_header(exchange.headers[2], "X-Amz-Date", date_);
  set_header(exchange.headers[3], "X-Amz-Target", target_);
  set_header(exchange.headers[4], "Authorization", authorization);
  exchange.headers[5] = "Expect:";  // no question before a large body
  exchange.headers[6] = "Accept:";
  if (token) set_header(exchange.headers[7], "X-Amz-Security-Token", credentials_.session_token);
}

bool Session::reload_credentials() {
  Credentials fresh = load_credentials(process_environment, endpoint_.local);
  const bool changed = fresh.access_key != credentials_.access_key ||
                       fresh.secret_key != credentials_.secret_key ||
                       fresh.session_token != credentials_.session_token;
  credentials_ = std::move(fresh);
  return changed;
}

}  // namespace tandem::sink
