#include "state/kafka_client_log.h"

#include <algorithm>
#include <array>

namespace tandem::state {
namespace {

constexpr std::chrono::minutes kAgain{1};
// Lines that say so much that they are never the same again are not kept all.
constexpr std::size_t kMostKept = 200;

// "[thrd:broker]: line (after 3ms in state CONNECT)": the line.
std::string_view gist(std::string_view line) {
  if (line.starts_with("[thrd:")) {
    const std::size_t end = line.find("]: ");
    if (end != std::string_view::npos) line.remove_prefix(end + 3);
  }
  return line.substr(0, line.find(" (after "));
}

}  // namespace

bool is_secret_property(std::string_view name) {
  constexpr std::array<std::string_view, 8> kParts = {
      "password", "secret",  "key.pem",    "private.key",
      "jaas",     "ssl_key", "passphrase", "oauthbearer.config"};
  return std::any_of(kParts.begin(), kParts.end(), [name](std::string_view part) {
    return name.find(part) != std::string_view::npos;
  });
}

KafkaClientLog::KafkaClientLog(std::function<void(const std::string&)> tell,
                               const Properties& properties)
    : tell_(std::move(tell)) {
  for (const auto& [name, value] : properties) {
    if (is_secret_property(name) && !value.empty()) secrets_.push_back(value);
  }
  // One may be a part of another.
  std::sort(secrets_.begin(), secrets_.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

std::string KafkaClientLog::masked(std::string_view text) const {
  std::string made(text);
  for (const std::string& secret : secrets_) {
    for (std::size_t at = 0; (at = made.find(secret, at)) != std::string::npos; at += 3) {
      made.replace(at, secret.size(), "***");
    }
  }
  return made;
}

void KafkaClientLog::say(std::string_view line) {
  if (!tell_) return;
  const std::string said = masked(gist(line));
  {
    const auto now = std::chrono::steady_clock::now();
    std::lock_guard lock(mutex_);
    if (told_.size() >= kMostKept) told_.clear();
    auto [found, added] = told_.try_emplace(said, now);
    if (!added && now - found->second < kAgain) return;
    found->second = now;
  }
  tell_("Kafka client: " + said);
}

}  // namespace tandem::state
