#include "sink/dynamodb/service.h"

#include <random>
#include <thread>

namespace tandem::sink {

Service::Service(Session session, std::chrono::seconds patience)
    : session_(std::move(session)),
      http_(session_.http_options(1)),
      backoff_(std::random_device{}()),
      patience_(patience) {}

void Service::exchange_once(std::string_view operation) {
  session_.prepare(exchange_, operation);
  calls_++;
  http_.start(exchange_);
  std::vector<HttpExchange*> finished;
  while (finished.empty()) http_.run(std::chrono::milliseconds(1000), finished);
}

Service::Reply Service::ask(std::string_view operation, std::string body) {
  const auto deadline = std::chrono::steady_clock::now() + patience_;
  exchange_.body = std::move(body);
  for (int attempt = 1;; attempt++) {
    exchange_once(operation);
    if (exchange_.status == 200) return {std::move(exchange_.answer), std::nullopt};
    std::optional<ServiceError> error;
    Verdict verdict = Verdict::kRetry;
    if (exchange_.status != 0) {
      error = read_error(exchange_.status, exchange_.answer);
      verdict = judge(*error);
    }
    if (verdict == Verdict::kExpired && attempt == 1 && session_.reload_credentials()) continue;
    if (verdict != Verdict::kRetry && verdict != Verdict::kThrottled) return {"", error};
    if (verdict == Verdict::kThrottled) throttled_++;
    if (std::chrono::steady_clock::now() > deadline) {
      if (error.has_value()) return {"", error};
      throw state::Error("no answer from DynamoDB: " + exchange_.failure, session_.endpoint().url,
                         "check the network, target.endpoint and target.region");
    }
    retries_++;
    std::this_thread::sleep_for(backoff_.delay(attempt));
  }
}

std::string Service::call(std::string_view operation, std::string body, const std::string& where) {
  Reply reply = ask(operation, std::move(body));
  if (reply.error.has_value()) throw explain(*reply.error, operation, where);
  return std::move(reply.body);
}

}  // namespace tandem::sink
