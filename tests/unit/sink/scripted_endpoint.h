// An HTTP endpoint on the loopback that answers DynamoDB requests as a test says: with refusals,
// late, half, or not at all. One thread a connection; the script runs under a lock.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tandem::sink {

struct ScriptedAnswer {
  int status = 200;
  std::string body = "{}";
  bool hang_up = false;  // close the connection without an answer
};

class ScriptedEndpoint {
 public:
  using Script =
      std::function<ScriptedAnswer(const std::string& operation, const std::string& body)>;

  explicit ScriptedEndpoint(Script script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    bind(listener_, reinterpret_cast<sockaddr*>(&address), length);
    listen(listener_, 64);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }

  ~ScriptedEndpoint() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    close(listener_);
    {
      std::lock_guard lock(mutex_);
      for (int client : clients_) shutdown(client, SHUT_RDWR);
    }
    for (std::thread& server : servers_) server.join();
    for (int client : clients_) close(client);
  }
  ScriptedEndpoint(const ScriptedEndpoint&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  void accept_all() {
    for (int client = 0; (client = accept(listener_, nullptr, nullptr)) >= 0;) {
      std::lock_guard lock(mutex_);
      clients_.push_back(client);
      servers_.emplace_back([this, client] { serve(client); });
    }
  }

  void serve(int client) {
    std::string data;
    std::vector<char> buffer(1U << 16U);
    for (;;) {
      const std::size_t head = data.find("\r\n\r\n");
      const std::size_t length =
          head == std::string::npos ? 0 : std::stoul(header(data, "Content-Length: "));
      if (head == std::string::npos || data.size() < head + 4 + length) {
        const ssize_t got = recv(client, buffer.data(), buffer.size(), 0);
        if (got <= 0) return;
        data.append(buffer.data(), static_cast<std::size_t>(got));
        continue;
      }
      const std::string target = header(data, "X-Amz-Target: ");
      const std::string body = data.substr(head + 4, length);
      data.erase(0, head + 4 + length);
      ScriptedAnswer answer;
      {
        std::lock_guard lock(mutex_);
        answer = script_(target.substr(target.find('.') + 1), body);
      }
      if (answer.hang_up) {
        shutdown(client, SHUT_RDWR);
        return;
      }
      const std::string text = "HTTP/1.1 " + std::to_string(answer.status) +
                               " X\r\nContent-Length: " + std::to_string(answer.body.size()) +
                               "\r\n\r\n" + answer.body;
      if (send(client, text.data(), text.size(), MSG_NOSIGNAL) < 0) return;
    }
  }

  static std::string header(const std::string& data, const std::string& name) {
    const std::size_t at = data.find("\r\n" + name);
    if (at == std::string::npos) return "0";
    const std::size_t start = at + 2 + name.size();
    return data.substr(start, data.find("\r\n", start) - start);
  }

  Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::mutex mutex_;
  std::vector<int> clients_;
  std::vector<std::thread> servers_;
  std::thread acceptor_;
};

}  // namespace tandem::sink
