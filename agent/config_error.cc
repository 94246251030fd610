// A config's mistakes as text for people, and secrets kept out of texts.
#include <cctype>

#include "agent/config.h"

namespace tandem::agent {
namespace {

std::string headline(const std::vector<sink::Mistake>& mistakes) {
  return std::to_string(mistakes.size()) +
         (mistakes.size() == 1 ? " mistake in the config" : " mistakes in the config");
}

constexpr std::string_view kBlank = " \t\r\n";

bool is_blank(char c) { return kBlank.find(c) != std::string_view::npos; }

bool same_letters(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) != b[i]) return false;
  }
  return true;
}

/// `user:SECRET@` after every `://`: the last @ before the path ends it, secrets may hold one too.
std::string mask_urls(std::string_view text) {
  std::string masked;
  while (true) {
    const std::size_t scheme = text.find("://");
    if (scheme == std::string_view::npos) return masked.append(text);
    masked += text.substr(0, scheme + 3);
    text.remove_prefix(scheme + 3);
    const std::string_view authority = text.substr(0, text.find_first_of(" \t\r\n\""));
    const std::size_t at = authority.rfind('@');
    const std::size_t colon = authority.find(':');
    if (at == std::string_view::npos || colon == std::string_view::npos || colon > at) continue;
    masked += text.substr(0, colon + 1);
    masked += "***";
    text.remove_prefix(at);
  }
}

/// The length of a value after `password=`: quoted with backslash escapes, or up to a blank or &.
std::size_t value_length(std::string_view text) {
  const bool quoted = !text.empty() && text.front() == '\'';
  std::size_t at = quoted ? 1 : 0;
  while (at < text.size()) {
    if (text[at] == '\\' && at + 1 < text.size()) {
      at += 2;
      continue;
    }
    if (quoted && text[at] == '\'') return at + 1;
    if (!quoted && (is_blank(text[at]) || text[at] == '&')) return at;
    ++at;
  }
  return at;
}

std::string mask_passwords(std::string_view text) {
  // Ends of names: sslpassword, pg_password and oauth_client_secret are among them.
  constexpr std::string_view kNames[] = {"password", "passwd", "secret"};
  std::string masked;
  std::size_t at = 0;
  while (at < text.size()) {
    if (text[at] != '=') {
      masked += text[at++];
      continue;
    }
    std::size_t name_end = at;
    while (name_end > 0 && is_blank(text[name_end - 1])) --name_end;
    bool secret = false;
    for (std::string_view name : kNames) {
      secret = secret || (name_end >= name.size() &&
                          same_letters(text.substr(name_end - name.size(), name.size()), name));
    }
    masked += text[at++];
    if (!secret) continue;
    while (at < text.size() && is_blank(text[at])) masked += text[at++];
    const std::size_t length = value_length(text.substr(at));
    if (length > 0) masked += "***";
    at += length;
  }
  return masked;
}

}  // namespace

ConfigError::ConfigError(std::string file, std::vector<sink::Mistake> mistakes,
                         std::shared_ptr<const Config> read)
    : state::Error(headline(mistakes), file, "mend the lines named"),
      mistakes_(std::move(mistakes)),
      read_(std::move(read)) {
  for (const sink::Mistake& mistake : mistakes_) {
    if (!lines_.empty()) lines_ += '\n';
    lines_ += file;
    if (mistake.line > 0) lines_ += ":" + std::to_string(mistake.line);
    lines_ += ": ";
    if (!mistake.key.empty()) lines_ += mistake.key + ": ";
    lines_ += mistake.text;
    if (!mistake.nearest.empty()) lines_ += " (did you mean " + mistake.nearest + "?)";
  }
}

std::string mask_secrets(std::string_view text) { return mask_passwords(mask_urls(text)); }

}  // namespace tandem::agent
