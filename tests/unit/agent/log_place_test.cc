#include "agent/log_place.h"

#include <gtest/gtest.h>

namespace tandem::agent {
namespace {

TEST(LogPlaceTest, TimesAsPeopleWriteThem) {
  EXPECT_EQ(parse_time("1970-01-01"), 0);
  EXPECT_EQ(parse_time("1970-01-02T00:00"), 86'400'000);
  EXPECT_EQ(parse_time("1970-01-01T00:00:01.250Z"), 1250);
  EXPECT_EQ(parse_time("1970-01-01 01:00:00+01:00"), 0);
  EXPECT_EQ(parse_time("1969-12-31T19:00-0500"), 0);
  EXPECT_EQ(parse_time("2024-02-29T12:00:00Z"), 1'709'208'000'000);
  EXPECT_EQ(parse_time("1970-01-01T00:00:00.1239"), 123);
}

TEST(LogPlaceTest, OtherTextIsNoTime) {
  for (const char* text :
       {"", "beginning", "1970", "1970-01", "1970-13-01", "2023-02-29", "1970-01-01T",
        "1970-01-01T1", "1970-01-01T12", "1970-01-01T25:00", "1970-01-01T12:00:00.",
        "1970-01-01T12:00x", "1970-01-01T12:00+99:00", "1970-01-01Z9", "-1", "12a"}) {
    EXPECT_FALSE(parse_time(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace tandem::agent
