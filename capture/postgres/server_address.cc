#include "capture/postgres/server_address.h"

#include <libpq-fe.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <new>

#include "state/error.h"

namespace tandem::capture::postgres {
namespace {

using std::chrono::milliseconds;
using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;
using Settings = std::map<std::string, std::string>;

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

Settings read_section(const CredentialsSection& from) {
  std::ifstream file(expanded(from.file));
  if (!file) {
    throw state::Error("cannot read the credentials file", from.file,
                       "correct `source.credentials.file`, or the file's permissions");
  }
  Settings found;
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

std::string value_or(const Settings& given, const std::string& name, std::string otherwise) {
  auto found = given.find(name);
  return found == given.end() || found->second.empty() ? std::move(otherwise) : found->second;
}

Settings settings_of(const PQconninfoOption* option) {
  Settings settings;
  for (; option != nullptr && option->keyword != nullptr; ++option) {
    if (option->val != nullptr) settings[option->keyword] = option->val;
  }
  return settings;
}

// What libpq makes of these, of the environment, the service file and its own defaults. It tells so
// of a connection alone. This one ends before anything is sent, since there is no such sslmode; and
// with a password at hand no file is searched for one.
Settings effective_settings(Settings given) {
  constexpr char kNone[] = "none such";
  given["sslmode"] = kNone;
  given["password"] = kNone;
  std::vector<const char*> names, values;
  for (const auto& [name, value] : given) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
      PQconnectStartParams(names.data(), values.data(), 0), PQfinish);
  if (!connection) throw std::bad_alloc();
  const Options options(PQconninfo(connection.get()), PQconninfoFree);
  Settings found = settings_of(options.get());
  if (found["sslmode"] != kNone) {
    throw state::Error("cannot connect: " + trimmed(PQerrorMessage(connection.get())), "source.url",
                       "name a service of ~/.pg_service.conf or of the file that PGSERVICEFILE "
                       "names");
  }
  return found;
}

// As libpq does it: then it takes no password from the file.
bool may_be_read_by_others(const std::string& file) {
  struct stat found {};
  return ::stat(file.c_str(), &found) == 0 && S_ISREG(found.st_mode) &&
         (found.st_mode & (S_IRWXG | S_IRWXO)) != 0;
}

// The server is asked every five seconds.
milliseconds longest_silence(const std::string& tcp_user_timeout) {
  constexpr milliseconds kLeast{15'000}, kMost{60'000};
  std::int64_t limit = 0;
  std::from_chars(tcp_user_timeout.data(), tcp_user_timeout.data() + tcp_user_timeout.size(),
                  limit);
  return limit <= 0 || limit > kMost.count() ? kMost
                                             : std::clamp(milliseconds(2 * limit), kLeast, kMost);
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
  Settings given = settings_of(parsed.get());
  if (!credentials.file.empty()) {
    const Settings section = read_section(credentials);
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
  const Settings found = effective_settings(given);
  // Without these a server that was cut off would be waited for as long as the kernel likes.
  constexpr std::pair<const char*, const char*> kLimits[] = {{"connect_timeout", "10"},
                                                             {"keepalives_idle", "10"},
                                                             {"keepalives_interval", "5"},
                                                             {"keepalives_count", "3"},
                                                             {"tcp_user_timeout", "30000"}};
  for (const auto& [name, value] : kLimits) {
    if (value_or(found, name, "").empty()) given[name] = value;
  }
  ServerAddress address;
  address.longest_silence = longest_silence(value_or(found, "tcp_user_timeout", "30000"));
  // Which of our connections are for replication is for us to say.
  if (!value_or(found, "replication", "").empty()) given["replication"] = "false";
  address.shown = value_or(found, "user", "") + "@" +
                  value_or(found, "host", value_or(found, "hostaddr", "localhost")) + ":" +
                  value_or(found, "port", "5432") + "/";
  address.database = shown_database(value_or(found, "dbname", value_or(found, "user", "")));
  address.shown += address.database;
  const std::string passwords = value_or(found, "passfile", expanded("~/.pgpass"));
  if (may_be_read_by_others(passwords)) {
    address.ignored_password_file = passwords;
    // libpq would say on stderr, for each connection, that it takes nothing from it.
    given["passfile"] = "/dev/null/ignored";
  }
  address.parameters.assign(given.begin(), given.end());
  return address;
}

}  // namespace tandem::capture::postgres
