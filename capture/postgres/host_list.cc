// The lists are of one length: `host`, `hostaddr` (either may be empty) and `port` (one may stand
// for all). An element that is empty is libpq's default.
#include "capture/postgres/host_list.h"

#include <libpq-fe.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace tandem::capture::postgres {
namespace {

std::string text_of(const char* text) { return text == nullptr ? "" : text; }

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; !list.empty() && begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

std::string effective_setting(pg_conn* connection, const std::string& name) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfo(connection),
                                                                             PQconninfoFree);
  for (PQconninfoOption* option = options.get(); option != nullptr && option->keyword != nullptr;
       ++option) {
    if (option->keyword == name) return text_of(option->val);
  }
  return "";
}

std::string present_host(pg_conn* connection) {
  return text_of(PQhost(connection)) + ":" + text_of(PQport(connection));
}

bool leave_out_present_host(pg_conn* connection, ServerAddress& address) {
  static constexpr const char* kLists[] = {"host", "hostaddr", "port"};
  std::vector<std::string> lists[3];
  for (std::size_t i = 0; i < 3; ++i) lists[i] = split(effective_setting(connection, kLists[i]));
  const auto& [names, addresses, ports] = lists;
  const std::size_t count = std::max(names.size(), addresses.size());
  if (count < 2) return false;
  std::size_t at = 0;
  for (; at < count; ++at) {
    std::string name = at < names.size() ? names[at] : "";
    if (name.empty() && at < addresses.size()) name = addresses[at];
    std::string port = ports.empty() ? "" : ports.size() == 1 ? ports[0] : ports.at(at);
    if (port.empty()) port = "5432";
    if ((name.empty() || name == text_of(PQhost(connection))) &&
        port == text_of(PQport(connection))) {
      break;
    }
  }
  if (at == count) return false;
  for (std::size_t i = 0; i < 3; ++i) {
    if (lists[i].size() == count) {
      lists[i].erase(lists[i].begin() + static_cast<std::ptrdiff_t>(at));
    }
    std::string rest;
    for (std::size_t k = 0; k < lists[i].size(); ++k) rest += (k == 0 ? "" : ",") + lists[i][k];
    std::erase_if(address.parameters, [&](const auto& each) { return each.first == kLists[i]; });
    if (!rest.empty()) address.parameters.emplace_back(kLists[i], rest);
  }
  return true;
}

}  // namespace tandem::capture::postgres
