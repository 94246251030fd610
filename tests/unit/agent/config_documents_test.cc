// The grammar of documents, read into sink::DocumentSpec.
#include <gtest/gtest.h>

#include "config_text.h"

namespace tandem::agent {
namespace {

using sink::Attribute;
using sink::ValueSpec;
using Comparison = sink::Where::Comparison;

sink::DocumentSpec document(const std::string& text, const Variables& variables = {}) {
  return parse(with_documents(text), variables).documents.at(0);
}

/// The values of the item, by name.
std::map<std::string, ValueSpec> values(const std::string& item) {
  std::map<std::string, ValueSpec> found;
  const Config config = parse(with_item(item));
  for (const auto& [name, value] : config.documents.at(0).item.entries) {
    found.emplace(name, value);
  }
  return found;
}

Attribute constant(const ValueSpec& value) {
  return std::get<sink::ConstantSpec>(value.node).value;
}

std::string text_of(const sink::Path& path) {
  std::string text;
  for (const std::string& segment : path.segments) text += (text.empty() ? "" : "/") + segment;
  return text;
}

TEST(ConfigDocumentsTest, RelationsNestAndKeepTheirJoins) {
  sink::DocumentSpec spec = document(R"(
  d:
    table: Items
    root: Track
    one:
      album: {table: Album, on: AlbumId}
      artist: {table: Artist, on: {ArtistId: album.ArtistId}}
    many:
      entries:
        table: PlaylistTrack
        on: {TrackId: root.TrackId, "[odd name]": "[other.name]"}
        where: {Hidden: 0}
        order_by: [track.Name, -TrackId]
        one: {track: {table: Track, on: TrackId}}
    item: {PK: a, SK: b}
)");
  EXPECT_EQ(spec.root, "Track");
  EXPECT_EQ(spec.line, 8);
  EXPECT_EQ(spec.table_line, 9);
  EXPECT_EQ(spec.root_line, 10);
  ASSERT_EQ(spec.relations.size(), 3U);
  EXPECT_EQ(spec.relations[0].name, "album");
  EXPECT_FALSE(spec.relations[0].many);
  EXPECT_EQ(spec.relations[0].on[0].first, "AlbumId");
  EXPECT_EQ(text_of(spec.relations[0].on[0].second), "AlbumId");
  EXPECT_EQ(spec.relations[0].line, 12);
  EXPECT_EQ(text_of(spec.relations[1].on[0].second), "album/ArtistId");
  const sink::RelationSpec& entries = spec.relations[2];
  EXPECT_TRUE(entries.many);
  EXPECT_EQ(entries.table, "PlaylistTrack");
  EXPECT_EQ(text_of(entries.on[0].second), "root/TrackId");
  EXPECT_EQ(entries.on[1].first, "odd name");
  EXPECT_EQ(text_of(entries.on[1].second), "other.name");
  EXPECT_EQ(entries.where.tests.size(), 1U);
  ASSERT_EQ(entries.order_by.size(), 2U);
  EXPECT_EQ(text_of(entries.order_by[0].first), "track/Name");
  EXPECT_FALSE(entries.order_by[0].second);
  EXPECT_EQ(text_of(entries.order_by[1].first), "TrackId");
  EXPECT_TRUE(entries.order_by[1].second);
  ASSERT_EQ(entries.relations.size(), 1U);
  EXPECT_EQ(entries.relations[0].name, "track");
}

TEST(ConfigDocumentsTest, RootsMayFilterAndGroup) {
  sink::DocumentSpec spec = document(
      "  d: {table: Items, root: {table: T, where: {Kind: a}, by: [topic, day]}, item: {PK: a}}\n");
  EXPECT_EQ(spec.root, "T");
  EXPECT_EQ(spec.by, (std::vector<std::string>{"topic", "day"}));
  ASSERT_EQ(spec.where.tests.size(), 1U);
  EXPECT_EQ(spec.where.tests[0].values[0], state::Value::text("a"));
}

TEST(ConfigDocumentsTest, ConditionsOfEveryForm) {
  sink::Where where = document(R"(
  d:
    table: Items
    item: {PK: a}
    root:
      table: T
      where:
        A: 1
        B: ["x", 2, 2.5, true, "3"]
        C: null
        D: {not: null}
        E: {ge: 1, lt: 5}
        rel.F: {not: x}
        "[any]": y
        any: [{G: 1}, {any: [{H: null}], I: {le: "a"}}]
)")
                          .where;
  ASSERT_EQ(where.tests.size(), 8U);
  EXPECT_EQ(where.tests[0].comparison, Comparison::kIn);
  EXPECT_EQ(where.tests[0].values[0], state::Value::integer(1));
  EXPECT_EQ(where.tests[1].values[0], state::Value::text("x"));
  EXPECT_EQ(where.tests[1].values[2], state::Value::real(2.5));
  EXPECT_EQ(where.tests[1].values[3], state::Value::integer(1));
  EXPECT_EQ(where.tests[1].values[4], state::Value::text("3"));
  EXPECT_EQ(where.tests[2].comparison, Comparison::kNull);
  EXPECT_EQ(where.tests[3].comparison, Comparison::kNot);
  EXPECT_TRUE(where.tests[3].values[0].is_null());
  EXPECT_EQ(where.tests[4].comparison, Comparison::kGreaterOrEqual);
  EXPECT_EQ(where.tests[5].comparison, Comparison::kLess);
  EXPECT_EQ(text_of(where.tests[6].path), "rel/F");
  EXPECT_EQ(text_of(where.tests[7].path), "any");
  ASSERT_EQ(where.any.size(), 1U);
  ASSERT_EQ(where.any[0].size(), 2U);
  EXPECT_EQ(where.any[0][1].any.size(), 1U);
  EXPECT_EQ(where.any[0][1].tests[0].comparison, Comparison::kLessOrEqual);
}

TEST(ConfigDocumentsTest, ConstantsFollowYamlsCoreSchema) {
  auto item = values(
      "      PK: Order\n"
      "      Text: \"12\"\n"
      "      Number: 12345678901234567890123456789012345678\n"
      "      Fraction: +1.50\n"
      "      Point: .5\n"
      "      Hexadecimal: 0x1F\n"
      "      Flag: true\n"
      "      Yes: yes\n"
      "      Version: 1.2.3\n"
      "      Day: 2024-01-02\n"
      "      Empty: \"\"\n"
      "      Nothing: null\n"
      "      Braces: \"{{x}}\"\n");
  EXPECT_EQ(constant(item.at("PK")), Attribute::string("Order"));
  EXPECT_EQ(constant(item.at("Text")), Attribute::string("12"));
  EXPECT_EQ(constant(item.at("Number")),
            Attribute::number("12345678901234567890123456789012345678"));
  EXPECT_EQ(constant(item.at("Fraction")), Attribute::number("1.5"));
  EXPECT_EQ(constant(item.at("Point")), Attribute::number("0.5"));
  EXPECT_EQ(constant(item.at("Hexadecimal")), Attribute::number("31"));
  EXPECT_EQ(constant(item.at("Flag")), Attribute::boolean(true));
  EXPECT_EQ(constant(item.at("Yes")), Attribute::string("yes"));
  EXPECT_EQ(constant(item.at("Version")), Attribute::string("1.2.3"));
  EXPECT_EQ(constant(item.at("Day")), Attribute::string("2024-01-02"));
  EXPECT_EQ(constant(item.at("Empty")), Attribute::string(""));
  EXPECT_TRUE(constant(item.at("Nothing")).is_null());
  EXPECT_EQ(constant(item.at("Braces")), Attribute::string("{x}"));
}

TEST(ConfigDocumentsTest, ValuesOfEveryOperator) {
  auto item = values(
      "      PK: \"CUSTOMER#{CustomerId:pad(8)}\"\n"
      "      Lines: {$each: lines, item: {Name: \"{track.Name}\"}}\n"
      "      Names: {$each: lines, item: \"{track.Name}\"}\n"
      "      Count: {$count: lines}\n"
      "      Sum: {$sum: lines.Total}\n"
      "      Least: {$min: lines.track.Length}\n"
      "      Most: {$max: lines.Total}\n"
      "      Album: {$with: album, item: {$columns: all}}\n"
      "      Nested: {each: a, $$each: b, list: [1, \"{X}\", {y: z}]}\n"
      "      Status: {$value: \"{Status}\", map: {1: active, \"2\": 5, null: none}, default: {a: "
      "[1]},\n"
      "               as: string, null: keep}\n"
      "      Plain: {$value: \"{Json}\", as: json}\n");
  const auto& key = std::get<sink::Template>(item.at("PK").node);
  ASSERT_EQ(key.parts.size(), 2U);
  EXPECT_EQ(key.parts[1].filters[0].name, "pad");
  const auto& lines = std::get<sink::EachSpec>(item.at("Lines").node);
  EXPECT_EQ(text_of(lines.relation), "lines");
  EXPECT_EQ(std::get<sink::MapSpec>(lines.item->node).entries[0].first, "Name");
  const auto& names = std::get<sink::EachSpec>(item.at("Names").node);
  EXPECT_TRUE(std::get<sink::Template>(names.item->node).bare());
  using Kind = sink::AggregateSpec::Kind;
  auto aggregate = [&item](const std::string& name) {
    return std::get<sink::AggregateSpec>(item.at(name).node);
  };
  EXPECT_EQ(aggregate("Count").kind, Kind::kCount);
  EXPECT_EQ(text_of(aggregate("Sum").path), "lines/Total");
  EXPECT_EQ(aggregate("Least").kind, Kind::kMin);
  EXPECT_EQ(text_of(aggregate("Least").path), "lines/track/Length");
  EXPECT_EQ(aggregate("Most").kind, Kind::kMax);
  const auto& with = std::get<sink::WithSpec>(item.at("Album").node);
  EXPECT_EQ(text_of(with.relation), "album");
  EXPECT_EQ(with.item->columns, sink::MapSpec::Columns::kAll);
  const auto& nested = std::get<sink::MapSpec>(item.at("Nested").node);
  EXPECT_EQ(nested.entries[0].first, "each");
  EXPECT_EQ(nested.entries[1].first, "$each");
  EXPECT_EQ(std::get<sink::ListSpec>(nested.entries[2].second.node).elements.size(), 3U);
  const auto& status = std::get<sink::TypedSpec>(item.at("Status").node);
  ASSERT_EQ(status.map.size(), 3U);
  EXPECT_TRUE(status.map[2].first.is_null());
  EXPECT_EQ(status.map[0].first, state::Value::integer(1));
  EXPECT_EQ(status.map[0].second, Attribute::string("active"));
  EXPECT_EQ(status.map[1].first, state::Value::text("2"));
  EXPECT_EQ(status.map[1].second, Attribute::number("5"));
  EXPECT_EQ(status.default_value->type(), sink::AttributeType::kMap);
  EXPECT_EQ(status.as, sink::TypedSpec::As::kString);
  EXPECT_TRUE(status.keep_null);
  EXPECT_EQ(std::get<sink::TypedSpec>(item.at("Plain").node).as, sink::TypedSpec::As::kJson);
}

TEST(ConfigDocumentsTest, ColumnsOfEveryForm) {
  using Columns = sink::MapSpec::Columns;
  auto map = [](const std::string& line) { return parse(with_item(line)).documents.at(0).item; };
  EXPECT_EQ(map("      PK: a\n").columns, Columns::kNone);
  EXPECT_EQ(map("      $columns: all\n").columns, Columns::kAll);
  sink::MapSpec only = map("      $columns: [a, \"odd name\"]\n");
  EXPECT_EQ(only.columns, Columns::kOnly);
  EXPECT_EQ(only.column_names, (std::vector<std::string>{"a", "odd name"}));
  sink::MapSpec except = map("      $columns: {except: [c]}\n");
  EXPECT_EQ(except.columns, Columns::kExcept);
  EXPECT_EQ(except.column_names, (std::vector<std::string>{"c"}));
}

TEST(ConfigDocumentsTest, PagesAreRead) {
  sink::DocumentSpec spec = document(R"(
  d:
    table: Items
    root: T
    many: {entries: {table: E, on: Id}}
    item: {PK: a}
    pages: {of: entries, size: 100, over: 50, item: {PK: a, SK: "{$page}"}}
)");
  ASSERT_TRUE(spec.pages.has_value());
  EXPECT_EQ(text_of(spec.pages->of), "entries");
  EXPECT_EQ(spec.pages->size, 100);
  EXPECT_EQ(spec.pages->over, 50);
  EXPECT_EQ(spec.pages->item.entries.size(), 2U);
}

TEST(ConfigDocumentsTest, TheEnvironmentReachesTemplatesAndNames) {
  const std::string text =
      "  d: {table: \"${WHERE}s\", root: T, item: {PK: \"${TENANT}#{Id}\", Cost: \"$${Price}\"}}\n";
  sink::DocumentSpec spec = document(text, {{"WHERE", "Item"}, {"TENANT", "acme"}});
  EXPECT_EQ(spec.table, "Items");
  const auto& key = std::get<sink::Template>(spec.item.entries[0].second.node);
  EXPECT_EQ(key.parts[0].literal, "acme#");
  const auto& cost = std::get<sink::Template>(spec.item.entries[1].second.node);
  EXPECT_EQ(cost.parts[0].literal, "$");
  EXPECT_EQ(text_of(*cost.parts[1].path), "Price");
}

TEST(ConfigDocumentsTest, SourceTextCoversWhatMattersAndNothingElse) {
  const std::string text = "  d: {table: Items, root: T, item: {PK: \"${A:-x}\", SK: \"{Id}\"}}\n";
  const std::string moved =
      "  # moved\n  d:\n    root: T\n    table: Items\n    item: {SK: '{Id}', PK: x}\n";
  EXPECT_EQ(document(text).source_text, document(moved).source_text);
  EXPECT_NE(document(text).source_text, document(text, {{"A", "y"}}).source_text);
}

}  // namespace
}  // namespace tandem::agent
