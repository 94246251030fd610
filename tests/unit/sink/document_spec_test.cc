// Templates, paths and nearest names.
#include "sink/document_spec.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace tandem::sink {
namespace {

std::string message_of(std::string_view text) {
  try {
    parse_template(text, 1);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(ParsePath, SplitsAtDotsOutsideBrackets) {
  EXPECT_EQ(parse_path("Name", 3).segments, std::vector<std::string>{"Name"});
  EXPECT_EQ(parse_path("author.land.name", 3).segments,
            (std::vector<std::string>{"author", "land", "name"}));
  EXPECT_EQ(parse_path("[odd name]", 3).segments, std::vector<std::string>{"odd name"});
  EXPECT_EQ(parse_path("track.[a.b:c}]", 3).segments,
            (std::vector<std::string>{"track", "a.b:c}"}));
  EXPECT_EQ(parse_path("[a]]b]", 3).segments, std::vector<std::string>{"a]b"});
  EXPECT_EQ(parse_path("$page", 3).segments, std::vector<std::string>{"$page"});
  EXPECT_EQ(parse_path("first name", 3).segments, std::vector<std::string>{"first name"});
  EXPECT_EQ(parse_path("Name", 3).line, 3);
}

TEST(ParsePath, RefusesWhatIsNoPath) {
  for (const char* text : {"", ".", "a.", ".a", "a..b", "[a", "[]", "a:b", "a}", "[a]b"}) {
    EXPECT_THROW(parse_path(text, 1), std::invalid_argument) << text;
  }
}

TEST(ParseTemplate, TakesLiteralsAndPlaceholdersInTurn) {
  Template parsed = parse_template("ORDER#{InvoiceDate:iso8601}/{[odd}name]:pad(4):upper}", 7);
  ASSERT_EQ(parsed.parts.size(), 4U);
  EXPECT_EQ(parsed.parts[0].literal, "ORDER#");
  EXPECT_FALSE(parsed.parts[0].path.has_value());
  EXPECT_EQ(parsed.parts[1].path->segments, std::vector<std::string>{"InvoiceDate"});
  ASSERT_EQ(parsed.parts[1].filters.size(), 1U);
  EXPECT_EQ(parsed.parts[1].filters[0].name, "iso8601");
  EXPECT_EQ(parsed.parts[2].literal, "/");
  EXPECT_EQ(parsed.parts[3].path->segments, std::vector<std::string>{"odd}name"});
  ASSERT_EQ(parsed.parts[3].filters.size(), 2U);
  EXPECT_EQ(parsed.parts[3].filters[0].argument, "4");
  EXPECT_EQ(parsed.parts[3].path->line, 7);
  EXPECT_FALSE(parsed.bare());
}

TEST(ParseTemplate, KnowsABarePath) {
  EXPECT_TRUE(parse_template("{track.Name}", 1).bare());
  EXPECT_FALSE(parse_template("{track.Name:upper}", 1).bare());
  EXPECT_FALSE(parse_template(" {track.Name}", 1).bare());
  EXPECT_TRUE(parse_template("", 1).parts.empty());
}

TEST(ParseTemplate, DoubledBracesAreText) {
  Template parsed = parse_template("{{a}} {{{b}}}", 1);
  ASSERT_EQ(parsed.parts.size(), 3U);
  EXPECT_EQ(parsed.parts[0].literal, "{a} {");
  EXPECT_EQ(parsed.parts[1].path->segments, std::vector<std::string>{"b"});
  EXPECT_EQ(parsed.parts[2].literal, "}");
}

TEST(ParseTemplate, SaysWhatIsWrong) {
  EXPECT_NE(message_of("a{b").find("lacks its }"), std::string::npos);
  EXPECT_NE(message_of("a}b").find("lacks its {"), std::string::npos);
  EXPECT_NE(message_of("{}").find("a name is missing"), std::string::npos);
  EXPECT_NE(message_of("{a:uper}").find("did you mean upper?"), std::string::npos);
  EXPECT_NE(message_of("{a:pad}").find("width"), std::string::npos);
  EXPECT_NE(message_of("{a:pad(x)}").find("width"), std::string::npos);
  EXPECT_NE(message_of("{a:pad(3}").find("lacks its )"), std::string::npos);
  EXPECT_NE(message_of("{a:upper(1)}").find("no argument"), std::string::npos);
  EXPECT_NE(message_of("{a:uuid5(here)}").find("UUID"), std::string::npos);
  EXPECT_EQ(message_of("{a:uuid5(dns)}"), "");
  EXPECT_EQ(message_of("{a:uuid5(6ba7b810-9dad-11d1-80b4-00c04fd430c8)}"), "");
}

TEST(NearestName, FindsTheRightNameOrNone) {
  std::vector<std::string> names{"InvoiceDate", "InvoiceId", "CustomerId", "Total"};
  EXPECT_EQ(nearest_name("invoicedate", names), "InvoiceDate");
  EXPECT_EQ(nearest_name("InvoiceDat", names), "InvoiceDate");
  EXPECT_EQ(nearest_name("Costumer_Id", names), "CustomerId");
  EXPECT_EQ(nearest_name("Toatl", names), "Total");
  EXPECT_EQ(nearest_name("Weather", names), "");
  EXPECT_EQ(nearest_name("x", {"y"}), "");
  EXPECT_EQ(nearest_name("", names), "");
}

}  // namespace
}  // namespace tandem::sink
