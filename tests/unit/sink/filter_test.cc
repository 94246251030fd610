// Every filter, on values it can and cannot turn.
#include "sink/filter.h"

#include <gtest/gtest.h>

namespace tandem::sink {
namespace {

using state::Value;

std::string apply(const std::string& name, const Value& value, const std::string& argument = "") {
  Value result = apply_filter({name, argument}, value);
  EXPECT_EQ(result.kind(), state::ValueKind::kText);
  return result.bytes();
}

TEST(Iso8601, KeepsPrecisionAndZone) {
  const std::pair<const char*, const char*> cases[] = {
      {"2021-01-01 00:00:00", "2021-01-01T00:00:00"},
      {"2021-01-01T10:20:30", "2021-01-01T10:20:30"},
      {"2021-01-01t10:20", "2021-01-01T10:20"},
      {"2021-02-28", "2021-02-28"},
      {"2024-02-29 23:59:60.125", "2024-02-29T23:59:60.125"},
      {"2021-01-01 10:20:30Z", "2021-01-01T10:20:30Z"},
      {"2021-01-01 10:20:30.5+02", "2021-01-01T10:20:30.5+02:00"},
      {"2021-01-01 10:20:30-0330", "2021-01-01T10:20:30-03:30"},
      {"2021-01-01 10:20:30+05:45", "2021-01-01T10:20:30+05:45"},
      {"1880-01-01 10:20:30+00:53:28", "1880-01-01T10:20:30+00:53:28"},
  };
  for (auto [text, expected] : cases) EXPECT_EQ(apply("iso8601", Value::text(text)), expected);
}

TEST(Iso8601, ReadsNumbersAsSqliteDoes) {
  EXPECT_EQ(apply("iso8601", Value::integer(0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(apply("iso8601", Value::integer(-1)), "1969-12-31T23:59:59Z");
  EXPECT_EQ(apply("iso8601", Value::integer(1609459200)), "2021-01-01T00:00:00Z");
  EXPECT_EQ(apply("iso8601", Value::real(2440587.5)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(apply("iso8601", Value::real(2459215.75)), "2021-01-01T06:00:00Z");
  EXPECT_EQ(apply("iso8601", Value::integer(-62167219200)), "0000-01-01T00:00:00Z");
}

TEST(Iso8601, RefusesWhatIsNoDate) {
  for (const char* text :
       {"", "yesterday", "2021-13-01", "2021-02-29", "2021-01-00", "2021-1-1", "2021-01-01 ",
        "2021-01-01 25:00", "2021-01-01 10:60", "infinity", "2021-01-01 10:20:30.",
        "2021-01-01 10:20:30 BC", "0044-03-15 BC", "2021-01-01 10:20:30+", "2021-01-01 10:20+2"}) {
    EXPECT_THROW(apply("iso8601", Value::text(text)), InvalidItem) << text;
  }
  EXPECT_THROW(apply("iso8601", Value::integer(INT64_MAX)), InvalidItem);
  EXPECT_THROW(apply("iso8601", Value::real(1e300)), InvalidItem);
  EXPECT_THROW(apply("iso8601", Value::blob("2021-01-01")), InvalidItem);
}

TEST(Iso8601, SaysWhyItRefusesWhatPostgresqlKnows) {
  const std::pair<const char*, const char*> cases[] = {
      {"infinity", "beyond all time"},
      {"-infinity", "beyond all time"},
      {"0044-03-15 00:00:00 BC", "before the year 1"},
      {"0044-03-15 BC", "before the year 1"},
      {"10000-01-01 00:00:00+00", "behind the year 9999"},
      {"294276-12-31", "behind the year 9999"},
  };
  for (auto [text, reason] : cases) {
    try {
      apply("iso8601", Value::text(text));
      ADD_FAILURE() << text;
    } catch (const InvalidItem& error) {
      EXPECT_NE(error.message().find(reason), std::string::npos) << error.message();
    }
  }
  EXPECT_EQ(apply("iso8601", Value::text("2021-01-01 00:00:00.123+00")),
            "2021-01-01T00:00:00.123+00:00");
}

TEST(Case, MapsLettersOfEveryAlphabetAndLeavesOtherBytes) {
  EXPECT_EQ(apply("upper", Value::text("aé ß ж1")), "AÉ ß Ж1");
  EXPECT_EQ(apply("lower", Value::text("AÉ Ж1")), "aé ж1");
  EXPECT_EQ(apply("upper", Value::text("a\xff\xc3")), "A\xff\xc3");
  EXPECT_EQ(apply("upper", Value::text(std::string("a\0b", 3))), std::string("A\0B", 3));
  EXPECT_EQ(apply("lower", Value::integer(12)), "12");
}

TEST(Pad, FillsWithZerosOnTheLeft) {
  EXPECT_EQ(apply("pad", Value::integer(7), "4"), "0007");
  EXPECT_EQ(apply("pad", Value::integer(-7), "4"), "-007");
  EXPECT_EQ(apply("pad", Value::integer(12345), "4"), "12345");
  EXPECT_EQ(apply("pad", Value::text("é"), "3"), "00é");
  EXPECT_EQ(apply("pad", Value::text("-x"), "4"), "00-x");
  EXPECT_EQ(apply("pad", Value::real(1.5), "5"), "001.5");
}

TEST(Uuid5, GivesTheKnownIds) {
  EXPECT_EQ(apply("uuid5", Value::text("python.org"), "dns"),
            "886313e1-3b8a-5372-9b90-0c9aee199e5d");
  EXPECT_EQ(apply("uuid5", Value::text("python.org"), "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"),
            "886313e1-3b8a-5372-9b90-0c9aee199e5d");
}

TEST(ValueText, WritesRealsAsTheirShortestDecimal) {
  EXPECT_EQ(value_text(Value::real(0.1)), "0.1");
  EXPECT_EQ(value_text(Value::real(1.0)), "1");
  EXPECT_EQ(value_text(Value::real(-0.0)), "0");
  EXPECT_EQ(value_text(Value::real(100000.0)), "100000");
  EXPECT_EQ(value_text(Value::real(9007199254740993.0)), "9007199254740992");
  EXPECT_EQ(value_text(Value::integer(9007199254740993)), "9007199254740993");
  EXPECT_THROW(value_text(Value::blob("x")), InvalidItem);
}

}  // namespace
}  // namespace tandem::sink
