// What the compiler accepts, and what it says about what it does not.
#include "sink/document.h"

#include <gtest/gtest.h>

#include "document_fixture.h"

namespace tandem::sink {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

constexpr const char* kMusic = R"(
  CREATE TABLE Artist(ArtistId INTEGER PRIMARY KEY, Name TEXT);
  CREATE TABLE Album(AlbumId INTEGER PRIMARY KEY, Title TEXT, ArtistId INTEGER);
  CREATE TABLE Track(TrackId INTEGER PRIMARY KEY, Name TEXT, AlbumId INTEGER, Price REAL, At DATETIME);
  CREATE TABLE Label(Country TEXT, Code TEXT, Name TEXT UNIQUE, PRIMARY KEY (Country, Code));
)";

DocumentSpec track_spec() {
  DocumentSpec spec;
  spec.name = "track";
  spec.table = "Items";
  spec.root = "Track";
  spec.line = 10;
  spec.relations = {one("artist", "Artist", {"ArtistId=album.ArtistId"}),
                    one("album", "Album", {"AlbumId"})};
  spec.item = map({{"PK", text("TRACK#{TrackId}")}, {"Artist", text("{artist.Name}")}});
  return spec;
}

std::vector<Mistake> mistakes_of(const DocumentSpec& spec, const TargetTable& to = target()) {
  TestReplica replica(kMusic);
  std::vector<Mistake> mistakes;
  auto document = replica.compile(spec, to, mistakes);
  EXPECT_EQ(document == nullptr, !mistakes.empty());
  return mistakes;
}

bool says(const std::vector<Mistake>& mistakes, const std::string& key, const std::string& part,
          const std::string& nearest = "") {
  for (const Mistake& mistake : mistakes) {
    if (mistake.key == "documents.track." + key && mistake.nearest == nearest &&
        mistake.text.find(part) != std::string::npos) {
      return true;
    }
  }
  for (const Mistake& mistake : mistakes) {
    ADD_FAILURE() << mistake.key << ": " << mistake.text << " (" << mistake.nearest << ")";
  }
  return false;
}

TEST(Compile, ResolvesWhateverTheOrderOfTheRelations) {
  TestReplica replica(kMusic);
  auto document = replica.compile(track_spec(), target());
  ASSERT_NE(document, nullptr);
  EXPECT_EQ(document->tables(), (std::vector<std::string>{"Track", "Artist", "Album"}));
  EXPECT_EQ(document->attribute_types(),
            (decltype(document->attribute_types()){{"PK", AttributeType::kString}}));
}

TEST(Compile, LeavesOutRelationsThatNothingUses) {
  TestReplica replica(kMusic);
  DocumentSpec spec = track_spec();
  spec.item = map({{"PK", text("{TrackId}")}});
  auto document = replica.compile(spec, target());
  ASSERT_NE(document, nullptr);
  EXPECT_EQ(document->tables(), std::vector<std::string>{"Track"});
  EXPECT_EQ(document->attribute_types()[0].second, AttributeType::kNumber);
}

TEST(Compile, ReportsEveryMistakeAtOnce) {
  DocumentSpec spec = track_spec();
  spec.relations.push_back(one("labl", "Lable", {"Code=Name"}));
  spec.relations.push_back(one("other", "Album", {"AlbumIdd=AlbumId"}));
  spec.relations.push_back(one("album", "Album", {"AlbumId"}));
  spec.relations.push_back(one("byTitle", "Album", {"Title=Name"}));
  spec.item.entries.emplace_back("A", text("{Nam}"));
  spec.item.entries.emplace_back("B", text("{albm.Title}"));
  spec.item.entries.emplace_back("C", text("{album.Titel} and {artist.Name}"));
  spec.item.entries.emplace_back("D", text("{labl.Name}"));
  spec.item.entries.emplace_back("E", each("album", text("{Title}")));
  spec.item.entries.emplace_back("F", text("{$page}"));
  spec.item.entries.emplace_back("G", text("{album}"));
  spec.item.columns = MapSpec::Columns::kExcept;
  spec.item.column_names = {"Pric"};
  auto mistakes = mistakes_of(spec);
  EXPECT_TRUE(says(mistakes, "one.labl.table", "no table Lable", "Label"));
  EXPECT_TRUE(says(mistakes, "one.other.on", "no column AlbumIdd", "AlbumId"));
  EXPECT_TRUE(says(mistakes, "one.album", "another relation"));
  EXPECT_TRUE(says(mistakes, "one.byTitle.on", "no unique key"));
  EXPECT_TRUE(says(mistakes, "item.A", "no column Nam", "Name"));
  EXPECT_TRUE(says(mistakes, "item.B", "no relation albm", "album"));
  EXPECT_TRUE(says(mistakes, "item.C", "no column Titel", "Title"));
  EXPECT_TRUE(says(mistakes, "item.E", "needs a `many`"));
  EXPECT_TRUE(says(mistakes, "item.F", "only in pages.item"));
  EXPECT_TRUE(says(mistakes, "item.G", "is a relation"));
  EXPECT_TRUE(says(mistakes, "item.$columns", "no column Pric", "Price"));
  // What stands on a broken relation is not reported a second time.
  EXPECT_EQ(mistakes.size(), 11U);
  for (const Mistake& mistake : mistakes) EXPECT_EQ(mistake.line, 10);
}

TEST(Compile, AOneCoversAnyUniqueKeyInAnyOrder) {
  DocumentSpec spec = track_spec();
  spec.relations = {one("label", "Label", {"Code=Name", "Country=Name"}),
                    one("named", "Label", {"Name"})};
  spec.item = map({{"PK", text("{label.Name}{named.Code}")}});
  EXPECT_TRUE(mistakes_of(spec).empty());
  spec.relations = {one("label", "Label", {"Code=Name"})};
  spec.item = map({{"PK", text("{label.Name}")}});
  EXPECT_TRUE(says(mistakes_of(spec), "one.label.on", "Code is no unique key of Label"));
}

TEST(Compile, FindsRelationsThatDependOnThemselves) {
  DocumentSpec spec = track_spec();
  spec.relations = {one("a", "Album", {"AlbumId=b.AlbumId"}),
                    one("b", "Album", {"AlbumId=a.AlbumId"})};
  spec.item = map({{"PK", text("{a.Title}")}});
  auto mistakes = mistakes_of(spec);
  ASSERT_EQ(mistakes.size(), 1U);
  EXPECT_NE(mistakes[0].text.find("depends on itself"), std::string::npos);
}

TEST(Compile, KeysMustBeThereAndOfAnAllowedType) {
  DocumentSpec spec = track_spec();
  spec.item = map({{"Pk", text("{TrackId}")}});
  EXPECT_TRUE(says(mistakes_of(spec), "item", "lacks PK", "Pk"));
  spec.item = map({{"PK", list({})}});
  EXPECT_TRUE(says(mistakes_of(spec), "item.PK", "is a list"));
  spec.item = map({{"PK", constant(Attribute::boolean(true))}});
  EXPECT_TRUE(says(mistakes_of(spec), "item.PK", "is a boolean"));
  spec.item = map({{"PK", constant(Attribute::string(""))}});
  EXPECT_TRUE(says(mistakes_of(spec), "item.PK", "is empty"));
  // What a column declared DATETIME holds is known only row by row.
  spec.item = map({{"PK", text("{At}")}});
  EXPECT_TRUE(mistakes_of(spec).empty());
  TargetTable indexed = target();
  indexed.indexes = {{"ByName", {"Name", "PK"}}};
  spec.item = map({{"PK", text("{TrackId}")}, {"Name", nested(map({}))}});
  EXPECT_TRUE(says(mistakes_of(spec, indexed), "item.Name", "is a map"));
  spec.item = map({{"PK", text("{TrackId}")}});
  EXPECT_TRUE(mistakes_of(spec, indexed).empty());
}

TEST(Compile, PagesNeedAManyOfTheRootAndKeysOfTheSameType) {
  TestReplica replica(kMusic);
  DocumentSpec spec;
  spec.name = "track";
  spec.root = "Album";
  spec.relations = {many("tracks", "Track", {"AlbumId"}), one("artist", "Artist", {"ArtistId"})};
  spec.item = map({{"PK", text("{AlbumId}")}});
  spec.pages = PagesSpec{path("tracks"), 10, 10, map({{"PK", text("A{$page}")}}), 0};
  EXPECT_TRUE(says(mistakes_of(spec), "pages.item.PK", "has one type"));
  spec.pages->item = map({{"PK", text("{$page}")}});
  EXPECT_TRUE(mistakes_of(spec).empty());
  spec.pages->item = map({});
  EXPECT_TRUE(says(mistakes_of(spec), "pages.item", "lacks PK"));
  spec.pages->of = path("artist");
  EXPECT_TRUE(says(mistakes_of(spec), "pages.of", "needs a `many`"));
  spec.pages->of = path("tracks");
  spec.pages->size = 0;
  EXPECT_TRUE(says(mistakes_of(spec), "pages.size", "at least one"));
}

TEST(Compile, AggregatesNeedAColumnAndTheRowAtHand) {
  DocumentSpec spec;
  spec.name = "track";
  spec.root = "Artist";
  spec.relations = {
      many("albums", "Album", {"ArtistId"}, {}, {many("tracks", "Track", {"AlbumId"})})};
  spec.item = map({{"PK", text("{ArtistId}")}, {"S", sum("albums")}});
  EXPECT_TRUE(says(mistakes_of(spec), "item.S", "name a column too"));
  spec.item = map({{"PK", text("{ArtistId}")}, {"S", sum("albums.tracks.Price")}});
  EXPECT_TRUE(says(mistakes_of(spec), "item.S", "finds many rows"));
  spec.item = map({{"PK", text("{ArtistId}")}, {"S", count("tracks")}});
  EXPECT_FALSE(mistakes_of(spec).empty());
  spec.item = map(
      {{"PK", text("{ArtistId}")},
       {"L", each("albums", nested(map({{"N", count("tracks")}, {"S", sum("tracks.Price")}})))}});
  EXPECT_TRUE(mistakes_of(spec).empty());
}

TEST(Compile, DistinctValuesShowOnlyTheirColumns) {
  DocumentSpec spec = track_spec();
  spec.relations.clear();
  spec.by = {"AlbumId"};
  spec.item = map({{"PK", text("{AlbumId}")}});
  EXPECT_TRUE(mistakes_of(spec).empty());
  spec.item = map({{"PK", text("{AlbumId}{Name}")}});
  EXPECT_TRUE(says(mistakes_of(spec), "item.PK", "only the columns of `by`"));
}

TEST(Fingerprint, FollowsTheColumnsThatAreUsed) {
  TestReplica replica(kMusic);
  DocumentSpec spec = track_spec();
  std::string before = replica.compile(spec, target())->fingerprint();
  spec.item.columns = MapSpec::Columns::kAll;
  std::string all_before = replica.compile(spec, target())->fingerprint();
  EXPECT_NE(before, all_before);
  replica.database.execute("ALTER TABLE Track ADD COLUMN Composer TEXT");
  replica.refresh();
  EXPECT_NE(replica.compile(spec, target())->fingerprint(), all_before);
  spec.item.columns = MapSpec::Columns::kNone;
  EXPECT_EQ(replica.compile(spec, target())->fingerprint(), before);
  spec.source_text = "another";
  EXPECT_NE(replica.compile(spec, target())->fingerprint(), before);
}

TEST(JoinIndexes, ServeBothDirectionsAndSpareTheKeys) {
  TestReplica replica(kMusic);
  auto document = replica.compile(track_spec(), target());
  std::vector<std::string> wanted;
  for (const JoinIndex& index : document->join_indexes()) {
    wanted.push_back(index.table + "(" + index.columns.at(0) + ")");
  }
  EXPECT_EQ(wanted, (std::vector<std::string>{"Album(ArtistId)", "Track(AlbumId)"}));
}

}  // namespace
}  // namespace tandem::sink
