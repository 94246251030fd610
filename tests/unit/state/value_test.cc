// Rows as bytes: exact, equal only when the values are, and safe against any bytes.
#include "state/value.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>

#include "random_records.h"
#include "state/error.h"

namespace tandem::state {
namespace {

TEST(Value, RowsComeBackExactly) {
  std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  RandomRecords random(seed);
  for (int round = 0; round < 5'000; ++round) {
    Row a = random.row(8);
    Row b = random.row(2);
    ASSERT_EQ(decode_row(encode_row(a)), a);
    ASSERT_EQ(encode_row(a) == encode_row(b), a == b);
    std::string both = encode_row(a);
    encode_row(b, both);
    std::string_view rest = both;
    ASSERT_EQ(decode_row_prefix(rest), a);
    ASSERT_EQ(decode_row_prefix(rest), b);
    ASSERT_TRUE(rest.empty());
  }
}

TEST(Value, TellsApartWhatOnlyLooksEqual) {
  const Value values[] = {Value::null(),
                          Value::unchanged(),
                          Value::integer(0),
                          Value::integer(1),
                          Value::real(0.0),
                          Value::real(-0.0),
                          Value::real(1.0),
                          Value::text(""),
                          Value::blob(""),
                          Value::text("1"),
                          Value::blob("1"),
                          Value::text(std::string(1, '\0')),
                          Value::integer(1LL << 53),
                          Value::integer((1LL << 53) + 1)};
  for (const Value& a : values) {
    for (const Value& b : values) {
      EXPECT_EQ(a == b, &a == &b) << to_display(a) << " and " << to_display(b);
      EXPECT_EQ(encode_row({a}) == encode_row({b}), &a == &b);
    }
  }
  Value nan = Value::real(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(nan, nan);
}

TEST(Value, IntegersOfOneSignSortByTheirBytes) {
  std::vector<std::int64_t> numbers = {0};
  for (int bit = 0; bit < 63; ++bit) {
    for (std::int64_t near : {-1, 0, 1}) numbers.push_back((std::int64_t{1} << bit) + near);
  }
  numbers.push_back(std::numeric_limits<std::int64_t>::max());
  std::sort(numbers.begin(), numbers.end());
  std::string before_up, before_down;
  for (std::int64_t number : numbers) {
    const std::string up = encode_row({Value::integer(number)});
    const std::string down = encode_row({Value::integer(-number - 1)});
    EXPECT_LE(before_up, up) << number;
    EXPECT_LE(before_down, down) << -number - 1;
    EXPECT_EQ(decode_row(up)[0].as_integer(), number);
    EXPECT_EQ(decode_row(down)[0].as_integer(), -number - 1);
    before_up = up;
    before_down = down;
  }
}

TEST(Value, RefusesBytesThatAreNoRow) {
  for (const std::string& bytes :
       {std::string(), std::string("\x01"), std::string("\x01\x09"), std::string("\x01\x03 123456"),
        std::string("\x01\x04\x05 abc"), std::string("\x00x", 2), std::string("\xff\xff\xff\xff"),
        std::string("\x01\x19\xff\xff\xff\xff\xff\xff\xff\xff\xff")}) {
    EXPECT_THROW(decode_row(bytes), Error);
  }
}

}  // namespace
}  // namespace tandem::state
