// Every operator, built from rows; exactness of numbers; what becomes a dead letter.
#include "sink/builder.h"

#include <gtest/gtest.h>

#include <limits>

#include "document_fixture.h"

namespace tandem::sink {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using state::Value;

constexpr const char* kMusic = R"(
  CREATE TABLE Artist(ArtistId INTEGER PRIMARY KEY, Name TEXT, LandId INTEGER);
  CREATE TABLE Land(LandId INTEGER PRIMARY KEY, Name TEXT);
  CREATE TABLE Album(AlbumId INTEGER PRIMARY KEY, Title TEXT, ArtistId INTEGER);
  CREATE TABLE Track(TrackId INTEGER PRIMARY KEY, Name TEXT, AlbumId INTEGER, Price, Ms INTEGER);
  INSERT INTO Land VALUES (1, 'Peru');
  INSERT INTO Artist VALUES (1, 'AC/DC', 1), (2, 'Accept', NULL);
  INSERT INTO Album VALUES (1, 'For Those', 1), (2, 'Balls', 2), (3, 'Void', 9), (4, NULL, NULL);
  INSERT INTO Track VALUES (1, 'b', 1, 0.1, 10), (2, 'a', 1, 0.2, 20), (3, NULL, 1, NULL, NULL),
                           (4, 'c', 2, 9007199254740993, 5);
)";

DocumentSpec base(const std::string& root, MapSpec item, std::vector<RelationSpec> relations = {}) {
  DocumentSpec spec;
  spec.name = "document";
  spec.table = "Items";
  spec.root = root;
  spec.item = std::move(item);
  spec.relations = std::move(relations);
  return spec;
}

std::string root_of(state::Row key) { return state::encode_row(key); }
std::string root_of(std::int64_t key) { return root_of({Value::integer(key)}); }

class Build : public ::testing::Test {
 protected:
  explicit Build(const char* sql = kMusic) : replica_(sql) {}

  BuiltDocument build(const DocumentSpec& spec, const std::string& root,
                      const TargetTable& to = target()) {
    std::vector<Mistake> mistakes;
    auto document = replica_.compile(spec, to, mistakes);
    for (const Mistake& mistake : mistakes) ADD_FAILURE() << mistake.key << ": " << mistake.text;
    if (document == nullptr) return {};
    Builder builder(replica_.database, document, "_tandem");
    return builder.build(root);
  }
  /// The item as JSON; the reason of a dead letter; "none" for no document.
  std::string json(const DocumentSpec& spec, const std::string& root) {
    BuiltDocument built = build(spec, root);
    if (!built.exists) return "none";
    if (!built.invalid.empty()) return built.invalid;
    std::string all;
    for (const BuiltItem& item : built.items) all += to_plain_json(item.item);
    return all;
  }
  void execute(const std::string& sql) {
    replica_.database.execute(sql);
    replica_.refresh();
  }

  TestReplica replica_;
};

TEST_F(Build, ShowsColumnsTemplatesAndConstants) {
  MapSpec item = map({{"PK", text("TRACK#{TrackId:pad(3)}")},
                      {"Kind", text("Track")},
                      {"Name", text("{Name:upper}")},
                      {"Braces", text("{{{Name}}}")},
                      {"Flag", constant(Attribute::boolean(true))}},
                     MapSpec::Columns::kAll);
  EXPECT_EQ(json(base("Track", item), root_of(1)),
            R"({"AlbumId":1,"Braces":"{b}","Flag":true,"Kind":"Track","Ms":10,"Name":"B",)"
            R"("PK":"TRACK#001","Price":0.1,"TrackId":1})");
  // Null leaves an attribute out, a template with any null too.
  EXPECT_EQ(json(base("Track", item), root_of(3)),
            R"({"AlbumId":1,"Flag":true,"Kind":"Track","PK":"TRACK#003","TrackId":3})");
}

TEST_F(Build, SelectsColumns) {
  MapSpec only = map({{"PK", text("{TrackId}")}}, MapSpec::Columns::kOnly, {"name", "Ms"});
  EXPECT_EQ(json(base("Track", only), root_of(1)), R"({"Ms":10,"Name":"b","PK":1})");
  MapSpec except =
      map({{"PK", text("{TrackId}")}}, MapSpec::Columns::kExcept, {"Name", "Ms", "TrackId"});
  EXPECT_EQ(json(base("Track", except), root_of(1)), R"({"AlbumId":1,"PK":1,"Price":0.1})");
}

TEST_F(Build, LooksUpOverSeveralHops) {
  std::vector<RelationSpec> flat{one("land", "Land", {"LandId=artist.LandId"}),
                                 one("artist", "Artist", {"ArtistId=album.ArtistId"}),
                                 one("album", "Album", {"AlbumId"})};
  MapSpec item = map({{"PK", text("{TrackId}")},
                      {"Where", text("{artist.Name} of {land.Name}")},
                      {"Album", text("{album.Title}")}});
  EXPECT_EQ(json(base("Track", item, flat), root_of(1)),
            R"({"Album":"For Those","PK":1,"Where":"AC/DC of Peru"})");
  EXPECT_EQ(json(base("Track", item, flat), root_of(4)), R"({"Album":"Balls","PK":4})");
  std::vector<RelationSpec> nesting{
      one("album", "Album", {"AlbumId"},
          {one("artist", "Artist", {"ArtistId"}, {one("land", "Land", {"LandId"})})})};
  MapSpec by_path = map({{"PK", text("{TrackId}")}, {"Land", text("{album.artist.land.Name}")}});
  EXPECT_EQ(json(base("Track", by_path, nesting), root_of(1)), R"({"Land":"Peru","PK":1})");
}

TEST_F(Build, EmbedsListsWithTheirOwnLookupsAndOrder) {
  std::vector<RelationSpec> relations{
      many("albums", "Album", {"ArtistId"}, {},
           {many("tracks", "Track", {"AlbumId"}, {"Name"}, {one("again", "Album", {"AlbumId"})})})};
  MapSpec item =
      map({{"PK", text("{ArtistId}")},
           {"Albums",
            each("albums", nested(map({{"Title", text("{Title}")},
                                       {"Of", text("{root.Name}")},
                                       {"Tracks", each("tracks", text("{Name}"))},
                                       {"Titles", each("tracks", text("{again.Title}/{TrackId}"))},
                                       {"N", count("tracks")}})))}});
  EXPECT_EQ(json(base("Artist", item, relations), root_of(1)),
            R"({"Albums":[{"N":3,"Of":"AC/DC","Title":"For Those",)"
            R"("Titles":["For Those/3","For Those/2","For Those/1"],"Tracks":["a","b"]}],"PK":1})");
}

TEST_F(Build, OrdersNullsFirstGoingUpAndLastGoingDownAndByKeyAtTheEnd) {
  execute("INSERT INTO Track VALUES (9, 'a', 1, 1, 1), (8, 'a', 1, 1, 1)");
  auto with_order = [&](std::vector<std::string> order) {
    return json(
        base("Album", map({{"PK", text("{AlbumId}")}, {"T", each("tracks", text("{TrackId}"))}}),
             {many("tracks", "Track", {"AlbumId"}, std::move(order))}),
        root_of(1));
  };
  EXPECT_EQ(with_order({"Name"}), R"({"PK":1,"T":[3,2,8,9,1]})");
  EXPECT_EQ(with_order({"-Name"}), R"({"PK":1,"T":[1,2,8,9,3]})");
  EXPECT_EQ(with_order({"-Name", "-TrackId"}), R"({"PK":1,"T":[1,9,8,2,3]})");
  EXPECT_EQ(with_order({}), R"({"PK":1,"T":[1,2,3,8,9]})");
}

TEST_F(Build, CountsAndSumsExactly) {
  std::vector<RelationSpec> relations{many("tracks", "Track", {"AlbumId"})};
  MapSpec item = map({{"PK", text("{AlbumId}")},
                      {"N", count("tracks")},
                      {"Sum", sum("tracks.Price")},
                      {"Min", least("tracks.Name")},
                      {"Max", most("tracks.Price")}});
  DocumentSpec spec = base("Album", item, relations);
  EXPECT_EQ(json(spec, root_of(1)), R"({"Max":0.2,"Min":"a","N":3,"PK":1,"Sum":0.3})");
  EXPECT_EQ(json(spec, root_of(2)),
            R"({"Max":9007199254740993,"Min":"c","N":1,"PK":2,"Sum":9007199254740993})");
  EXPECT_EQ(json(spec, root_of(3)), R"({"N":0,"PK":3,"Sum":0})");
  execute(
      "INSERT INTO Track VALUES (20, 'x', 3, '12345678901234567890.123456789012345678', 0),"
      "(21, 'y', 3, '0.000000000000000001', 0)");
  EXPECT_EQ(json(spec, root_of(3)),
            R"({"Max":"12345678901234567890.123456789012345678","Min":"x","N":2,"PK":3,)"
            R"("Sum":12345678901234567890.123456789012345679})");
  execute("INSERT INTO Track VALUES (22, 'z', 3, 'free', 0)");
  EXPECT_NE(json(spec, root_of(3)).find("a sum meets 'free'"), std::string::npos);
  execute("UPDATE Track SET Price = 9e999 WHERE TrackId = 22");
  EXPECT_NE(json(spec, root_of(3)).find("no number"), std::string::npos);
  execute("UPDATE Track SET Price = 1e-25 WHERE TrackId = 22");
  EXPECT_NE(json(spec, root_of(3)).find("38"), std::string::npos);
}

TEST_F(Build, AggregatesOverALookupOfTheMany) {
  std::vector<RelationSpec> relations{
      many("albums", "Album", {"ArtistId"}, {}, {one("artist", "Artist", {"ArtistId"})})};
  MapSpec item = map({{"PK", text("{ArtistId}")}, {"Max", most("albums.artist.Name")}});
  EXPECT_EQ(json(base("Artist", item, relations), root_of(2)), R"({"Max":"Accept","PK":2})");
}

TEST_F(Build, WithShowsAFoundRowAlone) {
  std::vector<RelationSpec> relations{
      one("album", "Album", {"AlbumId"},
          {one("artist", "Artist", {"ArtistId"}), many("all", "Track", {"AlbumId"})})};
  MapSpec item = map({{"PK", text("{TrackId}")},
                      {"Album", with("album", map({{"Of", text("{artist.Name}")},
                                                   {"N", count("all")},
                                                   {"Root", text("{root.Name}")}},
                                                  MapSpec::Columns::kOnly, {"Title"}))}});
  DocumentSpec spec = base("Track", item, relations);
  EXPECT_EQ(json(spec, root_of(1)),
            R"({"Album":{"N":3,"Of":"AC/DC","Root":"b","Title":"For Those"},"PK":1})");
  execute("UPDATE Track SET AlbumId = 77 WHERE TrackId = 1");
  EXPECT_EQ(json(spec, root_of(1)), R"({"PK":1})");
  execute("UPDATE Track SET AlbumId = NULL WHERE TrackId = 1");
  EXPECT_EQ(json(spec, root_of(1)), R"({"PK":1})");
  execute("UPDATE Track SET AlbumId = 4 WHERE TrackId = 1");
  EXPECT_EQ(json(spec, root_of(1)), R"({"Album":{"N":1,"Root":"b"},"PK":1})");
}

TEST_F(Build, JoinsATableToItself) {
  execute(R"(
    CREATE TABLE Employee(EmployeeId INTEGER PRIMARY KEY, Name TEXT, ReportsTo INTEGER);
    INSERT INTO Employee VALUES (1, 'Andrew', NULL), (2, 'Nancy', 1), (3, 'Jane', 2), (4, 'Me', 4);
  )");
  DocumentSpec spec = base("Employee",
                           map({{"PK", text("{EmployeeId}")},
                                {"Manager", text("{manager.Name}")},
                                {"Reports", each("reports", text("{Name}"))}}),
                           {one("manager", "Employee", {"EmployeeId=ReportsTo"}),
                            many("reports", "Employee", {"ReportsTo=EmployeeId"})});
  EXPECT_EQ(json(spec, root_of(1)), R"({"PK":1,"Reports":["Nancy"]})");
  EXPECT_EQ(json(spec, root_of(2)), R"({"Manager":"Andrew","PK":2,"Reports":["Jane"]})");
  EXPECT_EQ(json(spec, root_of(4)), R"({"Manager":"Me","PK":4,"Reports":["Me"]})");
}

TEST_F(Build, TypedValues) {
  execute(R"(
    CREATE TABLE T(Id INTEGER PRIMARY KEY, S INTEGER, N TEXT, J TEXT, B BLOB);
    INSERT INTO T VALUES (1, 1, '1.50', '{"b":[1,2.0,null],"a":"x"}', x'00ff'),
      (2, 7, 'x', 'no', x'6869'), (3, NULL, NULL, NULL, NULL);
  )");
  auto typed = [](const std::string& source, TypedSpec::As as, std::optional<Attribute> otherwise,
                  std::vector<std::pair<Value, Attribute>> values = {}, bool keep = false) {
    return ValueSpec{TypedSpec{.value = parse_template(source, 0),
                               .map = std::move(values),
                               .default_value = std::move(otherwise),
                               .as = as,
                               .keep_null = keep},
                     0};
  };
  using As = TypedSpec::As;
  auto show = [&](ValueSpec value, std::int64_t id) {
    return json(base("T", map({{"PK", text("{Id}")}, {"V", std::move(value)}})), root_of(id));
  };
  std::vector<std::pair<Value, Attribute>> words{{Value::integer(1), Attribute::string("active")},
                                                 {Value::text("2"), Attribute::string("closed")}};
  Attribute other = Attribute::string("other");
  EXPECT_EQ(show(typed("{S}", As::kSame, other, words), 1), R"({"PK":1,"V":"active"})");
  EXPECT_EQ(show(typed("{S}", As::kSame, other, words), 2), R"({"PK":2,"V":"other"})");
  EXPECT_EQ(show(typed("{S}", As::kSame, other, words), 3), R"({"PK":3,"V":"other"})");
  // Without a default nothing is lost: a value that the map does not name stays as it is.
  EXPECT_EQ(show(typed("{S}", As::kSame, {}, words), 2), R"({"PK":2,"V":7})");
  EXPECT_EQ(show(typed("{S}", As::kSame, {}), 3), R"({"PK":3})");
  EXPECT_EQ(show(typed("{S}", As::kSame, {}, {}, true), 3), R"({"PK":3,"V":null})");
  EXPECT_EQ(show(typed("{S}", As::kString, {}), 1), R"({"PK":1,"V":"1"})");
  EXPECT_EQ(show(typed("{N}", As::kNumber, {}), 1), R"({"PK":1,"V":1.5})");
  EXPECT_NE(show(typed("{N}", As::kNumber, {}), 2).find("V"), std::string::npos);
  EXPECT_FALSE(build(base("T", map({{"PK", text("{Id}")}, {"V", typed("{N}", As::kNumber, {})}})),
                     root_of(2))
                   .invalid.empty());
  EXPECT_EQ(show(typed("{J}", As::kJson, {}), 1), R"({"PK":1,"V":{"a":"x","b":[1,2,null]}})");
  EXPECT_NE(show(typed("{J}", As::kJson, {}), 2).find("JSON"), std::string::npos);
  EXPECT_EQ(show(typed("{B}", As::kString, {}), 2), R"({"PK":2,"V":"hi"})");
  EXPECT_NE(show(typed("{B}", As::kString, {}), 1).find("no UTF-8"), std::string::npos);
  BuiltDocument bytes = build(
      base("T", map({{"PK", text("{Id}")}, {"V", typed("{N}", As::kBytes, {})}})), root_of(1));
  EXPECT_EQ(find_attribute(bytes.items.at(0).item, "V")->type(), AttributeType::kBinary);
  EXPECT_EQ(find_attribute(bytes.items.at(0).item, "V")->text(), "1.50");
}

TEST_F(Build, ListsAndMapsLeaveNullsOut) {
  MapSpec item =
      map({{"PK", text("{TrackId}")},
           {"L", list({text("{Name}"), text("x"), constant(Attribute::number(std::int64_t{1}))})},
           {"M", nested(map({{"Name", text("{Name}")}}))}});
  EXPECT_EQ(json(base("Track", item), root_of(1)), R"({"L":["b","x",1],"M":{"Name":"b"},"PK":1})");
  EXPECT_EQ(json(base("Track", item), root_of(3)), R"({"L":["x",1],"M":{},"PK":3})");
}

TEST_F(Build, OddNamesAndValues) {
  execute(R"(
    CREATE TABLE "odd ""table"(Id INTEGER PRIMARY KEY, "a.b:c}" TEXT, "root" TEXT, "select" REAL);
    INSERT INTO "odd ""table" VALUES (1, CAST(x'610062' AS TEXT), 'r', 1.0), (2, '', '', -0.0);
  )");
  MapSpec item = map({{"PK", text("{Id}")},
                      {"A", text("{[a.b:c}]}")},
                      {"R", text("{root}{root.root}")},
                      {"S", text("{select}")}});
  EXPECT_EQ(json(base("odd \"table", item), root_of(1)),
            R"({"A":"a\u0000b","PK":1,"R":"rr","S":1})");
  EXPECT_EQ(json(base("odd \"table", item), root_of(2)), R"({"A":"","PK":2,"R":"","S":0})");
}

TEST_F(Build, WhereKeepsSomeRoots) {
  using Comparison = Where::Comparison;
  auto matching = [&](Where where, std::vector<RelationSpec> relations = {}) {
    DocumentSpec spec = base("Track", map({{"PK", text("{TrackId}")}}), std::move(relations));
    spec.where = std::move(where);
    std::string found;
    for (std::int64_t id = 1; id <= 4; ++id) {
      if (json(spec, root_of(id)) != "none") found += std::to_string(id);
    }
    return found;
  };
  auto text_value = [](const char* value) { return Value::text(value); };
  EXPECT_EQ(matching({}), "1234");
  EXPECT_EQ(matching({{test("Name", Comparison::kIn, {text_value("a"), text_value("c")})}, {}}),
            "24");
  EXPECT_EQ(matching({{test("Name", Comparison::kIn, {text_value("a"), Value::null()})}, {}}),
            "23");
  EXPECT_EQ(matching({{test("Name", Comparison::kNull, {})}, {}}), "3");
  EXPECT_EQ(matching({{test("Name", Comparison::kNot, {Value::null()})}, {}}), "124");
  EXPECT_EQ(matching({{test("Name", Comparison::kNot, {text_value("a")})}, {}}), "14");
  EXPECT_EQ(matching({{test("Ms", Comparison::kLess, {Value::integer(10)})}, {}}), "4");
  EXPECT_EQ(matching({{test("Ms", Comparison::kLessOrEqual, {Value::integer(10)})}, {}}), "14");
  EXPECT_EQ(matching({{test("Ms", Comparison::kGreater, {text_value("10")})}, {}}), "2");
  EXPECT_EQ(matching({{test("Ms", Comparison::kGreaterOrEqual, {Value::real(9.5)})}, {}}), "12");
  EXPECT_EQ(matching({{test("Name", Comparison::kIn, {})}, {}}), "");
  Where any;
  any.any = {{{{test("Name", Comparison::kNull, {})}, {}},
              {{test("Ms", Comparison::kIn, {Value::integer(20)}),
                test("Name", Comparison::kIn, {text_value("a")})},
               {}}}};
  EXPECT_EQ(matching(any), "23");
  EXPECT_EQ(matching({{test("album.Title", Comparison::kIn, {text_value("Balls")})}, {}},
                     {one("album", "Album", {"AlbumId"})}),
            "4");
}

TEST_F(Build, WhereKeepsSomeRowsOfARelation) {
  using Comparison = Where::Comparison;
  Where short_ones{{test("Ms", Comparison::kLess, {Value::integer(15)})}, {}};
  DocumentSpec spec =
      base("Album", map({{"PK", text("{AlbumId}")}, {"N", count("t")}, {"S", sum("t.Ms")}}),
           {many("t", "Track", {"AlbumId"}, {}, {}, short_ones)});
  EXPECT_EQ(json(spec, root_of(1)), R"({"N":1,"PK":1,"S":10})");
  // A condition on a lookup's own lookup decides whether the lookup is found at all.
  Where peruvian{{test("artist.land.Name", Comparison::kIn, {Value::text("Peru")})}, {}};
  DocumentSpec lookup = base(
      "Track", map({{"PK", text("{TrackId}")}, {"Album", text("{album.Title}")}}),
      {one("album", "Album", {"AlbumId"},
           {one("artist", "Artist", {"ArtistId"}, {one("land", "Land", {"LandId"})})}, peruvian)});
  EXPECT_EQ(json(lookup, root_of(1)), R"({"Album":"For Those","PK":1})");
  EXPECT_EQ(json(lookup, root_of(4)), R"({"PK":4})");
  Where same_name{{test("root.Name", Comparison::kIn, {Value::text("AC/DC")})}, {}};
  DocumentSpec outer = base("Artist", map({{"PK", text("{ArtistId}")}, {"N", count("a")}}),
                            {many("a", "Album", {"ArtistId"}, {}, {}, same_name)});
  EXPECT_EQ(json(outer, root_of(1)), R"({"N":1,"PK":1})");
  EXPECT_EQ(json(outer, root_of(2)), R"({"N":0,"PK":2})");
}

TEST_F(Build, PagesAListThatIsTooLong) {
  DocumentSpec spec = base("Album",
                           map({{"PK", text("{AlbumId}")},
                                {"SK", text("META")},
                                {"N", count("t")},
                                {"Names", each("t", text("{TrackId}"))}}),
                           {many("t", "Track", {"AlbumId"})});
  spec.pages = PagesSpec{path("t"), 2, 3,
                         map({{"PK", text("{AlbumId}")},
                              {"SK", text("PAGE#{$page}")},
                              {"Page", text("{$page}")},
                              {"Of", count("t")},
                              {"T", each("t", text("{$page}:{TrackId}"))}}),
                         0};
  TargetTable table = target({"PK", "SK"});
  auto items = [&] {
    BuiltDocument built = build(spec, root_of(1), table);
    EXPECT_EQ(built.invalid, "");
    std::string all;
    for (const BuiltItem& item : built.items) all += to_plain_json(item.item);
    return all;
  };
  EXPECT_EQ(items(), R"({"N":3,"Names":[1,2,3],"PK":1,"SK":"META"})");
  execute("INSERT INTO Track VALUES (5, 'e', 1, 1, 1), (6, 'f', 1, 1, 1)");
  EXPECT_EQ(items(), R"({"N":5,"PK":1,"SK":"META"})"
                     R"({"Of":5,"PK":1,"Page":1,"SK":"PAGE#1","T":["1:1","1:2"]})"
                     R"({"Of":5,"PK":1,"Page":2,"SK":"PAGE#2","T":["2:3","2:5"]})"
                     R"({"Of":5,"PK":1,"Page":3,"SK":"PAGE#3","T":["3:6"]})");
  spec.pages->item.entries[1].second = text("PAGE");
  EXPECT_NE(build(spec, root_of(1), table).invalid.find("one key"), std::string::npos);
}

TEST_F(Build, OneDocumentForEachDistinctValue) {
  execute(R"(
    CREATE TABLE Post(Id INTEGER PRIMARY KEY, Topic TEXT COLLATE NOCASE, Live INTEGER);
    INSERT INTO Post VALUES (1, 'sql', 1), (2, 'sql', 1), (3, 'c++', 0), (4, NULL, 1), (5, 'SQL', 1);
  )");
  DocumentSpec spec = base("Post", map({{"PK", text("{Topic}")}, {"N", count("posts")}}),
                           {many("posts", "Post", {"Topic"})});
  spec.by = {"Topic"};
  spec.where = {{test("Live", Where::Comparison::kIn, {Value::integer(1)})}, {}};
  EXPECT_EQ(json(spec, root_of({Value::text("sql")})), R"({"N":3,"PK":"sql"})");
  EXPECT_EQ(json(spec, root_of({Value::text("c++")})), "none");
  EXPECT_EQ(json(spec, root_of({Value::text("Sql")})), "none");
  EXPECT_EQ(json(spec, root_of({Value::null()})), "none");
  auto document = replica_.compile(spec, target());
  Builder builder(replica_.database, document, "_tandem");
  std::vector<std::string> roots;
  EXPECT_EQ(builder.build_range("", 10,
                                [&](std::string root, const BuiltDocument& built) {
                                  EXPECT_TRUE(built.exists);
                                  roots.push_back(std::move(root));
                                }),
            "");
  EXPECT_EQ(roots, (std::vector<std::string>{root_of({Value::text("SQL")}),
                                             root_of({Value::text("sql")})}));
}

TEST_F(Build, ARootUnderAnotherSpellingOfItsKeyDoesNotExist) {
  execute(R"(
    CREATE TABLE N(Code TEXT COLLATE NOCASE PRIMARY KEY, V);
    CREATE TABLE U(K PRIMARY KEY, V);
    INSERT INTO N VALUES ('Ab', 1);
    INSERT INTO U VALUES (1, 1), (2.0, 2), (NULL, 3);
  )");
  DocumentSpec nocase = base("N", map({{"PK", text("{Code}")}}));
  EXPECT_EQ(json(nocase, root_of({Value::text("Ab")})), R"({"PK":"Ab"})");
  EXPECT_EQ(json(nocase, root_of({Value::text("ab")})), "none");
  DocumentSpec untyped = base("U", map({{"PK", text("k{V}")}}));
  EXPECT_EQ(json(untyped, root_of({Value::integer(1)})), R"({"PK":"k1"})");
  EXPECT_EQ(json(untyped, root_of({Value::real(1)})), "none");
  EXPECT_EQ(json(untyped, root_of({Value::text("1")})), "none");
  EXPECT_EQ(json(untyped, root_of({Value::real(2)})), R"({"PK":"k2"})");
  EXPECT_EQ(json(untyped, root_of({Value::null()})), R"({"PK":"k3"})");
}

TEST_F(Build, ComparesByTheAffinityAndCollationOfTheRelatedColumn) {
  execute(R"(
    CREATE TABLE Tag(Name TEXT COLLATE NOCASE PRIMARY KEY, Id INTEGER UNIQUE, Label TEXT);
    CREATE TABLE Note(Id INTEGER PRIMARY KEY, Tag TEXT, TagId TEXT, N INTEGER);
    INSERT INTO Tag VALUES ('Red', 7, 'red!'), ('12', 8, 'twelve');
    INSERT INTO Note VALUES (1, 'rED', '7', 12), (2, 'green', '007', 13);
  )");
  DocumentSpec spec = base("Note",
                           map({{"PK", text("{Id}")},
                                {"A", text("{byName.Label}")},
                                {"B", text("{byId.Label}")},
                                {"C", text("{byNumber.Label}")}}),
                           {one("byName", "Tag", {"Name=Tag"}), one("byId", "Tag", {"Id=TagId"}),
                            one("byNumber", "Tag", {"Name=N"})});
  EXPECT_EQ(json(spec, root_of(1)), R"({"A":"red!","B":"red!","C":"twelve","PK":1})");
  EXPECT_EQ(json(spec, root_of(2)), R"({"B":"red!","PK":2})");
  DocumentSpec back = base("Tag", map({{"PK", text("{Name}")}, {"N", count("notes")}}),
                           {many("notes", "Note", {"TagId=Id"})});
  EXPECT_EQ(json(back, root_of({Value::text("Red")})), R"({"N":1,"PK":"Red"})");
}

TEST_F(Build, CompositeKeysJoinByAllPairs) {
  execute(R"(
    CREATE TABLE Entry(ListId INTEGER, TrackId INTEGER, Note TEXT, PRIMARY KEY (ListId, TrackId));
    INSERT INTO Entry VALUES (1, 1, 'x'), (1, 2, 'y'), (2, 1, 'z');
    CREATE TABLE Pick(Id INTEGER PRIMARY KEY, L INTEGER, T INTEGER);
    INSERT INTO Pick VALUES (1, 1, 2), (2, 2, 2), (3, 2, NULL);
  )");
  DocumentSpec spec = base("Pick", map({{"PK", text("{Id}")}, {"Note", text("{entry.Note}")}}),
                           {one("entry", "Entry", {"TrackId=T", "ListId=L"})});
  EXPECT_EQ(json(spec, root_of(1)), R"({"Note":"y","PK":1})");
  EXPECT_EQ(json(spec, root_of(2)), R"({"PK":2})");
  EXPECT_EQ(json(spec, root_of(3)), R"({"PK":3})");
}

TEST_F(Build, WhatCannotBeWrittenIsADeadLetter) {
  DocumentSpec spec = base("Track", map({{"PK", text("{Name}")}}));
  BuiltDocument missing = build(spec, root_of(3));
  EXPECT_TRUE(missing.exists);
  EXPECT_TRUE(missing.items.empty());
  EXPECT_NE(missing.invalid.find("PK"), std::string::npos);
  EXPECT_NE(missing.invalid.find("null"), std::string::npos);
  execute("UPDATE Track SET Name = '' WHERE TrackId = 1");
  EXPECT_NE(build(spec, root_of(1)).invalid.find("empty"), std::string::npos);
  TargetTable typed = target();
  typed.key_types = {AttributeType::kNumber};
  EXPECT_NE(build(spec, root_of(2), typed).invalid.find("type"), std::string::npos);
  // The reason names the attribute, and the item is named by its key.
  execute("UPDATE Track SET Name = 'x', Ms = 9e999 WHERE TrackId = 2");
  DocumentSpec infinite =
      base("Track", map({{"PK", text("{TrackId}")}, {"M", nested(map({{"Ms", text("{Ms}")}}))}}));
  BuiltDocument built = build(infinite, root_of(2));
  EXPECT_NE(built.invalid.find("M.Ms"), std::string::npos) << built.invalid;
  EXPECT_EQ(built.invalid_item, "PK=2");
  DocumentSpec ours = base("Track", map({{"PK", text("{TrackId}")}, {"_tandem", text("x")}}));
  EXPECT_NE(build(ours, root_of(2)).invalid.find("_tandem"), std::string::npos);
}

TEST_F(Build, HashesAndKeysAreTheItems) {
  DocumentSpec spec =
      base("Track", map({{"PK", text("{TrackId}")}, {"Ms", text("{Ms}")}, {"V", text("{Name}")}}));
  spec.volatile_names = {"V"};
  BuiltDocument before = build(spec, root_of(1));
  execute("UPDATE Track SET Name = 'other' WHERE TrackId = 1");
  EXPECT_EQ(build(spec, root_of(1)).items.at(0).hash, before.items.at(0).hash);
  EXPECT_EQ(build(spec, root_of(1)).items.at(0).key, before.items.at(0).key);
  execute("UPDATE Track SET Ms = 11 WHERE TrackId = 1");
  EXPECT_NE(build(spec, root_of(1)).items.at(0).hash, before.items.at(0).hash);
}

TEST_F(Build, RangesVisitEveryRootOnceAndBuildWhatBuildBuilds) {
  execute(R"(
    CREATE TABLE P(A TEXT COLLATE NOCASE, B, V INTEGER, PRIMARY KEY (A, B));
    INSERT INTO P VALUES ('a', 1, 1), ('B', 2.5, 2), ('b', 'x', 3), ('c', x'00', 4), ('C', 3, 5),
      (NULL, 1, 6), (NULL, 2, 7), ('d', NULL, 8), ('d', 5, 9), ('e', -1, 10), (NULL, NULL, 11);
  )");
  DocumentSpec spec = base("P", map({{"PK", text("{V}")}}));
  spec.where = {{test("V", Where::Comparison::kNot, {Value::integer(9)})}, {}};
  auto document = replica_.compile(spec, target());
  Builder builder(replica_.database, document, "_tandem");
  for (std::size_t limit : {1U, 2U, 3U, 5U, 11U, 100U}) {
    std::string after;
    std::vector<std::string> seen;
    do {
      after = builder.build_range(after, limit, [&](std::string root, const BuiltDocument& built) {
        BuiltDocument again = Builder(replica_.database, document, "_tandem").build(root);
        EXPECT_EQ(again.exists, built.exists);
        if (built.exists) {
          EXPECT_EQ(again.items.at(0).hash, built.items.at(0).hash);
        }
        seen.push_back(std::move(root));
      });
    } while (!after.empty());
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end()) << limit;
    EXPECT_EQ(seen.size(), 11U) << limit;
  }
}

TEST_F(Build, PartsTellTheRowsBehindADocument) {
  DocumentSpec spec =
      base("Album",
           map({{"PK", text("{AlbumId}")},
                {"Of", text("{artist.Name}")},
                {"T", each("tracks", text("{Name}"))}}),
           {one("artist", "Artist", {"ArtistId"}), many("tracks", "Track", {"AlbumId"})});
  auto document = replica_.compile(spec, target());
  Builder builder(replica_.database, document, "_tandem");
  std::string shown;
  for (const Builder::Part& part : builder.parts(root_of(1))) {
    shown += part.table + " " + to_display(part.key.at(0)) + ":";
    for (const auto& [name, value] : part.columns) shown += " " + name + "=" + to_display(value);
    shown += "\n";
  }
  EXPECT_EQ(shown,
            "Album 1: AlbumId=1 ArtistId=1\n"
            "Artist 1: ArtistId=1 Name='AC/DC'\n"
            "Track 1: TrackId=1 Name='b' AlbumId=1\n"
            "Track 2: TrackId=2 Name='a' AlbumId=1\n"
            "Track 3: TrackId=3 Name=NULL AlbumId=1\n");
  EXPECT_EQ(builder.parts(root_of(3)).size(), 1U);
  EXPECT_TRUE(builder.parts(root_of(99)).empty());
  EXPECT_EQ(builder.display_root(root_of(1)), "Album 1");
}

}  // namespace
}  // namespace tandem::sink
