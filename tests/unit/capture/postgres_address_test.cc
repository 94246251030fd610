// How the server is named: connection strings and credentials files.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "capture/postgres/server_address.h"
#include "state/error.h"

namespace tandem::capture::postgres {
namespace {

// NOLINTBEGIN(concurrency-mt-unsafe): these tests have no other threads.

class Variable {
 public:
  Variable(std::string name, const std::string& value) : name_(std::move(name)) {
    ::setenv(name_.c_str(), value.c_str(), 1);
  }
  ~Variable() { ::unsetenv(name_.c_str()); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const std::string name_;
};

class File {
 public:
  File(const std::string& name, const std::string& text, std::filesystem::perms modes)
      : path_(std::filesystem::temp_directory_path() /
              ("tandem_" + name + "_" + std::to_string(::getpid()))) {
    std::ofstream(path_) << text;
    std::filesystem::permissions(path_, modes);
  }
  ~File() { std::filesystem::remove(path_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  std::string path() const { return path_.string(); }

 private:
  const std::filesystem::path path_;
};

constexpr auto kOwners = std::filesystem::perms::owner_read | std::filesystem::perms::owner_write;

/// "" if there is none.
std::string parameter(const ServerAddress& address, const std::string& wanted) {
  std::string found;
  for (const auto& [name, value] : address.parameters) {
    if (name == wanted) found = value;
  }
  return found;
}

TEST(PostgresAddress, ShowsNoPassword) {
  for (const char* url : {"postgresql://me:secret@db.example:5433/shop",
                          "host=db.example port=5433 user=me password=secret dbname=shop"}) {
    const ServerAddress address = read_address(url, {});
    EXPECT_EQ(address.shown, "me@db.example:5433/shop");
  }
  try {
    read_address("host=db.example password='secret", {});
    FAIL() << "a broken connection string was taken";
  } catch (const state::Error& error) {
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
  }
}

TEST(PostgresAddress, ShowsNoPartOfAPasswordThatIsNotEncoded) {
  for (const char* url :
       {"postgresql://user:pa/ss3cret@host/db", "postgresql://user:pa@ss3cret@127.0.0.1/db",
        "postgresql://user:pa@ss3cret@host:5432,other:5432/db",
        "postgresql://user:pa?ss3cret@host/db", "postgresql://user:/ss3cret@host/db"}) {
    try {
      const ServerAddress address = read_address(url, {});
      FAIL() << url << " was taken as " << address.shown;
    } catch (const state::Error& error) {
      EXPECT_EQ(std::string(error.what()).find("ss3cret"), std::string::npos) << error.what();
    }
  }
  for (const char* url : {"postgresql://me:p%40ss%2F@db.example:5433/shop?application_name=a@b",
                          "postgresql://db.example:5433/shop?user=me&options=a@b"}) {
    EXPECT_EQ(read_address(url, {}).shown, "me@db.example:5433/shop") << url;
  }
}

TEST(PostgresAddress, TakesWhatTheUrlLeavesOpenFromACredentialsFile) {
  const auto path =
      std::filesystem::temp_directory_path() / ("tandem_credentials_" + std::to_string(::getpid()));
  std::ofstream(path) << "[default]\npg_host = elsewhere\n\n[postgres-creds]\n# ours\n"
                         "pg_host = db.example\npg_port=5433\npg_user = reader\n"
                         "pg_password = se=cret\n";
  const ServerAddress address =
      read_address("dbname=shop user=me", {path.string(), "postgres-creds"});
  EXPECT_EQ(address.shown, "me@db.example:5433/shop");
  bool has_password = false;
  for (const auto& [name, value] : address.parameters) {
    has_password = has_password || (name == "password" && value == "se=cret");
  }
  EXPECT_TRUE(has_password);
  EXPECT_THROW(read_address("", {path.string(), "absent"}), state::Error);
  std::filesystem::remove(path);
  EXPECT_THROW(read_address("", {path.string(), "postgres-creds"}), state::Error);
}

TEST(PostgresAddress, ShowsWhereAServiceLeads) {
  const File services("services",
                      "[shop]\nhost=db.example\nport=5433\nuser=reader\ndbname=shop\n"
                      "password=secret\nconnect_timeout=3\n",
                      kOwners);
  const Variable file("PGSERVICEFILE", services.path());
  for (const char* url : {"service=shop", "postgresql://?service=shop"}) {
    const ServerAddress address = read_address(url, {});
    EXPECT_EQ(address.shown, "reader@db.example:5433/shop") << url;
    EXPECT_EQ(parameter(address, "connect_timeout"), "") << "libpq finds the service's own";
    EXPECT_EQ(parameter(address, "tcp_user_timeout"), "30000");
  }
  EXPECT_EQ(read_address("service=shop host=other user=me", {}).shown, "me@other:5433/shop");
  {
    const Variable service("PGSERVICE", "shop");
    EXPECT_EQ(read_address("postgresql://", {}).shown, "reader@db.example:5433/shop");
  }
  try {
    read_address("service=absent password=secret", {});
    FAIL() << "a service that is not there";
  } catch (const state::Error& error) {
    const std::string text = error.message();
    EXPECT_NE(text.find("absent"), std::string::npos) << text;
    EXPECT_EQ(text.find("secret"), std::string::npos) << text;
  }
}

TEST(PostgresAddress, LeavesWhatTheEnvironmentSays) {
  EXPECT_EQ(parameter(read_address("host=db.example", {}), "connect_timeout"), "10");
  EXPECT_EQ(parameter(read_address("host=db.example connect_timeout=0", {}), "connect_timeout"),
            "0");
  const Variable host("PGHOST", "db.example"), port("PGPORT", "5433"), user("PGUSER", "reader"),
      patience("PGCONNECT_TIMEOUT", "2");
  const ServerAddress address = read_address("postgresql://", {});
  EXPECT_EQ(address.shown, "reader@db.example:5433/reader");
  EXPECT_EQ(parameter(address, "connect_timeout"), "");
}

TEST(PostgresAddress, KnowsAPasswordFileThatLibpqIgnores) {
  const File open("pgpass", "*:*:*:*:secret\n", kOwners | std::filesystem::perms::group_read);
  const File shut("pgpass_shut", "*:*:*:*:secret\n", kOwners);
  const std::string url = "host=db.example passfile=";
  EXPECT_EQ(read_address(url + open.path(), {}).ignored_password_file, open.path());
  EXPECT_EQ(read_address(url + shut.path(), {}).ignored_password_file, "");
  EXPECT_EQ(read_address(url + "/nowhere", {}).ignored_password_file, "");
  const Variable file("PGPASSFILE", open.path());
  EXPECT_EQ(read_address("host=db.example", {}).ignored_password_file, open.path());
}

TEST(PostgresAddress, SaysItselfWhatIsForReplication) {
  EXPECT_EQ(parameter(read_address("host=h replication=database", {}), "replication"), "false");
  EXPECT_EQ(parameter(read_address("host=h", {}), "replication"), "");
}

// NOLINTEND(concurrency-mt-unsafe)

}  // namespace
}  // namespace tandem::capture::postgres
