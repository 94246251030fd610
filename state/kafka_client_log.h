// What librdkafka says by itself, each thing once and without secrets.
//
// Promise: a line that was told is not told again for a minute, whatever numbers it has at its end;
// the values of properties that hold secrets are in none. Threads: any. Errors: none.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tandem::state {

class KafkaClientLog {
 public:
  using Properties = std::vector<std::pair<std::string, std::string>>;
  KafkaClientLog(std::function<void(const std::string&)> tell, const Properties& properties);

  void say(std::string_view line);
  /// The text without the secrets.
  std::string masked(std::string_view text) const;

 private:
  const std::function<void(const std::string&)> tell_;
  std::vector<std::string> secrets_;
  std::mutex mutex_;
  std::map<std::string, std::chrono::steady_clock::time_point> told_;  // guarded by mutex_
};

/// Whether the value of librdkafka's property of this name is a secret.
bool is_secret_property(std::string_view name);

}  // namespace tandem::state
