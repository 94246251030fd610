#include "sink/item_check.h"

#include <gtest/gtest.h>

namespace tandem::sink {
namespace {

TargetTable orders() {
  TargetTable table;
  table.name = "Orders";
  table.key = {"PK", "SK"};
  table.key_types = {AttributeType::kString, AttributeType::kNumber};
  table.indexes = {{"ByEmail", {"Email"}}};
  table.index_types = {{"Email", AttributeType::kString}};
  return table;
}

Item order() { return {{"PK", Attribute::string("a")}, {"SK", Attribute::number("1")}}; }

Item with(Item item, const std::string& name, Attribute value) {
  item.emplace_back(name, std::move(value));
  sort_map(item);
  return item;
}

TEST(CheckItem, SaysWhatTheTargetWouldRefuse) {
  EXPECT_EQ(check_item(order(), orders()), "");
  EXPECT_EQ(check_item(with(order(), "Email", Attribute::string("x")), orders()), "");
  const std::vector<std::pair<Item, std::string>> cases = {
      {{{"PK", Attribute::string("a")}}, "SK is missing"},
      {with(order(), "PK", Attribute::string("")), "PK is empty"},
      {with(order(), "PK", Attribute::number("1")), "PK is a number, not a string"},
      {with(order(), "PK", Attribute::string(std::string(2049, 'x'))), "limit is 2048"},
      {with(order(), "Email", Attribute()), "index ByEmail: the key attribute Email is null"},
      {with(order(), "Email", Attribute::string("")), "Email is empty"},
      {with(order(), "Text", Attribute::string("\xFF")), "Text: the text is not valid UTF-8"},
      {with(order(), "", Attribute::string("x")), "name is empty"},
      {with(order(), "M", Attribute::map({{"", Attribute()}})), "M: an attribute's name is empty"},
      {with(order(), "Big", Attribute::string(std::string(kMaximumItemSize, 'x'))), "400 KB"},
  };
  for (const auto& [item, reason] : cases) {
    EXPECT_NE(check_item(item, orders()).find(reason), std::string::npos)
        << reason << " / " << check_item(item, orders());
  }
}

TEST(CheckItem, SizeLimitIsExact) {
  // PKa is three bytes, SK1 two and two, Big three.
  Item item = with(order(), "Big", Attribute::string(std::string(kMaximumItemSize - 10, 'x')));
  EXPECT_EQ(item_size(item), kMaximumItemSize);
  EXPECT_EQ(check_item(item, orders()), "");
  item = with(order(), "Big", Attribute::string(std::string(kMaximumItemSize - 9, 'x')));
  EXPECT_NE(check_item(item, orders()), "");
}

TEST(CheckItem, NestingLimitIsExact) {
  auto nested = [](int levels) {
    Attribute value = Attribute::string("x");
    for (int i = 0; i < levels; i++) {
      AttributeList list;
      list.push_back(std::move(value));
      value = Attribute::list(std::move(list));
    }
    return value;
  };
  EXPECT_EQ(check_item(with(order(), "L", nested(31)), orders()), "");
  EXPECT_NE(check_item(with(order(), "L", nested(32)), orders()), "");
}

TEST(ItemSize, CountsAsTheServiceDocuments) {
  EXPECT_EQ(item_size({{"ab", Attribute::string("ü")}}), 4U);
  EXPECT_EQ(item_size({{"a", Attribute()}}), 2U);
  EXPECT_EQ(item_size({{"a", Attribute::boolean(true)}}), 2U);
  EXPECT_EQ(item_size({{"a", Attribute::binary("xyz")}}), 4U);
  EXPECT_EQ(item_size({{"a", Attribute::number("0")}}), 2U);
  EXPECT_EQ(item_size({{"a", Attribute::number("1")}}), 3U);
  EXPECT_EQ(item_size({{"a", Attribute::number("12")}}), 3U);
  EXPECT_EQ(item_size({{"a", Attribute::number("100")}}), 3U);
  EXPECT_EQ(item_size({{"a", Attribute::number("1.5")}}), 4U);
  EXPECT_EQ(item_size({{"a", Attribute::number("15.5")}}), 4U);
  EXPECT_EQ(item_size({{"a", Attribute::number("0.01")}}), 3U);
  EXPECT_EQ(item_size({{"a", Attribute::number(std::string(38, '9'))}}), 21U);
  EXPECT_EQ(item_size({{"a", Attribute::number("1200")}}), 3U);
  EXPECT_EQ(item_size({{"a", Attribute::number("123")}}), 4U);
  EXPECT_EQ(item_size({{"a", Attribute::number("-123")}}), 5U);
  EXPECT_EQ(item_size({{"a", Attribute::list({})}}), 4U);
  EXPECT_EQ(item_size({{"a", Attribute::list({Attribute(), Attribute()})}}), 8U);
  EXPECT_EQ(item_size({{"a", Attribute::map({{"bc", Attribute()}})}}), 8U);
}

TEST(IsUtf8, AcceptsExactlyWholeShortestForms) {
  for (const char* text : {"", "plain ascii text", "ü", "€", "😀", "\xED\x9F\xBF",
                           "\xF4\x8F\xBF\xBF", "aaaaaaaaüaaaaaaaa"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  EXPECT_TRUE(is_utf8(std::string_view("\0", 1)));
  for (const char* text :
       {"\x80", "\xC0\x80", "\xC3", "\xE2\x82", "\xED\xA0\x80", "\xF4\x90\x80\x80",
        "\xF8\x88\x80\x80\x80", "aaaaaaaaaaaa\xFF", "\xE0\x80\x80", "\xF0\x80\x80\x80"}) {
    EXPECT_FALSE(is_utf8(text));
  }
}

}  // namespace
}  // namespace tandem::sink
