// Connecting to a server that has several hosts, some of which do not answer.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "capture/postgres/connection.h"
#include "postgres_server.h"

namespace tandem::capture::postgres {
namespace {

// The kernel takes connections for it, and nobody ever says a word.
class SilentHost {
 public:
  SilentHost() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 16), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = std::to_string(::ntohs(address.sin_port));
  }
  ~SilentHost() { ::close(socket_); }
  SilentHost(const SilentHost&) = delete;
  SilentHost& operator=(const SilentHost&) = delete;
  const std::string& port() const { return port_; }

 private:
  int socket_;
  std::string port_;
};

TEST(PostgresConnection, NamesEveryHostThatDoesNotAnswer) {
  const SilentHost first, second;
  const ServerAddress address = read_address("host=127.0.0.1,127.0.0.1 port=" + first.port() + "," +
                                                 second.port() + " user=nobody connect_timeout=1",
                                             {});
  try {
    Connection connection(address, "tandem test");
    FAIL() << "connected to nobody";
  } catch (const ConnectionLost& error) {
    const std::string text = error.message();
    EXPECT_NE(text.find("127.0.0.1:" + first.port()), std::string::npos) << text;
    EXPECT_NE(text.find("127.0.0.1:" + second.port()), std::string::npos) << text;
  }
}

TEST(PostgresConnection, TellsWhyTheLastHostRefusesAndWhichDidNotAnswer) {
  const SilentHost silent;
  std::string closed;
  {
    const SilentHost gone;
    closed = gone.port();
  }
  const ServerAddress address = read_address(
      "hostaddr=127.0.0.1,127.0.0.1 port=" + silent.port() + "," + closed + " connect_timeout=1",
      {});
  try {
    Connection connection(address, "tandem test");
    FAIL() << "connected to nobody";
  } catch (const ConnectionLost& error) {
    const std::string text = error.message();
    EXPECT_NE(text.find("cannot connect"), std::string::npos) << text;
    EXPECT_NE(text.find("no answer from 127.0.0.1:" + silent.port()), std::string::npos) << text;
  }
}

class PostgresHosts : public PostgresServer {
 protected:
  // The server of the tests behind other hosts.
  ServerAddress behind(const std::string& hosts, const std::string& ports) const {
    ServerAddress address = own();
    std::string host = "localhost", port = "5432";
    for (const auto& [name, value] : address.parameters) {
      if (name == "host") host = value;
      if (name == "port") port = value;
    }
    std::erase_if(address.parameters, [](const auto& each) {
      return each.first == "host" || each.first == "port" || each.first == "connect_timeout";
    });
    address.parameters.emplace_back("host", hosts + host);
    address.parameters.emplace_back("port", ports + port);
    address.parameters.emplace_back("connect_timeout", "1");
    return address;
  }
};

TEST_F(PostgresHosts, AreTriedBehindSomeThatDoNotAnswer) {
  const SilentHost first, second;
  Connection connection(behind("127.0.0.1,127.0.0.1,", first.port() + "," + second.port() + ","),
                        "tandem test");
  EXPECT_EQ(connection.query("SELECT current_database()").text(0, 0), database());
}

}  // namespace
}  // namespace tandem::capture::postgres
