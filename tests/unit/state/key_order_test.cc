// When two keys are one, with SQLite itself as the oracle.
#include "state/key_order.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "state/sqlite.h"

namespace tandem::state {
namespace {

TEST(KeyOrderTest, TakesTwoKeysForOneIfSqliteDoes) {
  std::vector<Value> values;
  for (const char* text : {"", " ", "a", "A", "a ", "A  ", "ab", "AB", "1", "1.0", "\xc3\xa4",
                           "\xc3\x84", "[", "{", "@", "`"}) {
    values.push_back(Value::text(text));
    values.push_back(Value::blob(text));
  }
  for (const char* tail : {"b", "c", "B", "bc", "b "}) {
    values.push_back(Value::text(std::string("a\0", 2) + tail));
    values.push_back(Value::text(std::string("A\0", 2) + tail));
  }
  for (std::int64_t number : {std::int64_t{0}, std::int64_t{1}, std::int64_t{9007199254740993},
                              std::int64_t{9200000000000000001}, INT64_MAX, INT64_MIN}) {
    values.push_back(Value::integer(number));
    values.push_back(Value::real(static_cast<double>(number)));
  }
  for (double number : {-0.0, 0.5, 1e300, -9.3e18, std::numeric_limits<double>::infinity()}) {
    values.push_back(Value::real(number));
  }
  for (const char* collation : {"BINARY", "NOCASE", "nocase", "RTRIM"}) {
    TableSchema schema;
    schema.name = "t";
    schema.columns = {{"k", "", collation}};
    schema.key = {0};
    Database database("", OpenMode::kReadWriteCreate);
    database.execute(std::string("CREATE TABLE t(k COLLATE ") + collation +
                     " PRIMARY KEY) WITHOUT ROWID");
    auto insert = database.prepare("INSERT OR IGNORE INTO t VALUES(?)");
    for (const Value& a : values) {
      for (const Value& b : values) {
        database.execute("DELETE FROM t");
        insert.bind(1, a).run();
        insert.bind(1, b).run();
        bool one = database.query_value("SELECT count(*) FROM t").as_integer() == 1;
        EXPECT_EQ(key_identity(schema, {a}) == key_identity(schema, {b}), one)
            << collation << " " << to_display(a) << " " << to_display(b);
      }
    }
  }
}

}  // namespace
}  // namespace tandem::state
