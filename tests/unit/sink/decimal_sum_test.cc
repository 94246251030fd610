// Exact decimal sums, against plain integer arithmetic and known cases.
#include "sink/decimal_sum.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <random>

#include "sink/aggregate.h"

namespace tandem::sink {
namespace {

__extension__ using Int128 = __int128;

std::string sum_of(std::initializer_list<std::string_view> decimals) {
  DecimalSum sum;
  for (std::string_view decimal : decimals) EXPECT_TRUE(sum.add(decimal)) << decimal;
  return sum.text();
}

TEST(DecimalSum, IsExact) {
  EXPECT_EQ(sum_of({}), "0");
  EXPECT_EQ(sum_of({"0.1", "0.2"}), "0.3");
  EXPECT_EQ(sum_of({"1.50", "-1.5"}), "0");
  EXPECT_EQ(sum_of({"-0.05", "+0.04"}), "-0.01");
  EXPECT_EQ(sum_of({"1e3", ".5", "2."}), "1002.5");
  EXPECT_EQ(sum_of({"99999999999999999999999999999999999999", "1"}),
            "100000000000000000000000000000000000000");
  EXPECT_EQ(sum_of({"12345678901234567890123456789.123456789", "1e-30"}),
            "12345678901234567890123456789.123456789000000000000000000001");
  EXPECT_EQ(sum_of({"1e40", "-1e40", "7"}), "7");
  EXPECT_EQ(sum_of({"1e20", "1e-20"}), "100000000000000000000.00000000000000000001");
}

TEST(DecimalSum, TakesDoublesAsTheirShortestDecimal) {
  DecimalSum sum;
  EXPECT_TRUE(sum.add(0.1));
  EXPECT_TRUE(sum.add(0.2));
  EXPECT_EQ(sum.text(), "0.3");
  EXPECT_TRUE(sum.add(1e300));
  EXPECT_TRUE(sum.add(-1e300));
  EXPECT_EQ(sum.text(), "0.3");
  EXPECT_FALSE(sum.add(std::numeric_limits<double>::infinity()));
  EXPECT_FALSE(sum.add(std::nan("")));
  EXPECT_EQ(sum.text(), "0.3");
}

TEST(DecimalSum, RefusesWhatIsNoDecimal) {
  for (const char* text : {"", "-", ".", "1x", "0x10", "1e", "1e+-5", "--1", "1 ", " 1", "1e999999",
                           "NaN", "Infinity", "1.2.3"}) {
    DecimalSum sum;
    EXPECT_FALSE(sum.add(std::string_view(text))) << text;
    EXPECT_EQ(sum.text(), "0");
  }
}

TEST(DecimalSum, HoldsTheLargestIntegersManyTimes) {
  DecimalSum sum;
  for (int i = 0; i < 1000; ++i) sum.add(std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(sum.text(), "-9223372036854775808000");
  EXPECT_TRUE(sum.add(std::string_view("0.000000000000000001")));
  EXPECT_EQ(sum.text(), "-9223372036854775807999.999999999999999999");
}

TEST(DecimalSum, AgreesWithIntegersAtAnyScale) {
  auto seed = static_cast<unsigned>(std::chrono::steady_clock::now().time_since_epoch().count());
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int round = 0; round < 200; ++round) {
    DecimalSum sum;
    // In units of 10^-20, within 128 bits.
    Int128 expected = 0;
    for (int i = 0; i < 50; ++i) {
      std::int64_t number = static_cast<std::int64_t>(random() % 2000001) - 1000000;
      int scale = static_cast<int>(random() % 21);
      EXPECT_TRUE(sum.add(std::string_view(std::to_string(number) + "e-" + std::to_string(scale))));
      Int128 units = number;
      for (int power = scale; power < 20; ++power) units *= 10;
      expected += units;
    }
    DecimalSum scaled;
    std::string digits;
    bool negative = expected < 0;
    for (Int128 rest = negative ? -expected : expected; rest != 0; rest /= 10) {
      digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
    }
    if (digits.empty()) digits = "0";
    EXPECT_TRUE(scaled.add(std::string_view((negative ? "-" : "") + digits + "e-20")));
    ASSERT_EQ(sum.text(), scaled.text());
  }
}

TEST(CompareValues, AsSqliteOrdersThem) {
  using state::Value;
  auto compare = [](const Value& a, const Value& b, const char* collation = "BINARY") {
    int order = compare_values(a, b, collation, state::ColumnForm::kAny);
    int reversed = compare_values(b, a, collation, state::ColumnForm::kAny);
    EXPECT_EQ(order<0, reversed> 0);
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  };
  EXPECT_EQ(compare(Value::integer(2), Value::text("1")), -1);
  EXPECT_EQ(compare(Value::text("z"), Value::blob("a")), -1);
  EXPECT_EQ(compare(Value::integer(9007199254740993), Value::real(9007199254740992.0)), 1);
  EXPECT_EQ(compare(Value::integer(INT64_MAX), Value::real(9223372036854775808.0)), -1);
  EXPECT_EQ(compare(Value::integer(INT64_MIN), Value::real(-9223372036854775808.0)), 0);
  EXPECT_EQ(compare(Value::integer(-1), Value::real(-1.5)), 1);
  EXPECT_EQ(compare(Value::integer(1), Value::real(HUGE_VAL)), -1);
  EXPECT_EQ(compare(Value::text("B"), Value::text("a")), -1);
  EXPECT_EQ(compare(Value::text("B"), Value::text("a"), "NOCASE"), 1);
  EXPECT_EQ(compare(Value::text("A"), Value::text("a"), "NOCASE"), -1);
  EXPECT_EQ(compare(Value::text("a "), Value::text("a"), "RTRIM"), 1);
}

}  // namespace
}  // namespace tandem::sink
