// Making what is missing at a real server beside what others have there.
#include "capture/postgres/catalog.h"
#include "capture/postgres/installation.h"
#include "capture/postgres/publication.h"
#include "capture/postgres/slot.h"
#include "postgres_server.h"

namespace tandem::capture::postgres {
namespace {

class PostgresInstallation : public PostgresServer {
 protected:
  static TableRequest insert_only(std::string name) {
    TableRequest request{std::move(name)};
    request.insert_only = true;
    return request;
  }
};

// Reading tables that the publication of others leaves out takes one of ours, and that takes a
// newer slot.
TEST_F(PostgresInstallation, DropsNoSlotThatMayBeOfOthersForAPublication) {
  play(
      "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); "
      "CREATE PUBLICATION theirs FOR TABLE a");
  const std::string slot = "of_" + database();
  create_slot(sql(), slot);
  const std::optional<Slot> before = read_slot(sql(), slot);
  const std::vector<TableRequest> tables = {{"a"}, insert_only("b")};
  EXPECT_THROW(make_installation(sql(), {slot, "theirs"}, tables), state::Error);
  EXPECT_EQ(read_publications(sql(), "theirs").size(), 1U);
  const std::optional<Slot> after = read_slot(sql(), slot);
  ASSERT_TRUE(before && after);
  EXPECT_EQ(after->restart, before->restart);
  EXPECT_EQ(after->confirmed, before->confirmed);

  // The same slot where the log was read through it.
  const Installation made = make_installation(sql(), {slot, "theirs", true}, tables);
  EXPECT_TRUE(made.slot_is_new);
  EXPECT_NE(made.slot_was_lost, "");
  EXPECT_EQ(made.publications, (std::vector<std::string>{"theirs", "theirs_inserts"}));
}

TEST_F(PostgresInstallation, TakesAMissingPublicationForAReasonToClaimAnew) {
  play("CREATE TABLE a (id int PRIMARY KEY)");
  const InstallationNames names = {"tandem_" + database(), "tandem_shop"};
  const Installation made = make_installation(sql(), names, {{"a"}});
  EXPECT_TRUE(made.slot_is_new);
  EXPECT_EQ(made.slot_was_lost, "");
  EXPECT_FALSE(make_installation(sql(), names, {{"a"}}).slot_is_new);
  TypeCatalog types;
  const std::vector<SourceTable> tables = {*read_table(sql(), types, {"a"})};
  EXPECT_TRUE(keep_published(sql(), names, tables).value().empty());
  for (const char* gone : {"tandem_shop", "tandem_shop_inserts"}) {
    play(std::string("DROP PUBLICATION ") + gone);
    EXPECT_THROW(keep_published(sql(), names, tables), SourceReplaced);
    EXPECT_EQ(read_publications(sql(), names.publication).size(), 1U) << "it was made again";
    const Installation again = make_installation(sql(), names, {{"a"}});
    EXPECT_TRUE(again.slot_is_new);
    EXPECT_NE(again.slot_was_lost, "");
    EXPECT_TRUE(keep_published(sql(), names, tables).value().empty());
  }
}

}  // namespace
}  // namespace tandem::capture::postgres
