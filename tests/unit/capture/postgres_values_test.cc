// What comes out of PostgreSQL's text, and that the way back gives the same value.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

#include "capture/postgres/value_decoder.h"
#include "state/error.h"

namespace tandem::capture::postgres {
namespace {

using state::ColumnForm;
using state::Value;

TEST(PostgresValues, IntegersToTheirLimits) {
  EXPECT_EQ(decode_value(ColumnForm::kInteger, "9223372036854775807"),
            Value::integer(std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(decode_value(ColumnForm::kInteger, "-9223372036854775808"),
            Value::integer(std::numeric_limits<std::int64_t>::min()));
  EXPECT_EQ(decode_value(ColumnForm::kInteger, "4294967295"), Value::integer(4294967295));
  for (const char* text : {"9223372036854775808", "1.0", "", " 1", "1 ", "0x1"}) {
    EXPECT_THROW(decode_value(ColumnForm::kInteger, text), state::Error) << text;
  }
}

TEST(PostgresValues, FloatsKeepTheirBitsAndTheirNames) {
  for (const char* text : {"NaN", "Infinity", "-Infinity"}) {
    EXPECT_EQ(decode_value(ColumnForm::kFloat, text), Value::text(text));
  }
  Value zero = decode_value(ColumnForm::kFloat, "-0");
  ASSERT_EQ(zero, Value::real(-0.0));
  EXPECT_TRUE(std::signbit(zero.as_real()));
  EXPECT_EQ(to_text(zero, ColumnForm::kFloat), "-0");
  EXPECT_EQ(decode_value(ColumnForm::kFloat, "1e+300"), Value::real(1e300));
  EXPECT_EQ(decode_value(ColumnForm::kFloat, "5e-324"), Value::real(5e-324));
  EXPECT_EQ(decode_value(ColumnForm::kFloat, "1.7976931348623157e+308"),
            Value::real(std::numeric_limits<double>::max()));
  for (const char* text : {"nan", "inf", "infinity", "1e999", "", "1,5", "0x1p3"}) {
    EXPECT_THROW(decode_value(ColumnForm::kFloat, text), state::Error) << text;
  }
}

TEST(PostgresValues, SingleFloatsKeepTheirDigits) {
  for (const char* text : {"0.1", "3.4028235e+38", "1e-45", "16777216"}) {
    Value value = decode_value(ColumnForm::kFloat, text);
    const std::string back = to_text(value, ColumnForm::kFloat);
    EXPECT_EQ(std::strtof(back.c_str(), nullptr), std::strtof(text, nullptr)) << text;
  }
  EXPECT_EQ(to_text(decode_value(ColumnForm::kFloat, "0.1"), ColumnForm::kFloat), "0.1");
}

TEST(PostgresValues, RandomFloatsGoBothWays) {
  std::random_device device;
  const unsigned seed = device();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    double number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    Value value = Value::real(number);
    ASSERT_EQ(decode_value(ColumnForm::kFloat, to_text(value, ColumnForm::kFloat)), value);
  }
}

TEST(PostgresValues, Booleans) {
  EXPECT_EQ(decode_value(ColumnForm::kBoolean, "t"), Value::integer(1));
  EXPECT_EQ(decode_value(ColumnForm::kBoolean, "f"), Value::integer(0));
  EXPECT_EQ(to_text(Value::integer(1), ColumnForm::kBoolean), "t");
  EXPECT_EQ(to_text(Value::integer(0), ColumnForm::kBoolean), "f");
  EXPECT_EQ(to_text(Value::integer(0), ColumnForm::kInteger), "0");
  EXPECT_THROW(decode_value(ColumnForm::kBoolean, "true"), state::Error);
}

TEST(PostgresValues, Bytes) {
  EXPECT_EQ(decode_value(ColumnForm::kBytes, "\\x"), Value::blob(""));
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  std::string text = to_text(Value::blob(all), ColumnForm::kBytes);
  EXPECT_EQ(text.substr(0, 8), "\\x000102");
  EXPECT_EQ(decode_value(ColumnForm::kBytes, text), Value::blob(all));
  EXPECT_EQ(decode_value(ColumnForm::kBytes, "\\xAbcD"), Value::blob("\xab\xcd"));
  for (const char* malformed : {"", "\\", "abcd", "\\x1", "\\x0g", "\\xg0", "\\x00\\\\"}) {
    EXPECT_THROW(decode_value(ColumnForm::kBytes, malformed), state::Error) << malformed;
  }
}

TEST(PostgresValues, EverythingElseIsItsText) {
  for (ColumnForm form : {ColumnForm::kText, ColumnForm::kDecimal, ColumnForm::kJson,
                          ColumnForm::kTimestamp, ColumnForm::kAny}) {
    EXPECT_EQ(decode_value(form, "1.00"), Value::text("1.00"));
    EXPECT_EQ(decode_value(form, ""), Value::text(""));
    EXPECT_EQ(to_text(Value::text("infinity"), form), "infinity");
  }
  EXPECT_THROW(to_text(Value::null(), ColumnForm::kText), state::Error);
}

}  // namespace
}  // namespace tandem::capture::postgres
