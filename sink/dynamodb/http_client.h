// Many HTTP requests in flight over kept-alive connections (libcurl's multi interface).
//
// Promise: a started exchange comes back exactly once, finished, from run(); either with an HTTP
// status and a body, or with the reason why there is none (then the request may or may not have
// arrived). Threads: all calls on one thread, but wake(). Errors: Error if libcurl cannot be used.
// What `may_send` throws is kept for refusal(): exchanges that it stopped come back as refused.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tandem::sink {

struct HttpExchange {
  std::vector<std::string> headers;  // "Name: value"
  std::string body;

  int status = 0;        // 0: no answer
  std::string answer;    // the answer's body
  std::string failure;   // why there is no answer, for people
  bool refused = false;  // nothing was sent: the request has certainly not arrived
};

struct HttpOptions {
  std::string url;
  std::size_t connections = 32;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds timeout{30'000};
  bool use_proxy = true;  // the environment's
  std::size_t largest_answer = 64U << 20U;
  std::function<void()> may_send;  // asked before each request, once its connection stands
};

class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();  // what is in flight is dropped
  HttpClient(const HttpClient&) = delete;

  /// How many more exchanges may be started now.
  std::size_t room() const;
  std::size_t in_flight() const;
  /// The exchange must stay where it is until run() gives it back.
  void start(HttpExchange& exchange);
  /// Moves bytes, waiting up to `wait` for something to move, and appends finished exchanges.
  void run(std::chrono::milliseconds wait, std::vector<HttpExchange*>& finished);
  /// What `may_send` has thrown last; null if it never did.
  std::exception_ptr refusal() const;
  /// Ends the waiting of run() early. From any thread.
  void wake();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::sink
