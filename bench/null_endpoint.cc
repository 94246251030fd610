// null_endpoint PORT: a DynamoDB that keeps nothing, to measure what a client costs by itself.
//
// Answers every write at once as done and every read as empty, over HTTP/1.1 on the loopback, one
// thread with epoll. Table operations are remembered, so that `tandem init` works against it.
// Prints a line of what it saw (requests, bytes and its own CPU seconds) at SIGUSR1, and at SIGTERM
// or SIGINT, which end it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

using Json = nlohmann::json;

std::string http_answer(int status, std::string_view body) {
  std::string answer = status == 200 ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 400 Bad Request\r\n";
  answer += "Content-Type: application/x-amz-json-1.0\r\nContent-Length: ";
  answer += std::to_string(body.size());
  answer += "\r\n\r\n";
  answer += body;
  return answer;
}

/// Tables as they were asked for, always ready.
class Tables {
 public:
  std::string answer(std::string_view operation, const std::string& body) {
    Json request = Json::parse(body, nullptr, false);
    if (!request.is_object()) return refusal("SerializationException");
    const std::string name = request.value("TableName", "");
    if (operation == "CreateTable") {
      if (!tables_.emplace(name, request).second) return refusal("ResourceInUseException");
      return described(name);
    }
    if (operation == "Scan") return http_answer(200, R"({"Items":[],"Count":0,"ScannedCount":0})");
    if (operation == "BatchGetItem") {
      return http_answer(200, R"({"Responses":{},"UnprocessedKeys":{}})");
    }
    auto table = tables_.find(name);
    if (table == tables_.end()) return refusal("ResourceNotFoundException");
    if (operation == "UpdateTimeToLive") {
      expiring_[name] = request["TimeToLiveSpecification"].value("AttributeName", "");
    } else if (operation == "DescribeTimeToLive") {
      auto attribute = expiring_.find(name);
      if (attribute == expiring_.end()) {
        return http_answer(200, R"({"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}})");
      }
      const Json description = {
          {"TimeToLiveDescription",
           {{"TimeToLiveStatus", "ENABLED"}, {"AttributeName", attribute->second}}}};
      return http_answer(200, description.dump());
    }
    return described(name);
  }

 private:
  static std::string refusal(const char* type) {
    return http_answer(400, Json{{"__type", type}, {"message", type}}.dump());
  }

  std::string described(const std::string& name) {
    Json table = tables_.at(name);
    table["TableStatus"] = "ACTIVE";
    if (table.contains("GlobalSecondaryIndexes")) {
      for (Json& index : table["GlobalSecondaryIndexes"]) index["IndexStatus"] = "ACTIVE";
    }
    return http_answer(200, Json{{"Table", table}}.dump());
  }

  std::map<std::string, Json> tables_;
  std::map<std::string, std::string> expiring_;
};

/// One client's connection: the head of a request gathers here, the body of a write is dropped as
/// it comes.
struct Connection {
  std::string head, body;
  std::string operation;
  std::size_t body_left = 0;
  bool in_body = false;
};

class Endpoint {
 public:
  explicit Endpoint(std::uint16_t port) : poll_(epoll_create1(0)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    const int one = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener_, 256) != 0) {
      std::perror("null_endpoint: cannot listen");
      std::exit(1);
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    signals_ = signalfd(-1, &signals, 0);
    watch(listener_);
    watch(signals_);
  }

  void serve() {
    std::array<epoll_event, 64> events{};
    for (;;) {
      const int count = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; i++) {
        const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
        if (descriptor == signals_) {
          signalfd_siginfo signal{};
          if (read(signals_, &signal, sizeof signal) != sizeof signal) continue;
          if (signal.ssi_signo != SIGUSR1) return;
          report();
          continue;
        }
        if (descriptor == listener_) {
          greet();
        } else if (!receive(descriptor)) {
          connections_.erase(descriptor);
          close(descriptor);
        }
      }
    }
  }

  void report() const {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    std::printf("requests=%lld writes=%lld bytes=%lld cpu_s=%.2f\n", requests_, writes_, bytes_,
                seconds(usage.ru_utime) + seconds(usage.ru_stime));
    std::fflush(stdout);
  }

 private:
  void watch(int descriptor) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    epoll_ctl(poll_, EPOLL_CTL_ADD, descriptor, &event);
  }

  void greet() {
    const int client = accept(listener_, nullptr, nullptr);
    if (client < 0) return;
    const int one = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connections_[client] = std::make_unique<Connection>();
    watch(client);
  }

  /// False when the client has gone.
  bool receive(int client) {
    const ssize_t got = recv(client, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) return false;
    bytes_ += got;
    Connection& connection = *connections_.at(client);
    std::string_view data(buffer_.data(), static_cast<std::size_t>(got));
    std::string answers;
    while (!data.empty()) {
      if (!connection.in_body && !take_head(connection, data)) break;
      take_body(connection, data);
      if (connection.body_left > 0) break;
      answers += answer(connection);
      connection.in_body = false;
      connection.head.clear();
      connection.body.clear();
    }
    for (std::string_view rest = answers; !rest.empty();) {
      const ssize_t sent = ::send(client, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// True when the head is whole; `data` is moved behind it.
  static bool take_head(Connection& connection, std::string_view& data) {
    const std::size_t before = connection.head.size();
    connection.head += data;
    const std::size_t end = connection.head.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end == std::string::npos) {
      data = {};
      return false;
    }
    data.remove_prefix(end + 4 - before);
    connection.head.resize(end + 2);
    connection.in_body = true;
    connection.body_left = 0;
    const std::string_view length = header(connection.head, "content-length");
    std::from_chars(length.data(), length.data() + length.size(), connection.body_left);
    const std::string_view target = header(connection.head, "x-amz-target");
    connection.operation = target.substr(target.rfind('.') + 1);
    return true;
  }

  static std::string_view header(const std::string& head, std::string_view name) {
    for (std::size_t line = head.find("\r\n"); line != std::string::npos;
         line = head.find("\r\n", line + 2)) {
      const std::size_t start = line + 2;
      const bool same =
          head.size() > start + name.size() && head[start + name.size()] == ':' &&
          std::equal(name.begin(), name.end(), head.begin() + static_cast<std::ptrdiff_t>(start),
                     [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); });
      if (!same) continue;
      std::size_t from = start + name.size() + 1;
      while (from < head.size() && head[from] == ' ') from++;
      return std::string_view(head).substr(from, head.find("\r\n", from) - from);
    }
    return {};
  }

  static bool is_write(std::string_view operation) {
    return operation == "BatchWriteItem" || operation == "PutItem" || operation == "DeleteItem";
  }

  static void take_body(Connection& connection, std::string_view& data) {
    const std::size_t taken = std::min(connection.body_left, data.size());
    if (!is_write(connection.operation)) connection.body += data.substr(0, taken);
    connection.body_left -= taken;
    data.remove_prefix(taken);
  }

  std::string answer(const Connection& connection) {
    requests_++;
    if (!is_write(connection.operation)) {
      return tables_.answer(connection.operation, connection.body);
    }
    writes_++;
    return connection.operation == "BatchWriteItem" ? batch_done_ : done_;
  }

  int poll_, listener_ = -1, signals_ = -1;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  std::array<char, 1U << 18U> buffer_{};
  Tables tables_;
  const std::string batch_done_ = http_answer(200, R"({"UnprocessedItems":{}})");
  const std::string done_ = http_answer(200, "{}");
  long long requests_ = 0, writes_ = 0, bytes_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  const int port = count == 2 ? std::atoi(arguments[1]) : 0;
  if (port <= 0 || port > 65535) {
    std::fprintf(stderr, "usage: null_endpoint PORT\n");
    return 2;
  }
  auto endpoint = std::make_unique<Endpoint>(static_cast<std::uint16_t>(port));
  endpoint->serve();
  endpoint->report();
}
