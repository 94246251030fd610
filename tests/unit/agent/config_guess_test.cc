// A guessed config parses, checks against the catalog it was guessed from, and holds what a person
// would have written first.
#include "agent/config_guess.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "agent/guess_names.h"
#include "capture/sqlite/sqlite_source.h"
#include "config_text.h"
#include "state/sqlite.h"

namespace tandem::agent {
namespace {

class ConfigGuessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        std::filesystem::temp_directory_path() / ("tandem-guess-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  /// The catalog of a database made by the statements.
  capture::Catalog catalog_of(const std::string& statements) {
    const std::string path = (directory_ / "source.db").string();
    std::filesystem::remove(path);
    state::Database(path, state::OpenMode::kReadWriteCreate).execute(statements);
    return capture::open_sqlite_source(path, {})->catalog();
  }

  /// Guesses, parses and checks; the text must be right.
  Config guessed(const capture::Catalog& catalog) {
    SourceConfig source;
    source.path = "my source.db";
    return guessed(catalog, source);
  }
  Config guessed(const capture::Catalog& catalog, const SourceConfig& source) {
    text_ = guess_config(catalog, source);
    try {
      Config config = parse(text_, {{"DATABASE_URL", "postgresql://from-environment/db"}});
      auto mistakes = check_config(config, catalog);
      EXPECT_TRUE(mistakes.empty()) << ConfigError("guess", mistakes).what() << "\n" << text_;
      return config;
    } catch (const ConfigError& error) {
      ADD_FAILURE() << error.what() << "\n" << text_;
    }
    return {};
  }

  static const sink::DocumentSpec& document(const Config& config, const std::string& name) {
    for (const sink::DocumentSpec& spec : config.documents) {
      if (spec.name == name) return spec;
    }
    throw std::out_of_range("no document " + name);
  }
  static bool has_attribute(const sink::MapSpec& map, const std::string& name) {
    for (const auto& [attribute, value] : map.entries) {
      if (attribute == name) return true;
    }
    return false;
  }

  std::filesystem::path directory_;
  std::string text_;
};

TEST_F(ConfigGuessTest, LookupsListsAndJoinTables) {
  Config config = guessed(catalog_of(R"(
    CREATE TABLE Artist (ArtistId INTEGER PRIMARY KEY, Name TEXT);
    CREATE TABLE Album (AlbumId INTEGER PRIMARY KEY, Title TEXT,
                        ArtistId INTEGER REFERENCES artist);
    CREATE TABLE Employee (EmployeeId INTEGER PRIMARY KEY, FirstName TEXT, LastName TEXT,
                           ReportsTo INTEGER REFERENCES Employee (EmployeeId));
    CREATE TABLE Invoice (InvoiceId INTEGER PRIMARY KEY, Total NUMERIC);
    CREATE TABLE InvoiceLine (InvoiceLineId INTEGER PRIMARY KEY,
                              InvoiceId INTEGER REFERENCES Invoice,
                              AlbumId INTEGER REFERENCES Album);
    CREATE TABLE Playlist (PlaylistId INTEGER PRIMARY KEY, Name TEXT);
    CREATE TABLE PlaylistAlbum (PlaylistId INTEGER REFERENCES Playlist,
                                AlbumId INTEGER REFERENCES Album,
                                PRIMARY KEY (PlaylistId, AlbumId));
    CREATE TABLE Loose (A, B);
  )"));
  EXPECT_EQ(config.source.path, "my source.db");
  EXPECT_EQ(config.target.type, TargetType::kLocal);
  std::set<std::string> names;
  for (const auto& spec : config.documents) names.insert(spec.name);
  EXPECT_EQ(names, (std::set<std::string>{"Artist", "Album", "Employee", "Invoice", "InvoiceLine",
                                          "Playlist"}));
  const sink::DocumentSpec& album = document(config, "Album");
  EXPECT_EQ(album.relations[0].name, "artist");
  EXPECT_FALSE(album.relations[0].many);
  EXPECT_TRUE(has_attribute(album.item, "ArtistName"));
  EXPECT_TRUE(has_attribute(album.item, "Playlists")) << text_;
  EXPECT_TRUE(has_attribute(document(config, "Employee").item, "ReportsToName"));
  const sink::DocumentSpec& invoice = document(config, "Invoice");
  ASSERT_TRUE(has_attribute(invoice.item, "InvoiceLines")) << text_;
  ASSERT_EQ(invoice.relations.size(), 1U);
  EXPECT_TRUE(invoice.relations[0].many);
  EXPECT_EQ(invoice.relations[0].relations.at(0).table, "Album");
  EXPECT_TRUE(has_attribute(document(config, "Playlist").item, "Albums"));
  EXPECT_FALSE(has_attribute(document(config, "Artist").item, "Albums"))
      << "an album is not clearly owned by its artist";
  EXPECT_NE(text_.find("#   albums: {table: Album, on: ArtistId}"), std::string::npos) << text_;
  EXPECT_NE(text_.find("# Loose is left out"), std::string::npos) << text_;
}

TEST_F(ConfigGuessTest, LongListsArePaged) {
  Config config = guessed(catalog_of(R"(
    CREATE TABLE list (list_id INTEGER PRIMARY KEY, title TEXT);
    CREATE TABLE thing (thing_id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE list_thing (list_id INTEGER REFERENCES list, thing_id INTEGER REFERENCES thing,
                             PRIMARY KEY (list_id, thing_id));
    INSERT INTO list VALUES (1, 'a');
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
    INSERT INTO thing SELECT i, 'thing' FROM n;
    INSERT INTO list_thing SELECT 1, thing_id FROM thing;
    ANALYZE;
  )"));
  const sink::DocumentSpec& list = document(config, "list");
  ASSERT_TRUE(list.pages.has_value()) << text_;
  EXPECT_EQ(list.pages->of.segments[0], "things");
  EXPECT_TRUE(has_attribute(list.item, "things"));
  EXPECT_FALSE(document(config, "thing").pages.has_value());
  EXPECT_TRUE(has_attribute(document(config, "thing").item, "lists"));
}

TEST_F(ConfigGuessTest, OddSchemas) {
  Config config = guessed(catalog_of(R"(
    CREATE TABLE "odd table" ("key col" TEXT PRIMARY KEY, "a]b" TEXT, "c.d" TEXT, "{e}" TEXT,
                              "$f" TEXT, "g""h" TEXT, "it's" TEXT, "Ünï" TEXT) WITHOUT ROWID;
    CREATE TABLE "on" ("true" INTEGER PRIMARY KEY, "null" TEXT, "yes" TEXT, PK TEXT, SK TEXT,
                       _tandem TEXT, "odd name" TEXT REFERENCES "odd table",
                       title TEXT);
    CREATE TABLE "a/b" (x INTEGER PRIMARY KEY, "odd name" TEXT REFERENCES "odd table");
    CREATE TABLE a_b (x INTEGER PRIMARY KEY);
    CREATE TABLE "日本" ("番号" INTEGER PRIMARY KEY);
    CREATE TABLE "${HOME}" ("${PATH}" INTEGER PRIMARY KEY, "{{x}}" TEXT);
    CREATE TABLE "line
feed" ("tab	col" INTEGER PRIMARY KEY, "back\slash" TEXT);
    CREATE TABLE "1" ("2" INTEGER PRIMARY KEY, "3" INTEGER REFERENCES "on" ("true"));
    CREATE TABLE bytes (id BLOB PRIMARY KEY NOT NULL, name TEXT) WITHOUT ROWID;
    CREATE TABLE composite (a TEXT, b INTEGER, c TEXT, PRIMARY KEY (a, b, c)) WITHOUT ROWID;
    CREATE TABLE composite_child (id INTEGER PRIMARY KEY, a TEXT, b INTEGER, c TEXT, name TEXT,
                                  FOREIGN KEY (a, b, c) REFERENCES composite);
    CREATE TABLE root (id INTEGER PRIMARY KEY, root_id INTEGER REFERENCES root, name TEXT);
    CREATE TABLE dangling (id INTEGER PRIMARY KEY, x INTEGER REFERENCES nowhere);
    CREATE TABLE keyless (a, b);
    CREATE VIEW seen AS SELECT 1;
  )"));
  EXPECT_EQ(config.documents.size(), 14U - 1U) << text_;
  EXPECT_EQ(config.target.options.attribute, "_tandem_");
  EXPECT_EQ(config.target.tables[0].key[0], "PK_");
  EXPECT_EQ(document(config, "odd table").root, "odd table");
  EXPECT_EQ(document(config, "${HOME}").root, "${HOME}");
  for (const sink::TargetTable& table : config.target.tables) {
    const bool bytes = table.name == "bytes";
    EXPECT_EQ(table.key_types[0],
              bytes ? sink::AttributeType::kBinary : sink::AttributeType::kString)
        << table.name;
  }
}

TEST_F(ConfigGuessTest, Chinook) {
  const std::string path = chinook_path();
  if (!std::filesystem::exists(path)) {
    ASSERT_EQ(std::getenv("CI"), nullptr) << "the Chinook database is not here";
    GTEST_SKIP() << "the Chinook database is not here: CHINOOK_DB=FILE names it";
  }
  capture::Catalog catalog = capture::open_sqlite_source(path, {})->catalog();
  Config config = guessed(catalog);
  EXPECT_EQ(config.documents.size(), 10U) << text_;
  const sink::DocumentSpec& track = document(config, "Track");
  EXPECT_TRUE(has_attribute(track.item, "AlbumTitle"));
  EXPECT_TRUE(has_attribute(track.item, "GenreName"));
  EXPECT_TRUE(has_attribute(track.item, "MediaTypeName"));
  EXPECT_TRUE(has_attribute(document(config, "Customer").item, "SupportRepName"));
  EXPECT_TRUE(has_attribute(document(config, "Invoice").item, "InvoiceLines"));
  const sink::DocumentSpec& playlist = document(config, "Playlist");
  EXPECT_TRUE(has_attribute(playlist.item, "Tracks"));
  ASSERT_TRUE(playlist.pages.has_value());
  if (std::getenv("TANDEM_SHOW_GUESS") != nullptr) std::cout << text_;
}

/// A table as PostgreSQL's catalog tells it; the first column is the key.
capture::CatalogTable postgres_table(
    const std::string& name, const std::vector<std::pair<std::string, std::string>>& columns) {
  capture::CatalogTable table;
  table.schema.name = name;
  for (const auto& [column, type] : columns) {
    state::Column made;
    made.name = column;
    made.declared_type = type;
    made.form = type == "integer"   ? state::ColumnForm::kInteger
                : type == "numeric" ? state::ColumnForm::kDecimal
                                    : state::ColumnForm::kText;
    if (type == "numeric") made.comparison = state::Comparison::kNone;
    table.schema.columns.push_back(made);
  }
  table.schema.key = {0};
  table.schema.unique_keys = {{0}};
  table.primary_key = {columns[0].first};
  return table;
}

TEST_F(ConfigGuessTest, PostgresTakesItsConnectionStringFromTheEnvironment) {
  capture::Catalog catalog;
  catalog.tables.push_back(
      postgres_table("customers", {{"customer_id", "integer"}, {"name", "text"}}));
  catalog.tables.push_back(postgres_table(
      "sales.order", {{"order_id", "integer"}, {"customer_id", "integer"}, {"total", "numeric"}}));
  catalog.tables.back().foreign_keys = {{{"customer_id"}, "customers", {"customer_id"}}};
  catalog.tables.push_back(postgres_table(
      "sales.order_line", {{"line_id", "integer"}, {"order_id", "integer"}, {"rate", "numeric"}}));
  catalog.tables.back().foreign_keys = {{{"order_id"}, "sales.order", {"order_id"}},
                                        {{"rate"}, "rates", {"rate"}}};
  catalog.tables.push_back(postgres_table("rates", {{"rate", "numeric"}, {"name", "text"}}));
  SourceConfig source;
  source.type = SourceType::kPostgres;
  source.url = "postgresql://me:hush@db.example/shop";
  Config config = guessed(catalog, source);
  EXPECT_EQ(config.source.type, SourceType::kPostgres);
  EXPECT_EQ(config.source.url, "postgresql://from-environment/db");
  EXPECT_EQ(text_.find("hush"), std::string::npos) << text_;
  EXPECT_NE(text_.find("me@db.example:5432/shop"), std::string::npos) << text_;
  const sink::DocumentSpec& order = document(config, "sales.order");
  EXPECT_EQ(order.root, "sales.order");
  EXPECT_TRUE(has_attribute(order.item, "order_lines")) << text_;
  EXPECT_TRUE(has_attribute(order.item, "customer_name")) << text_;
  EXPECT_EQ(document(config, "sales.order_line").relations.size(), 0U)
      << "numeric columns are not joined: 1.0 and 1.00 are equal at the source\n"
      << text_;
}

TEST_F(ConfigGuessTest, ADatabaseWithoutUsableTablesIsSaidSo) {
  EXPECT_THROW(guess_config(catalog_of("CREATE TABLE loose (a, b)"), SourceConfig()), state::Error);
}

TEST(GuessNamesTest, NamesReadWell) {
  EXPECT_EQ(pointed_at("AlbumId"), "Album");
  EXPECT_EQ(pointed_at("albumID"), "album");
  EXPECT_EQ(pointed_at("album_id"), "album");
  EXPECT_EQ(pointed_at("Paid"), "Paid");
  EXPECT_EQ(pointed_at("Id"), "Id");
  EXPECT_EQ(joined_name("Album", "Title"), "AlbumTitle");
  EXPECT_EQ(joined_name("album", "title"), "album_title");
  EXPECT_EQ(joined_name("support_rep", "Name"), "support_rep_Name");
  EXPECT_EQ(plural("Track"), "Tracks");
  EXPECT_EQ(plural("category"), "categories");
  EXPECT_EQ(plural("Box"), "Boxes");
  EXPECT_EQ(plural("Day"), "Days");
  EXPECT_EQ(plural("orders"), "orders");
  EXPECT_EQ(relation_name("SupportRep"), "supportRep");
  EXPECT_EQ(relation_name("ORDER_LINES"), "order_lines");
  EXPECT_EQ(relation_name("root"), "root_row");
  EXPECT_EQ(relation_name("odd name"), "odd_name");
  EXPECT_EQ(key_prefix("OrderLine"), "ORDER_LINE");
  EXPECT_EQ(key_prefix("order line"), "ORDER_LINE");
  EXPECT_EQ(store_name("a b"), "a-b");
  EXPECT_EQ(yaml_text("On"), "\"On\"");
  EXPECT_EQ(yaml_text("a\"b\\\n${c}"), "\"a\\\"b\\\\\\x0A$${c}\"");
  EXPECT_EQ(yaml_attribute("$x"), "\"$$x\"");
}

}  // namespace
}  // namespace tandem::agent
