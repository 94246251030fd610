// What the preflight says of a real server.
#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>

#include "capture/nearest_name.h"
#include "capture/postgres/catalog.h"
#include "capture/postgres/preflight.h"
#include "capture/postgres/publication.h"
#include "capture/postgres/server_preflight.h"
#include "capture/postgres/slot.h"
#include "postgres_server.h"

namespace tandem::capture::postgres {
namespace {

using Level = Finding::Level;

TEST(NearestName, IsNearOrNothing) {
  EXPECT_EQ(nearest_name("Trak", {"Album", "Track"}), "Track");
  EXPECT_EQ(nearest_name("track", {"Album", "Track"}), "Track");
  EXPECT_EQ(nearest_name("Invoice", {"Album", "Track"}), "");
  EXPECT_EQ(nearest_name("", {}), "");
}

class PostgresPreflight : public PostgresServer {
 protected:
  void check(const std::vector<TableRequest>& requests) { check(own(), requests); }
  void check(const ServerAddress& address, const std::vector<TableRequest>& requests) {
    findings_ = check_postgres(address, "tandem test", database(), "tandem_shop", requests);
  }
  /// True if there is a finding of the level whose text or advice holds `piece`.
  ::testing::AssertionResult says(Level level, const std::string& subject,
                                  const std::string& piece) {
    std::string all;
    for (const Finding& finding : findings_) {
      EXPECT_EQ(finding.advice.empty(), finding.level == Level::kOk) << finding.text;
      all += "\n" + std::to_string(static_cast<int>(finding.level)) + " " + finding.subject + ": " +
             finding.text + "; " + finding.advice;
      if (finding.level == level && finding.subject == subject &&
          (finding.text + finding.advice).find(piece) != std::string::npos) {
        return ::testing::AssertionSuccess();
      }
    }
    return ::testing::AssertionFailure() << "no '" << piece << "' among" << all;
  }
  int count(Level level) const {
    return static_cast<int>(std::count_if(findings_.begin(), findings_.end(),
                                          [&](const auto& each) { return each.level == level; }));
  }
  void install(const std::vector<TableRequest>& requests) {
    TypeCatalog types;
    publish(sql(), "tandem_shop", read_tables(sql(), types, requests), Superfluous::kDrop);
    create_slot(sql(), database());
  }

  std::vector<Finding> findings_;
};

TEST_F(PostgresPreflight, AllWellOnceInstalled) {
  play(
      "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE p (id int PRIMARY KEY) "
      "PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p DEFAULT");
  const std::vector<TableRequest> requests{TableRequest{"a"}, TableRequest{"public.p"}};
  check(requests);
  EXPECT_TRUE(says(Level::kOk, "wal_level", "logical"));
  EXPECT_TRUE(says(Level::kWarning, "max_slot_wal_keep_size", "no limit"));
  EXPECT_TRUE(says(Level::kWarning, "slot " + database(), "tandem init"));
  EXPECT_TRUE(says(Level::kWarning, "publication tandem_shop", "tandem init"));
  EXPECT_TRUE(says(Level::kWarning, "table a", "not published yet"));
  EXPECT_EQ(count(Level::kFailure), 0);
  install({TableRequest{"a"}, TableRequest{"p"}});
  check(requests);
  EXPECT_TRUE(says(Level::kOk, "slot " + database(), "keeps"));
  EXPECT_TRUE(says(Level::kOk, "publication tandem_shop", "Tandem made it"));
  EXPECT_TRUE(says(Level::kOk, "table a", "published"));
  EXPECT_TRUE(says(Level::kOk, "table p", "partitions under its name"));
  EXPECT_EQ(count(Level::kFailure), 0);
}

TEST_F(PostgresPreflight, TablesThatCannotBeCaptured) {
  play(
      "CREATE TABLE track (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED); "
      "CREATE TABLE bare (x int); CREATE UNLOGGED TABLE fast (id int PRIMARY KEY)");
  check({TableRequest{"trakc"}, TableRequest{"bare"}, TableRequest{"fast"}, TableRequest{"track"}});
  EXPECT_TRUE(says(Level::kFailure, "table trakc", "did you mean track?"));
  EXPECT_TRUE(says(Level::kFailure, "table bare", "no primary key"));
  EXPECT_TRUE(says(Level::kFailure, "table fast", "SET LOGGED"));
  EXPECT_TRUE(says(Level::kWarning, "table track", "generated columns (twice)"));
  EXPECT_EQ(count(Level::kFailure), 3);
}

TEST_F(PostgresPreflight, PublicationsAndSlotsOfOthers) {
  play(
      "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); "
      "CREATE PUBLICATION tandem_shop FOR TABLE a WITH (publish = 'insert')");
  sql().query("SELECT pg_create_physical_replication_slot($1)", {database()});
  check({TableRequest{"a"}, TableRequest{"b"}});
  EXPECT_TRUE(says(Level::kFailure, "slot " + database(), "physical"));
  EXPECT_TRUE(says(Level::kWarning, "publication tandem_shop", "did not make it"));
  const std::string alter = "run ALTER PUBLICATION \"tandem_shop\" ";
  EXPECT_TRUE(says(Level::kFailure, "table a", "leaves out truncations"));
  EXPECT_TRUE(says(Level::kFailure, "table a",
                   alter + "SET (publish = 'insert, update, delete, truncate')"));
  EXPECT_TRUE(says(Level::kFailure, "table b", alter + "ADD TABLE ONLY \"public\".\"b\"; "));
  drop_slot(sql(), database());
}

TEST_F(PostgresPreflight, WhatARoleMayNotDo) {
  const std::string role = database() + "_role";
  play(
      "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); "
      "ALTER TABLE b ENABLE ROW LEVEL SECURITY; CREATE ROLE " +
      role +
      " LOGIN; GRANT SELECT ON b "
      "TO " +
      role);
  ServerAddress address = own();
  address.parameters.emplace_back("user", role);
  check(address, {TableRequest{"a"}, TableRequest{"b"}});
  EXPECT_TRUE(says(Level::kFailure, "role " + role, "ALTER ROLE \"" + role + "\" REPLICATION"));
  EXPECT_TRUE(says(Level::kFailure, "replication", "no such connection"));
  EXPECT_TRUE(says(Level::kFailure, "publication tandem_shop", "GRANT CREATE ON DATABASE"));
  EXPECT_TRUE(says(Level::kFailure, "table a", "GRANT SELECT"));
  EXPECT_TRUE(says(Level::kFailure, "table a", "does not own it"));
  EXPECT_TRUE(says(Level::kFailure, "table b", "BYPASSRLS"));
  play("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

TEST_F(PostgresPreflight, PreparedTransactionsAndSlotsInUse) {
  play("CREATE TABLE a (id int PRIMARY KEY)");
  install({TableRequest{"a"}});
  Connection holder(own(), "somebody", Connection::Purpose::kReplication);
  holder.start_copy_both("START_REPLICATION SLOT " + database() +
                         " LOGICAL 0/0 (proto_version '1', publication_names 'tandem_shop')");
  const bool may_prepare =
      sql().query("SELECT current_setting('max_prepared_transactions')").integer(0, 0) > 0;
  if (may_prepare)
    play("BEGIN; INSERT INTO a VALUES (1); PREPARE TRANSACTION '" + database() + "'");
  check({TableRequest{"a"}});
  if (may_prepare) {
    EXPECT_TRUE(says(Level::kWarning, "transactions", "'" + database() + "'"));
    play("ROLLBACK PREPARED '" + database() + "'");
  }
  EXPECT_TRUE(says(Level::kWarning, "slot " + database(), "application 'somebody'"));
  sql().query(
      "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots "
      "WHERE slot_name = $1",
      {database()});
}

TEST_F(PostgresPreflight, TransactionsThatStayOpen) {
  auto told = [&] {
    findings_.clear();
    check_server(sql(), {}, findings_, std::chrono::seconds(0));
    std::vector<Finding> about;
    std::copy_if(findings_.begin(), findings_.end(), std::back_inserter(about),
                 [](const Finding& each) { return each.subject == "transactions"; });
    return about;
  };
  std::vector<std::unique_ptr<Connection>> others;
  for (int i = 0; i < 7; ++i) {
    others.push_back(connect(own()));
    others.back()->execute("BEGIN; SELECT 1");
  }
  std::vector<Finding> open = told();
  ASSERT_EQ(open.size(), 6U);
  EXPECT_TRUE(says(Level::kWarning, "transactions", "2 more have been open for over 0 s"));
  const std::string process = "process " + std::to_string(others.front()->backend_pid()) + " ";
  EXPECT_TRUE(says(Level::kWarning, "transactions", process));
  for (int round = 0; round < 7; ++round) {
    // As the advice says it.
    const std::string advice = told().front().advice;
    const std::size_t statement = advice.find("SELECT pg_terminate_backend(");
    ASSERT_NE(statement, std::string::npos) << advice;
    std::string run = advice.substr(statement);
    run.insert(run.size() - 1, ", 10000");  // waits until it is gone
    sql().execute(run);
  }
  told();
  EXPECT_TRUE(says(Level::kOk, "transactions", "none has been open for over 0 s"));
}

TEST_F(PostgresPreflight, AServerThatIsNotThereIsAFinding) {
  ServerAddress address = own();
  address.parameters.emplace_back("dbname", "no_such_database");
  check(address, {});
  EXPECT_TRUE(says(Level::kFailure, "source", "no_such_database"));
  EXPECT_EQ(findings_.size(), 1U);
}

}  // namespace
}  // namespace tandem::capture::postgres
