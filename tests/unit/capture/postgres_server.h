// A database of its own on the server that TANDEM_TEST_POSTGRES names (a superuser's connection
// string), for the tests that ask a server. Without one they are skipped.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>

#include "capture/postgres/connection.h"

namespace tandem::capture::postgres {

class PostgresServer : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* url = std::getenv("TANDEM_TEST_POSTGRES");
    if (url == nullptr) GTEST_SKIP() << "TANDEM_TEST_POSTGRES names no server";
    address_ = read_address(url, {});
    maintenance_ = connect(address_);
    name_ = "tandem_test_" + std::to_string(std::random_device()());
    maintenance_->execute("CREATE DATABASE " + name_ +
                          " TEMPLATE template0 LOCALE 'C' ENCODING 'UTF8'");
    own_ = address_;
    own_.parameters.emplace_back("dbname", name_);
    connection_ = connect(own_);
    application_ = connect(own_);
    application_->execute("SET search_path = public");
  }

  void TearDown() override {
    connection_.reset();
    application_.reset();
    if (!maintenance_ || name_.empty()) return;
    Rows slots = maintenance_->query(
        "SELECT slot_name FROM pg_replication_slots WHERE database = $1", {name_});
    for (int row = 0; row < slots.count(); ++row) {
      maintenance_->query("SELECT pg_drop_replication_slot($1)", {slots.text(row, 0)});
    }
    maintenance_->execute("DROP DATABASE " + name_ + " WITH (FORCE)");
  }

  static std::unique_ptr<Connection> connect(const ServerAddress& address) {
    return std::make_unique<Connection>(address, "tandem test");
  }

  /// As the application would; bare names are public's.
  void play(const std::string& statements) { application_->execute(statements); }
  Connection& sql() { return *connection_; }
  const ServerAddress& own() const { return own_; }
  const std::string& database() const { return name_; }

 private:
  ServerAddress address_, own_;
  std::string name_;
  std::unique_ptr<Connection> maintenance_, connection_, application_;
};

}  // namespace tandem::capture::postgres
