// Publications and slots of a real server, and their owner row.
#include "capture/postgres/catalog.h"
#include "capture/postgres/publication.h"
#include "capture/postgres/slot.h"
#include "postgres_server.h"

namespace tandem::capture::postgres {
namespace {

TEST(PublicationOwner, IsReadAsItWasWritten) {
  const PublicationOwner owner{"5f3c", 1'700'000'000'001, 17};
  EXPECT_EQ(to_comment(owner), "tandem log=5f3c epoch=1700000000001 since=17");
  EXPECT_EQ(parse_owner(to_comment(owner)), owner);
  EXPECT_TRUE(says_made_here("tandem"));
  EXPECT_FALSE(says_made_here("tandems"));
  EXPECT_FALSE(says_made_here(""));
  for (const char* comment :
       {"", "tandem", "tandem ", "tandems log=a epoch=1 since=1", "tandem log= epoch=1 since=1",
        "tandem log=a epoch=x since=1", "tandem log=a epoch=1", "tandem log=a epoch=1 since=1 x",
        "tandem log=a epoch=-1 since=1", "tandem log=a epoch=1 since="}) {
    EXPECT_FALSE(parse_owner(comment).has_value()) << comment;
  }
}

class PostgresPublication : public PostgresServer {
 protected:
  Published make(const std::vector<TableRequest>& requests,
                 Superfluous superfluous = Superfluous::kDrop) {
    std::vector<SourceTable> tables;
    for (const TableRequest& request : requests) {
      if (auto table = read_table(sql(), types_, request)) tables.push_back(*table);
    }
    return publish(sql(), "tandem_shop", tables, superfluous);
  }
  /// "publication: schema.table, …" for each.
  std::string published() {
    Rows rows = sql().query(
        "SELECT coalesce(string_agg(pubname || ' ' || schemaname || '.' || tablename, ', ' "
        "ORDER BY pubname, schemaname, tablename), '') FROM pg_publication_tables");
    return rows.text(0, 0);
  }
  static TableRequest insert_only(std::string name) {
    TableRequest request{std::move(name)};
    request.insert_only = true;
    return request;
  }

  TypeCatalog types_;
};

using Names = std::vector<std::string>;

TEST_F(PostgresPublication, HoldsExactlyTheCapturedTables) {
  play(
      "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); "
      "CREATE TABLE \"C d\" (id int PRIMARY KEY); ALTER TABLE \"C d\" REPLICA IDENTITY NOTHING;"
      "CREATE TABLE child () INHERITS (a);"
      "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);"
      "CREATE TABLE p1 PARTITION OF p DEFAULT");
  Published made =
      make({TableRequest{"a"}, TableRequest{"p"}, insert_only("C d"), TableRequest{"nothing"}});
  EXPECT_TRUE(made.created);
  EXPECT_EQ(made.names, (Names{"tandem_shop", "tandem_shop_inserts"}));
  EXPECT_EQ(made.added, (Names{"a", "p", "C d"}));
  EXPECT_EQ(published(),
            "tandem_shop public.a, tandem_shop public.p, tandem_shop_inserts public.C d");
  made = make({TableRequest{"a"}, TableRequest{"p"}, insert_only("C d")});
  EXPECT_FALSE(made.created);
  EXPECT_EQ(made.added, Names{});
  made = make({TableRequest{"b"}}, Superfluous::kKeep);
  EXPECT_EQ(made.added, Names{"b"});
  EXPECT_EQ(published(),
            "tandem_shop public.a, tandem_shop public.b, tandem_shop public.p, "
            "tandem_shop_inserts public.C d");
  make({TableRequest{"b"}});
  EXPECT_EQ(published(), "tandem_shop public.b");
  play("UPDATE \"C d\" SET id = 1");
}

TEST_F(PostgresPublication, PutsBackWhatWasChangedByHand) {
  play("CREATE TABLE a (id int PRIMARY KEY, x text); CREATE TABLE b (id int PRIMARY KEY)");
  const std::vector<TableRequest> both{TableRequest{"a"}, TableRequest{"b"}};
  make(both);
  play("ALTER PUBLICATION tandem_shop DROP TABLE b");
  EXPECT_EQ(make(both).added, Names{"b"});
  if (sql().server_version() >= 150000) {
    play("ALTER PUBLICATION tandem_shop SET TABLE a WHERE (id > 5), b (id)");
    EXPECT_EQ(make(both).added, (Names{"a", "b"}));
  }
  EXPECT_EQ(make(both).added, Names{});
  play("ALTER PUBLICATION tandem_shop SET (publish = 'insert')");
  EXPECT_EQ(make(both).added, (Names{"a", "b"}));
  play("DROP TABLE a; CREATE TABLE a (id int PRIMARY KEY)");
  EXPECT_EQ(make(both).added, Names{"a"});
  play("DROP PUBLICATION tandem_shop");
  EXPECT_TRUE(make(both).created);
}

TEST_F(PostgresPublication, LeavesThoseOfOthersAlone) {
  play(
      "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); "
      "CREATE PUBLICATION tandem_shop FOR TABLE a");
  EXPECT_EQ(make({TableRequest{"a"}}).names, Names{"tandem_shop"});
  try {
    make({TableRequest{"a"}, TableRequest{"b"}});
    FAIL() << "it does not publish b";
  } catch (const state::Error& error) {
    EXPECT_NE(error.message().find("b: it is not in the publication tandem_shop"),
              std::string::npos)
        << error.what();
  }
  EXPECT_EQ(make({TableRequest{"a"}, insert_only("b")}).names,
            (Names{"tandem_shop", "tandem_shop_inserts"}));
  EXPECT_EQ(published(), "tandem_shop public.a, tandem_shop_inserts public.b");
  EXPECT_FALSE(write_owner(sql(), "tandem_shop", {"log", 1, 1}));
  create_slot(sql(), database());
  std::vector<std::string> left = drop_installation(sql(), database(), "tandem_shop");
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(published(), "tandem_shop public.a");
  EXPECT_FALSE(read_slot(sql(), database()).has_value());
  create_slot(sql(), database());
  left = drop_installation(sql(), database(), "tandem_shop");
  EXPECT_EQ(left.size(), 2U);
  EXPECT_TRUE(read_slot(sql(), database()).has_value());
  play("DROP PUBLICATION tandem_shop; CREATE PUBLICATION tandem_shop FOR ALL TABLES");
  EXPECT_EQ(make({TableRequest{"a"}, insert_only("b")}).names, Names{"tandem_shop"});
  if (sql().server_version() >= 150000) {
    play(
        "DROP PUBLICATION tandem_shop; CREATE PUBLICATION tandem_shop FOR TABLES IN SCHEMA public "
        "WITH (publish = 'insert, update')");
    EXPECT_THROW(make({TableRequest{"a"}}), state::Error);
  }
}

TEST_F(PostgresPublication, OwnerRowIsItsComment) {
  EXPECT_FALSE(write_owner(sql(), "tandem_shop", {"log", 1, 1}));
  make({});
  EXPECT_FALSE(read_owner(sql(), "tandem_shop").has_value());
  const PublicationOwner owner{"c0ffee", 42, 7};
  EXPECT_TRUE(write_owner(sql(), "tandem_shop", owner));
  EXPECT_EQ(read_owner(sql(), "tandem_shop"), owner);
  EXPECT_FALSE(make({}).created);
  EXPECT_TRUE(drop_installation(sql(), "none", "tandem_shop").empty());
  EXPECT_TRUE(read_publications(sql(), "tandem_shop").empty());
}

TEST_F(PostgresPublication, SlotTellsItsState) {
  EXPECT_FALSE(read_slot(sql(), database()).has_value());
  make({});
  create_slot(sql(), database());
  std::optional<Slot> slot = read_slot(sql(), database());
  ASSERT_TRUE(slot.has_value());
  EXPECT_EQ(slot->shortcoming(database()), "");
  EXPECT_EQ(slot->shortcoming("other"), "it belongs to the database " + database());
  EXPECT_EQ(slot->wal_status, "reserved");
  EXPECT_EQ(slot->active_pid, 0);
  EXPECT_GT(slot->restart, 0U);
  EXPECT_LE(slot->restart, slot->confirmed);
  EXPECT_LE(slot->confirmed, slot->written);
  EXPECT_EQ(slot->failover, sql().server_version() >= 170000);
  {
    Connection holder(own(), "a holder", Connection::Purpose::kReplication);
    holder.start_copy_both("START_REPLICATION SLOT " + database() +
                           " LOGICAL 0/0 (proto_version '1', publication_names 'tandem_shop')");
    slot = read_slot(sql(), database());
    EXPECT_NE(slot->active_pid, 0);
    EXPECT_NE(slot->holder.find("application 'a holder'"), std::string::npos) << slot->holder;
    EXPECT_THROW(drop_installation(sql(), database(), "tandem_shop"), state::Error);
    EXPECT_TRUE(read_owner(sql(), "tandem_shop") == std::nullopt);
    EXPECT_EQ(read_publications(sql(), "tandem_shop").size(), 2U);
    sql().query("SELECT pg_terminate_backend($1, 5000)", {std::to_string(slot->active_pid)});
  }
  drop_slot(sql(), database());
  drop_slot(sql(), database());
  EXPECT_FALSE(read_slot(sql(), database()).has_value());
}

}  // namespace
}  // namespace tandem::capture::postgres
