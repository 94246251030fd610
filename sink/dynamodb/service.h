// One DynamoDB call at a time: send, wait for the answer, try again while that may help.
//
// Threads: one. Errors: Error when the service cannot be reached or does not answer within
// `patience`, and for refusals by call(); ask() hands refusals back.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "sink/dynamodb/answer.h"
#include "sink/dynamodb/backoff.h"
#include "sink/dynamodb/session.h"

namespace tandem::sink {

class Service {
 public:
  explicit Service(Session session, std::chrono::seconds patience = std::chrono::seconds(30));

  struct Reply {
    std::string body;                   // when it was taken
    std::optional<ServiceError> error;  // when it was refused for good
  };
  Reply ask(std::string_view operation, std::string body);
  /// `where`: what the call is about, for the Error.
  std::string call(std::string_view operation, std::string body, const std::string& where);

  const Endpoint& endpoint() const { return session_.endpoint(); }
  const std::string& region() const { return session_.region(); }
  std::int64_t calls() const { return calls_; }
  std::int64_t throttled() const { return throttled_; }
  std::int64_t retries() const { return retries_; }

 private:
  void exchange_once(std::string_view operation);

  Session session_;
  HttpClient http_;
  HttpExchange exchange_;
  Backoff backoff_;
  std::chrono::seconds patience_;
  std::int64_t calls_ = 0, throttled_ = 0, retries_ = 0;
};

}  // namespace tandem::sink
