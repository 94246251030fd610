// Decimals and timestamps in the order of a PostgreSQL source.
#include "state/source_order.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "state/replica.h"

namespace tandem::state {
namespace {

using Compare = int (*)(std::string_view, std::string_view);

/// Each list of texts is one value, and the lists go up.
void expect_order(Compare compare, const std::vector<std::vector<std::string>>& ascending) {
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      for (const std::string& a : ascending[i]) {
        for (const std::string& b : ascending[j]) {
          const int expected = i < j ? -1 : i > j ? 1 : 0;
          EXPECT_EQ(compare(a, b), expected) << a << " and " << b;
        }
      }
    }
  }
}

TEST(CompareDecimals, AsTheSourceDoes) {
  expect_order(compare_decimals, {{""},
                                  {"--1"},
                                  {"1e"},
                                  {"nan"},
                                  {"-Infinity"},
                                  {"-1e20", "-100000000000000000000"},
                                  {"-10", "-10.000"},
                                  {"-9"},
                                  {"-0.0010", "-1e-3"},
                                  {"-0.00099"},
                                  {"0", "-0", "0.000", "0e5", "+0"},
                                  {"0.00099"},
                                  {"0.001"},
                                  {"1", "1.0", "+1", "01.00", "0.1e1", "1."},
                                  {"1.00000000000000000000000000000001"},
                                  {"9"},
                                  {"10", "1E1"},
                                  {"9007199254740992"},
                                  {"9007199254740993"},
                                  {"1e999999999999"},
                                  {"Infinity"},
                                  {"NaN"}});
}

TEST(CompareTimestamps, ByTheMoment) {
  expect_order(compare_timestamps,
               {{""},
                {"12:00:00"},
                {"2021-13-01"},
                {"yesterday"},
                {"-infinity"},
                {"4714-11-24 00:00:00 BC"},
                {"0044-03-15 BC", "0044-03-15 00:00:00+00 BC"},
                {"0001-12-31 23:59:59.999999 BC"},
                {"0001-01-01"},
                {"1969-12-31 23:59:59"},
                {"1970-01-01", "1970-01-01T00:00:00Z", "1970-01-01 01:30:00+01:30"},
                {"1970-01-01 00:00:00.000001+00"},
                {"2021-01-01 09:59:59"},
                {"2021-01-01 10:00:00", "2021-01-01 10:00:00.000", "2021-01-01 02:00:00-08",
                 "2021-01-01 10:53:28+00:53:28"},
                {"2024-02-29"},
                {"2024-03-01", "2024-02-29 24:00:00"},
                {"9999-12-31 23:59:59"},
                {"10000-01-01"},
                {"294276-12-31 23:59:59.999999"},
                {"5874897-12-31"},
                {"infinity"}});
}

TEST(SourceCollations, ExistInQueries) {
  Database database(":memory:", OpenMode::kReadWrite);
  add_source_collations(database);
  EXPECT_EQ(database.query_value("SELECT '10' > '9' COLLATE tandem_decimal").as_integer(), 1);
  EXPECT_EQ(database
                .query_value("SELECT group_concat(v, ' ') FROM (SELECT column1 AS v FROM (VALUES"
                             "('10000-01-01'), ('infinity'), ('9999-01-01'), ('0001-01-01 BC')) "
                             "ORDER BY v COLLATE tandem_timestamp)")
                .bytes(),
            "0001-01-01 BC 9999-01-01 10000-01-01 infinity");
}

}  // namespace
}  // namespace tandem::state
