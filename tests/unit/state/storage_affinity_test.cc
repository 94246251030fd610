// What a column keeps, with SQLite itself as the oracle.
#include "state/storage_affinity.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "state/sqlite.h"
#include "tests/unit/sanitizer.h"

namespace tandem::state {
namespace {

std::vector<Value> awkward_values() {
  std::vector<Value> values = {Value::null(), Value::blob(""), Value::blob("12")};
  for (std::int64_t number :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{-5}, INT64_MAX, INT64_MIN, INT64_MAX - 1}) {
    values.push_back(Value::integer(number));
  }
  for (double number : {0.0, -0.0, 1.0, 1.5, 1e15, 1e18, 9007199254740993.0, 9.2e18, 9.3e18,
                        9223372036854775807.0, -9223372036854775808.0, 9223372036854774784.0, 1e300,
                        5e-324, std::numeric_limits<double>::infinity()}) {
    values.push_back(Value::real(number));
    values.push_back(Value::real(-number));
  }
  for (const char* text :
       {"",      " ",     "1",     " 1 ",  "+1",  "-1", "1.",         ".5",   ".",   "+",
        "1e5",   "1e",    "1e+",   "1e+5", "0x1", "1a", "2021-01-01", "1 2",  "inf", "nan",
        "1_000", "1e400", "\t1\n", "1.0",  "--1", "e5", "1.5e-3",     "00012"}) {
    values.push_back(Value::text(text));
  }
  values.push_back(Value::text(std::string("1\0", 2)));
  values.push_back(Value::text("99999999999999999999999999"));
  values.push_back(Value::text("1\v\f\r"));
  return values;
}

TEST(StorageAffinityTest, AgreesWithSqlite) {
  std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<Value> values = awkward_values();
  constexpr char kLetters[] = "0123456789..++--eE  a\t";
  for (int i = 0; i < testing_support::rounds(3000); ++i) {
    std::string text(random() % 7, ' ');
    for (char& c : text) c = kLetters[random() % (sizeof kLetters - 1)];
    values.push_back(Value::text(std::move(text)));
  }
  Database database("", OpenMode::kReadWriteCreate);
  for (const char* type : {"", "TEXT", "varchar(20)", "CLOB", "BLOB", "INTEGER", "int", "BIGINT",
                           "REAL", "DOUBLE PRECISION", "float", "NUMERIC", "DECIMAL(10,2)",
                           "DATETIME", "BOOLEAN", "CHARINT", "STRING", "floating point"}) {
    database.execute("DROP TABLE IF EXISTS t");
    database.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v " +
                     (*type == '\0' ? "" : quote_identifier(type)) + ")");
    auto put = database.prepare("INSERT OR REPLACE INTO t VALUES(1, ?)");
    auto get = database.prepare("SELECT v FROM t");
    for (const Value& value : values) {
      put.bind(1, value).run();
      ASSERT_TRUE(get.step());
      EXPECT_EQ(keeps(storage_affinity(type), value), get.value(0) == value)
          << type << " holds " << to_display(value) << " as " << to_display(get.value(0));
      get.reset();
    }
  }
}

}  // namespace
}  // namespace tandem::state
