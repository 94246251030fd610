#include "capture/postgres/server_address.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>

#include "state/error.h"

namespace tandem::capture::postgres {
namespace {

using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

std::string trimmed(const std::string& text) {
  const char* kBlank = " \t\r\n";
  std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string expanded(const std::string& path) {
  const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  if (path.starts_with("~/") && home != nullptr) return home + path.substr(1);
  return path;
}

std::map<std::string, std::string> read_section(const CredentialsSection& from) {
  std::ifstream file(expanded(from.file));
  if (!file) {
    throw state::Error("cannot read the credentials file", from.file,
                       "correct `source.credentials.file`, or the file's permissions");
  }
  std::map<std::string, std::string> found;
  bool inside = false, seen = false;
  for (std::string line; std::getline(file, line);) {
    line = trimmed(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line.front() == '[' && line.back() == ']') {
      inside = trimmed(line.substr(1, line.size() - 2)) == from.section;
      seen = seen || inside;
      continue;
    }
    std::size_t equals = line.find('=');
    if (!inside || equals == std::string::npos) continue;
    found[trimmed(line.substr(0, equals))] = trimmed(line.substr(equals + 1));
  }
  if (!seen) {
    throw state::Error("the credentials file has no section [" + from.section + "]", from.file,
                       "add it, with pg_host, pg_port, pg_user and pg_password, or correct "
                       "`source.credentials.section`");
  }
  return found;
}

std::string value_or(const std::map<std::string, std::string>& given, const std::string& name,
                     std::string otherwise) {
  auto found = given.find(name);
  return found == given.end() || found->second.empty() ? std::move(otherwise) : found->second;
}

// libpq takes a whole connection string for a database's name, with a password in it.
std::string shown_database(const std::string& name) {
  return name.find("://") == std::string::npos && name.find('=') == std::string::npos ? name : "…";
}

// A password with an @ or a / in it: what libpq then takes for host, port or database is a part of
// the password, which its messages and ours would show.
bool has_torn_password(std::string_view url) {
  constexpr std::string_view kScheme = "://";
  const std::size_t scheme = url.find(kScheme);
  if (scheme == std::string_view::npos || url.find('=') < scheme) return false;
  url.remove_prefix(scheme + kScheme.size());
  const std::string_view authority = url.substr(0, url.find_first_of("/?"));
  const std::string_view tail = url.substr(authority.size());
  const std::string_view path = tail.substr(0, tail.find('?'));
  if (std::count(authority.begin(), authority.end(), '@') > 1) return true;
  if (path.find('@') != std::string_view::npos) return true;
  if (tail.find('@') == std::string_view::npos || authority.find('@') != std::string_view::npos) {
    return false;
  }
  const std::size_t colon = authority.rfind(':');
  return colon != std::string_view::npos &&
         authority.find_first_not_of("0123456789,", colon + 1) != std::string_view::npos;
}

}  // namespace

ServerAddress read_address(const std::string& url, const CredentialsSection& credentials) {
  if (has_torn_password(url)) {
    throw state::Error(
        "the connection string has an @ or a / where none can be", "source.url",
        "write those of a password as %40 and %2F, or keep it in .pgpass, PGPASSWORD "
        "or `source.credentials`");
  }
  char* complaint = nullptr;
  Options parsed(PQconninfoParse(url.c_str(), &complaint), PQconninfoFree);
  PQfreemem(complaint);  // it may quote the connection string, with its password
  if (!parsed) {
    throw state::Error("the connection string cannot be read", "source.url",
                       "write it as postgresql://user@host:5432/database or as host=… dbname=…");
  }
  std::map<std::string, std::string> given;
  for (PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) given[option->keyword] = option->val;
  }
  if (!credentials.file.empty()) {
    const std::map<std::string, std::string> section = read_section(credentials);
    constexpr std::pair<const char*, const char*> kNames[] = {{"pg_host", "host"},
                                                              {"pg_port", "port"},
                                                              {"pg_user", "user"},
                                                              {"pg_password", "password"},
                                                              {"pg_database", "dbname"}};
    for (const auto& [theirs, ours] : kNames) {
      auto found = section.find(theirs);
      if (found != section.end()) given.emplace(ours, found->second);
    }
  }
  // Without these a server that was cut off would be waited for as long as the kernel likes.
  given.emplace("connect_timeout", "10");
  given.emplace("keepalives_idle", "10");
  given.emplace("keepalives_interval", "5");
  given.emplace("keepalives_count", "3");
  given.emplace("tcp_user_timeout", "30000");
  given.emplace("fallback_application_name", "tandem");

  // What libpq adds from environment and service file, for messages.
  Options defaults(PQconndefaults(), PQconninfoFree);
  std::map<std::string, std::string> effective;
  for (PQconninfoOption* option = defaults.get(); option != nullptr && option->keyword != nullptr;
       ++option) {
    if (option->val != nullptr) effective[option->keyword] = option->val;
  }
  for (const auto& [name, value] : given) effective[name] = value;
  ServerAddress address;
  address.shown = value_or(effective, "user", "") + "@" +
                  value_or(effective, "host", value_or(effective, "hostaddr", "localhost")) + ":" +
                  value_or(effective, "port", "5432") + "/" +
                  shown_database(value_or(effective, "dbname", value_or(effective, "user", "")));
  address.parameters.assign(given.begin(), given.end());
  return address;
}

}  // namespace tandem::capture::postgres
