// What is said while the making of a slot waits for a transaction.
#include <chrono>
#include <future>
#include <map>
#include <string>
#include <utility>

#include "capture/postgres/postgres_source.h"
#include "postgres_server.h"

namespace tandem::capture::postgres {
namespace {

class PostgresSlotWait : public PostgresServer {
 protected:
  std::string url() const {
    std::map<std::string, std::string> settings;
    for (const auto& [name, value] : own().parameters) settings[name] = value;
    std::string url;
    for (const auto& [name, value] : settings) url += name + "='" + value + "' ";
    return url;
  }
};

TEST_F(PostgresSlotWait, SaysWhichTransactionIsWaitedFor) {
  play("CREATE TABLE a (id int PRIMARY KEY)");
  PostgresOptions options;
  options.url = url();
  options.pipeline = "shop";
  options.slot = options.publication = database();
  std::promise<std::string> told;
  // Others may run transactions on the same server.
  options.tell = [&told, first = true](const std::string& sentence) mutable {
    const bool ours = sentence.find("'tandem test'") != std::string::npos;
    if (ours && std::exchange(first, false)) told.set_value(sentence);
  };
  const auto source = open_postgres_source(options, {TableRequest{"a"}});
  play("BEGIN");
  play("INSERT INTO a VALUES (1)");
  std::future<void> made = std::async(std::launch::async, [&] { source->install(); });
  std::future<std::string> sentence = told.get_future();
  const bool was_told = sentence.wait_for(std::chrono::seconds(60)) == std::future_status::ready;
  play("COMMIT");
  made.get();
  ASSERT_TRUE(was_told);
  const std::string text = sentence.get();
  EXPECT_NE(text.find("slot " + database()), std::string::npos) << text;
  EXPECT_NE(text.find("application 'tandem test', idle in transaction"), std::string::npos) << text;
}

}  // namespace
}  // namespace tandem::capture::postgres
