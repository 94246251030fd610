// One DynamoDB call at a time: send, wait for the answer, try again while that may help.
//
// Threads: one. Errors: Error when the service cannot be reached or does not answer within
// `patience`, and for refusals by call(); ask() hands refusals back. Once a stop is asked for,
// nothing is repeated, and what has no answer a second later ends by TargetStopped.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "sink/dynamodb/answer.h"
#include "sink/dynamodb/backoff.h"
#include "sink/dynamodb/session.h"

namespace tandem::sink {

class Service {
 public:
  explicit Service(Session session, std::chrono::seconds patience = std::chrono::seconds(30));

  void set_stop(std::stop_token stop) { stop_ = std::move(stop); }

  struct Reply {
    std::string body;                   // when it was taken
    std::optional<ServiceError> error;  // when it was refused for good
  };
  Reply ask(std::string_view operation, std::string body);
  /// `where`: what the call is about, for the Error.
  std::string call(std::string_view operation, std::string body, const std::string& where);

  /// Waits between two calls. Throws TargetStopped as soon as a stop is asked for.
  void pause(std::chrono::milliseconds time);
  std::chrono::seconds patience() const { return patience_; }

  const Endpoint& endpoint() const { return session_.endpoint(); }
  const std::string& region() const { return session_.region(); }
  std::int64_t calls() const { return calls_; }
  std::int64_t throttled() const { return throttled_; }
  std::int64_t retries() const { return retries_; }

 private:
  using Clock = std::chrono::steady_clock;

  void exchange_once(std::string_view operation);
  bool grace_is_over();
  [[noreturn]] void end_stopped() const;

  Session session_;
  HttpExchange exchange_;
  std::unique_ptr<HttpClient> http_;  // after exchange_: what is in flight points there
  Backoff backoff_;
  std::chrono::seconds patience_;
  std::stop_token stop_;
  std::optional<Clock::time_point> stop_seen_;
  std::int64_t calls_ = 0, throttled_ = 0, retries_ = 0;
};

}  // namespace tandem::sink
