#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "sink/item.h"
#include "state/base64.h"

namespace tandem::sink {
namespace {

using state::append_base64;
using state::decode_base64;

std::string random_text(std::mt19937_64& random) {
  static const std::vector<std::string> kPieces = {
      "a",    "\"",   "\\",      "\n",       std::string(1, '\0'), "ü", "€", "😀", "/", "\t",
      "\x7f", "\x1f", "seven b", "eight by", "seventeen bytes !"};
  std::string text;
  for (std::size_t i = random() % 12; i > 0; i--) text += kPieces[random() % kPieces.size()];
  return text;
}

Attribute random_attribute(std::mt19937_64& random, int depth) {
  switch (random() % (depth > 3 ? 6 : 8)) {
    case 0:
      return {};
    case 1:
      return Attribute::boolean(random() % 2 == 0);
    case 2:
      return Attribute::number(static_cast<std::int64_t>(random()));
    case 3:
      return Attribute::number(std::to_string(random() % 100000) + "e-" +
                               std::to_string(random() % 40));
    case 4:
      return Attribute::binary(random_text(random));
    case 5:
      return Attribute::string(random_text(random));
    case 6: {
      AttributeList list;
      for (std::size_t i = random() % 4; i > 0; i--) {
        list.push_back(random_attribute(random, depth + 1));
      }
      return Attribute::list(std::move(list));
    }
    default: {
      AttributeMap map;
      for (std::size_t i = random() % 4; i > 0; i--) {
        map.emplace_back(random_text(random), random_attribute(random, depth + 1));
      }
      return Attribute::map(std::move(map));
    }
  }
}

TEST(DynamodbJson, RoundTripsAndIsValidJson) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 500; i++) {
    Item item;
    for (std::size_t k = random() % 6; k > 0; k--) {
      item.emplace_back(random_text(random), random_attribute(random, 0));
    }
    sort_map(item);
    std::string json;
    write_dynamodb_json(item, json);
    EXPECT_TRUE(nlohmann::json::accept(json)) << json;
    EXPECT_EQ(item_from_dynamodb_json(json), item) << json;
    EXPECT_TRUE(nlohmann::json::accept(to_plain_json(item, 2)));
    EXPECT_EQ(nlohmann::json::parse(to_plain_json(item)),
              nlohmann::json::parse(to_plain_json(item, 2)));
  }
}

TEST(DynamodbJson, IsWhatTheServiceSpeaks) {
  Item item = {
      {"a", Attribute::string("x\"y")},
      {"b", Attribute::binary("hi")},
      {"l", Attribute::list({Attribute::number("1.0"), Attribute(), Attribute::boolean(false)})},
      {"m", Attribute::map({{"k", Attribute::string("")}})}};
  std::string json;
  write_dynamodb_json(item, json);
  EXPECT_EQ(json, R"({"a":{"S":"x\"y"},"b":{"B":"aGk="},"l":{"L":[{"N":"1"},{"NULL":true},)"
                  R"({"BOOL":false}]},"m":{"M":{"k":{"S":""}}}})");
  Item sets =
      item_from_dynamodb_json(R"({"s":{"SS":["b","a"]},"n":{"NS":["2.0"]},"b":{"BS":["aGk="]}})");
  EXPECT_EQ(find_attribute(sets, "s")->elements()[0].text(), "a");
  EXPECT_EQ(find_attribute(sets, "n")->elements()[0].text(), "2");
  EXPECT_EQ(find_attribute(sets, "b")->elements()[0].text(), "hi");
}

TEST(DynamodbJson, RefusesMalformedText) {
  for (const char* json :
       {"", "{", "[]", R"({"a":1})", R"({"a":{"X":"1"}})", R"({"a":{"S":"1","N":"1"}})",
        R"({"a":{}})", R"({"a":{"S":"1"}} x)", R"({"a":{"N":"one"}})", R"({"a":{"B":"!"}})",
        R"({"a":{"S":"\ud800"}})", R"({"a":{"S":"\x"}})", "{\"a\":{\"S\":\"\n\"}}",
        R"({"a":{"S":"1"},})"}) {
    EXPECT_THROW(item_from_dynamodb_json(json), InvalidItem) << json;
  }
  std::string deep;
  for (int i = 0; i < 100000; i++) deep += "[";
  EXPECT_THROW(attribute_from_json(deep), InvalidItem);
}

TEST(PlainJson, ParsesWithExactNumbers) {
  Attribute value = attribute_from_json(
      R"( {"n": 12345678901234567890.123456789, "e": 1e3, "l": [true, null, "\u00fc\ud83d\ude00"], "n2": -0} )");
  EXPECT_EQ(value.find("n")->text(), "12345678901234567890.123456789");
  EXPECT_EQ(value.find("e")->text(), "1000");
  EXPECT_EQ(value.find("l")->elements()[2].text(), "ü😀");
  EXPECT_EQ(value.find("n2")->text(), "0");
  EXPECT_EQ(attribute_from_json(R"({"a":1,"a":2})").find("a")->text(), "2");
  for (const char* json :
       {"", "{a:1}", "[1,]", "01", "1.", "nul", "truex", "'x'", "[1] 2", "NaN"}) {
    EXPECT_THROW(attribute_from_json(json), InvalidItem) << json;
  }
}

TEST(Base64, KnownValuesAndRefusals) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : cases) {
    std::string out;
    append_base64(bytes, out);
    EXPECT_EQ(out, text);
    EXPECT_EQ(decode_base64(text), bytes);
  }
  for (const char* text : {"Zg", "Zg=", "Zh==", "Z===", "Zg==Zg==", "Zm9=", "Zm 9"}) {
    EXPECT_FALSE(decode_base64(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace tandem::sink
