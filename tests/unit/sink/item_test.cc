#include "sink/item.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace tandem::sink {
namespace {

TEST(CanonicalNumber, OneSpellingForOneNumber) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"1", "1"},
      {"1.0", "1"},
      {"1.00", "1"},
      {"+1", "1"},
      {"001.50", "1.5"},
      {"-0", "0"},
      {"0.000", "0"},
      {"0e500", "0"},
      {"1e3", "1000"},
      {"100", "100"},
      {"1E-3", "0.001"},
      {"-12.3400e1", "-123.4"},
      {".5", "0.5"},
      {"5.", "5"},
      {"1234567e-3", "1234.567"},
      {"12345678901234567890123456789012345678", "12345678901234567890123456789012345678"},
      {"9007199254740993", "9007199254740993"},
      {"1e20", "100000000000000000000"},
  };
  for (const auto& [text, canonical] : cases) EXPECT_EQ(canonical_number(text), canonical) << text;
}

TEST(CanonicalNumber, LimitsAreTheTargets) {
  EXPECT_EQ(canonical_number("9.9999999999999999999999999999999999999E+125"),
            std::string(38, '9') + std::string(88, '0'));
  EXPECT_EQ(canonical_number("1E-130"), "0." + std::string(129, '0') + "1");
  EXPECT_THROW(canonical_number("1E+126"), InvalidItem);
  EXPECT_THROW(canonical_number("9.9E-131"), InvalidItem);
  EXPECT_THROW(canonical_number("1" + std::string(37, '0') + "1"), InvalidItem);
  EXPECT_EQ(canonical_number("1" + std::string(37, '0') + "0"), "1" + std::string(38, '0'));
  EXPECT_THROW(canonical_number("1e99999999999999999999"), InvalidItem);
}

TEST(CanonicalNumber, RefusesWhatIsNoNumber) {
  for (const char* text : {"", "-", ".", "e5", "1e", "1e+", "1x", " 1", "1 ", "NaN", "Infinity",
                           "0x10", "1.2.3", "--1"}) {
    EXPECT_THROW(canonical_number(text), InvalidItem) << text;
  }
}

TEST(Attribute, DoublesReadBackAsTheSameDouble) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  int checked = 0;
  while (checked < 2000) {
    std::uint64_t bits = random();
    double value = 0;
    static_assert(sizeof value == sizeof bits);
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value) || std::abs(value) >= 1e125 || std::abs(value) < 1e-129) continue;
    EXPECT_EQ(std::stod(Attribute::number(value).text()), value);
    checked++;
  }
  EXPECT_EQ(Attribute::number(0.1).text(), "0.1");
  EXPECT_EQ(Attribute::number(-0.0).text(), "0");
  EXPECT_THROW(Attribute::number(std::numeric_limits<double>::quiet_NaN()), InvalidItem);
  EXPECT_THROW(Attribute::number(std::numeric_limits<double>::infinity()), InvalidItem);
  EXPECT_THROW(Attribute::number(1e200), InvalidItem);
}

TEST(Attribute, MapsAreSortedAndTheLastOfAPairStands) {
  AttributeMap map = {{"b", Attribute::number(std::int64_t{1})},
                      {"a", Attribute::string("x")},
                      {"b", Attribute::number(std::int64_t{2})}};
  sort_map(map);
  ASSERT_EQ(map.size(), 2U);
  EXPECT_EQ(map[0].first, "a");
  EXPECT_EQ(map[1].second.text(), "2");
  EXPECT_EQ(find_attribute(map, "b"), &map[1].second);
  EXPECT_EQ(find_attribute(map, "c"), nullptr);
}

Item sample() {
  Item item = {
      {"PK", Attribute::string("CUSTOMER#1")},
      {"Total", Attribute::number("1.50")},
      {"Photo", Attribute::binary(std::string("\0\xFF", 2))},
      {"Active", Attribute::boolean(true)},
      {"Nothing", Attribute()},
      {"Lines", Attribute::list({Attribute::map({{"Name", Attribute::string("a\"b\n\x01")}}),
                                 Attribute::number(std::int64_t{7})})},
  };
  sort_map(item);
  return item;
}

TEST(HashItem, SameForEqualItemsOnly) {
  const state::Hash hash = hash_item(sample(), "_tandem", {});
  Item other = sample();
  EXPECT_EQ(hash_item(other, "_tandem", {}), hash);
  other.emplace_back("_tandem", Attribute::string("ours"));
  other.emplace_back("SyncedAt", Attribute::string("today"));
  sort_map(other);
  EXPECT_EQ(hash_item(other, "_tandem", {"SyncedAt"}), hash);
  EXPECT_NE(hash_item(other, "_tandem", {}), hash);
  EXPECT_NE(hash_item({{"a", Attribute::string("1")}}, "_tandem", {}),
            hash_item({{"a", Attribute::number("1")}}, "_tandem", {}));
  EXPECT_NE(hash_item({{"a", Attribute::string("")}}, "_tandem", {}),
            hash_item({{"a", Attribute()}}, "_tandem", {}));
  EXPECT_EQ(hash_item({{"a", Attribute::number("1.00")}}, "_tandem", {}),
            hash_item({{"a", Attribute::number("1")}}, "_tandem", {}));
  EXPECT_NE(hash_item({{"a", Attribute::string("bc")}}, "_tandem", {}),
            hash_item({{"ab", Attribute::string("c")}}, "_tandem", {}));
}

TEST(EncodeKey, RoundTripsAndIsSelfDelimiting) {
  const std::vector<std::string> names = {"SK", "PK"};
  Item item = sample();
  item.emplace_back("SK", Attribute::number("-12.50"));
  sort_map(item);
  const std::string bytes = encode_key(item, names);
  const Item key = decode_key(bytes, names);
  ASSERT_EQ(key.size(), 2U);
  EXPECT_EQ(find_attribute(key, "PK")->text(), "CUSTOMER#1");
  EXPECT_EQ(find_attribute(key, "SK")->text(), "-12.5");
  EXPECT_EQ(encode_key(key, names), bytes);
  EXPECT_EQ(display_key(item, {"PK", "SK"}), "PK=CUSTOMER#1 SK=-12.5");
  for (std::size_t length = 0; length < bytes.size(); length++) {
    EXPECT_THROW(decode_key(bytes.substr(0, length), names), state::Error) << length;
  }
  EXPECT_THROW(decode_key(bytes + "x", names), state::Error);
  EXPECT_THROW(encode_key(item, {"Missing"}), InvalidItem);
  EXPECT_THROW(encode_key(item, {"Active"}), InvalidItem);
  const std::string long_key(3000, 'k');
  const Item large = {{"PK", Attribute::string(long_key)}};
  EXPECT_EQ(decode_key(encode_key(large, {"PK"}), {"PK"})[0].second.text(), long_key);
}

TEST(Stamp, RoundTrips) {
  Stamp stamp;
  stamp.version = {1'790'000'000'000, 123456};
  stamp.hash = hash_item(sample(), "_tandem", {});
  stamp.name = "shop/order";
  Item item = {{"_tandem", stamp_to_attribute(stamp)}};
  EXPECT_EQ(item[0].second.find("v")->text(), "1790000000000000000000123456");
  std::optional<Stamp> read = stamp_of(item, "_tandem");
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->version, stamp.version);
  EXPECT_EQ(read->hash, stamp.hash);
  EXPECT_EQ(read->name, "shop/order");
  EXPECT_FALSE(read->deleted);
  stamp.deleted = true;
  item = {{"_tandem", stamp_to_attribute(stamp)}};
  EXPECT_TRUE(stamp_of(item, "_tandem")->deleted);
  EXPECT_FALSE(stamp_of(sample(), "_tandem").has_value());
  EXPECT_FALSE(stamp_of({{"_tandem", Attribute::string("theirs")}}, "_tandem").has_value());
  EXPECT_FALSE(stamp_of({{"_tandem", Attribute::map({{"v", Attribute::number("1.5")}})}}, "_tandem")
                   .has_value());
}

TEST(Version, NumbersKeepEpochAndOffset) {
  for (const state::Version version : {state::Version{0, 0}, state::Version{0, 17},
                                       state::Version{1, 0}, state::Version{1'790'000'000'123, 5},
                                       state::Version{~std::uint64_t{0}, 999'999'999'999'999}}) {
    std::optional<state::Version> read = state::Version::from_number(version.to_number());
    ASSERT_TRUE(read.has_value()) << version.to_number();
    EXPECT_EQ(*read, version);
    EXPECT_LE(version.to_number().size(), 35U);
  }
  EXPECT_FALSE(state::Version::from_number("").has_value());
  EXPECT_FALSE(state::Version::from_number("-1").has_value());
  EXPECT_FALSE(state::Version::from_number("1.5").has_value());
}

}  // namespace
}  // namespace tandem::sink
