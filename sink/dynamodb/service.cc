#include "sink/dynamodb/service.h"

#include <random>

#include "sink/target.h"
#include "state/rest.h"

namespace tandem::sink {
namespace {

constexpr std::chrono::milliseconds kStep{100};  // a stop is seen this soon
constexpr std::chrono::milliseconds kGrace{1'000};

}  // namespace

Service::Service(Session session, std::chrono::seconds patience)
    : session_(std::move(session)),
      http_(std::make_unique<HttpClient>(session_.http_options(1))),
      backoff_(std::random_device{}()),
      patience_(patience) {}

/// A target that answers lets a clean stop finish what it reads; one that doesn't must not hold it.
bool Service::grace_is_over() {
  if (!stop_.stop_requested()) return false;
  if (!stop_seen_.has_value()) stop_seen_ = Clock::now();
  return Clock::now() - *stop_seen_ >= kGrace;
}

void Service::end_stopped() const {
  throw TargetStopped("stopped before DynamoDB had answered", session_.endpoint().url,
                      "start it again");
}

void Service::pause(std::chrono::milliseconds time) {
  state::rest(time, stop_);
  if (stop_.stop_requested()) end_stopped();
}

void Service::exchange_once(std::string_view operation) {
  if (grace_is_over()) end_stopped();
  session_.prepare(exchange_, operation);
  calls_++;
  http_->start(exchange_);
  std::vector<HttpExchange*> finished;
  while (finished.empty()) {
    http_->run(kStep, finished);
    if (finished.empty() && grace_is_over()) {
      http_ = std::make_unique<HttpClient>(session_.http_options(1));
      end_stopped();
    }
  }
}

Service::Reply Service::ask(std::string_view operation, std::string body) {
  const auto deadline = Clock::now() + patience_;
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
    if (Clock::now() > deadline) {
      if (error.has_value()) return {"", error};
      throw state::Error("no answer from DynamoDB: " + exchange_.failure, session_.endpoint().url,
                         "check the network, target.endpoint and target.region");
    }
    retries_++;
    pause(backoff_.delay(attempt));
  }
}

std::string Service::call(std::string_view operation, std::string body, const std::string& where) {
  Reply reply = ask(operation, std::move(body));
  if (reply.error.has_value()) throw explain(*reply.error, operation, where);
  return std::move(reply.body);
}

}  // namespace tandem::sink
