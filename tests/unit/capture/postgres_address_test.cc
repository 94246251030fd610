// How the server is named: connection strings and credentials files.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "capture/postgres/server_address.h"
#include "state/error.h"

namespace tandem::capture::postgres {
namespace {

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

}  // namespace
}  // namespace tandem::capture::postgres
