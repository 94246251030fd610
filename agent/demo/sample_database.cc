#include "agent/demo/sample_database.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <random>
#include <set>
#include <utility>

#include "state/sqlite.h"

namespace tandem::agent {
namespace {

constexpr std::array kAdjectives = {"Quiet",  "Golden", "Broken", "Electric", "Velvet",  "Northern",
                                    "Hollow", "Silver", "Wild",   "Distant",  "Burning", "Gentle"};
constexpr std::array kNouns = {"Harbour", "Lanterns", "Foxes",  "Rivers", "Machines",
                               "Orchard", "Comets",   "Paper",  "Winter", "Sisters",
                               "Engine",  "Meadow",   "Signals"};
constexpr std::array kPlaces = {"at Dawn",      "in Lisbon",   "under Glass", "after Rain",
                                "of the Coast", "without You", "on Tape"};
constexpr std::array kFirst = {"Ada",   "Bruno", "Chiara", "Dmitri", "Elif", "Femi",
                               "Greta", "Hugo",  "Ines",   "Jonas",  "Kaya"};
constexpr std::array kLast = {"Almeida",  "Berger", "Castro", "Duran",  "Eriksen",
                              "Fontaine", "Garcia", "Haas",   "Ivanov", "Jansen",
                              "Keller",   "Lopez",  "Moreau"};
constexpr std::array kGenres = {"Rock", "Jazz", "Folk", "Electronic", "Classical", "Soul"};

constexpr char kSchema[] = R"(
PRAGMA journal_mode = WAL;
CREATE TABLE Artist (ArtistId INTEGER PRIMARY KEY, Name NVARCHAR(120) NOT NULL);
CREATE TABLE Genre (GenreId INTEGER PRIMARY KEY, Name NVARCHAR(120) NOT NULL);
CREATE TABLE Album (AlbumId INTEGER PRIMARY KEY, Title NVARCHAR(160) NOT NULL,
  ArtistId INTEGER NOT NULL REFERENCES Artist ON DELETE CASCADE);
CREATE TABLE Track (TrackId INTEGER PRIMARY KEY, Name NVARCHAR(200) NOT NULL,
  AlbumId INTEGER NOT NULL REFERENCES Album ON DELETE CASCADE,
  GenreId INTEGER REFERENCES Genre, Milliseconds INTEGER NOT NULL, UnitPrice NUMERIC(10,2) NOT NULL);
CREATE TABLE Customer (CustomerId INTEGER PRIMARY KEY, FirstName NVARCHAR(40) NOT NULL,
  LastName NVARCHAR(20) NOT NULL, Email NVARCHAR(60) NOT NULL UNIQUE, City NVARCHAR(40));
CREATE TABLE Invoice (InvoiceId INTEGER PRIMARY KEY,
  CustomerId INTEGER NOT NULL REFERENCES Customer ON DELETE CASCADE,
  InvoiceDate DATETIME NOT NULL, Total NUMERIC(10,2) NOT NULL);
CREATE TABLE InvoiceLine (InvoiceLineId INTEGER PRIMARY KEY,
  InvoiceId INTEGER NOT NULL REFERENCES Invoice ON DELETE CASCADE,
  TrackId INTEGER NOT NULL, UnitPrice NUMERIC(10,2) NOT NULL, Quantity INTEGER NOT NULL);
CREATE TABLE Playlist (PlaylistId INTEGER PRIMARY KEY, Name NVARCHAR(120) NOT NULL);
CREATE TABLE PlaylistTrack (PlaylistId INTEGER NOT NULL REFERENCES Playlist ON DELETE CASCADE,
  TrackId INTEGER NOT NULL, PRIMARY KEY (PlaylistId, TrackId)) WITHOUT ROWID;
CREATE INDEX AlbumArtist ON Album (ArtistId);
CREATE INDEX TrackAlbum ON Track (AlbumId);
CREATE INDEX InvoiceCustomer ON Invoice (CustomerId);
CREATE INDEX LineInvoice ON InvoiceLine (InvoiceId);
)";

void fill_catalogue(state::Database& database, const SampleSize& size, std::mt19937_64& random) {
  auto artist = database.prepare("INSERT INTO Artist VALUES (?, ?)");
  auto album = database.prepare("INSERT INTO Album VALUES (?, ?, ?)");
  auto track = database.prepare("INSERT INTO Track VALUES (?, ?, ?, ?, ?, ?)");
  auto genre = database.prepare("INSERT INTO Genre VALUES (?, ?)");
  for (std::size_t i = 0; i < kGenres.size(); ++i) {
    genre.bind(1, static_cast<std::int64_t>(i + 1)).bind(2, std::string_view(kGenres[i])).run();
  }
  std::int64_t albums = 0;
  std::int64_t tracks = 0;
  for (std::int64_t a = 1; a <= size.artists; ++a) {
    artist.bind(1, a).bind(2, sample_artist(static_cast<std::uint64_t>(a))).run();
    for (int b = 0; b < size.albums_per_artist; ++b) {
      album.bind(1, ++albums).bind(2, sample_title(random())).bind(3, a).run();
      for (int t = 0; t < size.tracks_per_album; ++t) {
        track.bind(1, ++tracks).bind(2, sample_title(random())).bind(3, albums);
        track.bind(4, static_cast<std::int64_t>(random() % kGenres.size() + 1));
        track.bind(5, static_cast<std::int64_t>(120'000 + random() % 240'000));
        track.bind(6, state::Value::real(random() % 5 == 0 ? 1.99 : 0.99)).run();
      }
    }
  }
}

void fill_sales(state::Database& database, const SampleSize& size, std::mt19937_64& random) {
  auto customer = database.prepare("INSERT INTO Customer VALUES (?, ?, ?, ?, ?)");
  auto invoice = database.prepare("INSERT INTO Invoice VALUES (?, ?, ?, 0)");
  auto line = database.prepare(
      "INSERT INTO InvoiceLine SELECT NULL, ?, TrackId, UnitPrice, 1 FROM Track WHERE TrackId = ?");
  auto tracks = static_cast<std::uint64_t>(size.artists) *
                static_cast<std::uint64_t>(size.albums_per_artist * size.tracks_per_album);
  std::int64_t invoices = 0;
  for (std::int64_t c = 1; c <= size.customers; ++c) {
    std::string person = sample_person(static_cast<std::uint64_t>(c));
    auto space = person.find(' ');
    customer.bind(1, c).bind(2, person.substr(0, space)).bind(3, person.substr(space + 1));
    customer.bind(4, fmt::format("customer{}@example.com", c))
        .bind(5, std::string_view("Lisbon"))
        .run();
    for (int i = 0; i < size.invoices_per_customer; ++i) {
      // One invoice a month, so that a customer has no two of one date.
      invoice.bind(1, ++invoices).bind(2, c);
      invoice.bind(3, fmt::format("{}-{:02}-{:02} 00:00:00", 2021 + i / 12, i % 12 + 1, c % 28 + 1))
          .run();
      for (int l = 0; l < size.lines_per_invoice; ++l) {
        line.bind(1, invoices).bind(2, static_cast<std::int64_t>(random() % tracks + 1)).run();
      }
    }
  }
  database.execute(
      "UPDATE Invoice SET Total = (SELECT round(sum(UnitPrice * Quantity), 2) FROM InvoiceLine "
      "WHERE InvoiceLine.InvoiceId = Invoice.InvoiceId)");
  auto playlist = database.prepare("INSERT INTO Playlist VALUES (?, ?)");
  auto entry = database.prepare("INSERT OR IGNORE INTO PlaylistTrack VALUES (?, ?)");
  for (std::int64_t p = 1; p <= size.playlists; ++p) {
    playlist.bind(1, p).bind(2, sample_title(random())).run();
    for (int t = 0; t < size.tracks_per_playlist; ++t) {
      entry.bind(1, p).bind(2, static_cast<std::int64_t>(random() % tracks + 1)).run();
    }
  }
}

}  // namespace

std::string sample_artist(std::uint64_t n) {
  return fmt::format("{} {}", kAdjectives[n % kAdjectives.size()], kNouns[n * 7 % kNouns.size()]);
}

std::string sample_title(std::uint64_t n) {
  return fmt::format("{} {} {}", kAdjectives[n % kAdjectives.size()],
                     kNouns[n / 16 % kNouns.size()], kPlaces[n / 256 % kPlaces.size()]);
}

std::string sample_person(std::uint64_t n) {
  return fmt::format("{} {}", kFirst[n % kFirst.size()], kLast[n * 5 % kLast.size()]);
}

void make_sample_database(const std::string& path, const SampleSize& size, std::uint64_t seed) {
  state::remove_database(path);
  state::Database database(path, state::OpenMode::kReadWriteCreate);
  database.execute(kSchema);
  std::mt19937_64 random(seed);
  state::Transaction transaction(database);
  fill_catalogue(database, size, random);
  fill_sales(database, size, random);
  transaction.commit();
}

std::string demo_config(const std::string& database, const std::string& directory) {
  constexpr char kConfig[] =
      R"(# The demo's config: a record shop's legacy database, kept equal in a local document store.
name: demo
source: {type: sqlite, path: "@DATABASE@"}
state: "@DIRECTORY@/state"
target:
  type: local
  path: "@DIRECTORY@/target.db"
  tables:
    Catalogue: {key: [PK, SK]}
    Orders: {key: [PK, SK]}
    Playlists: {key: [PK, SK]}
documents:
  artist:
    table: Catalogue
    root: Artist
    many: {albums: {table: Album, on: ArtistId}}
    item: {PK: "ARTIST#{ArtistId}", SK: METADATA, $columns: all, Albums: {$count: albums}}
  track:
    table: Catalogue
    root: Track
    one:
      album: {table: Album, on: AlbumId}
      artist: {table: Artist, on: {ArtistId: album.ArtistId}}
      genre: {table: Genre, on: GenreId}
    item:
      PK: "ALBUM#{AlbumId}"
      SK: "TRACK#{TrackId}"
      $columns: all
      AlbumTitle: "{album.Title}"
      ArtistName: "{artist.Name}"
      GenreName: "{genre.Name}"
  order:
    table: Orders
    root: Invoice
    one: {customer: {table: Customer, on: CustomerId}}
    many:
      lines:
        table: InvoiceLine
        on: InvoiceId
        order_by: [InvoiceLineId]
        one: {track: {table: Track, on: TrackId}}
    item:
      PK: "CUSTOMER#{CustomerId}"
      SK: "ORDER#{InvoiceDate:iso8601}"
      $columns: all
      CustomerName: "{customer.FirstName} {customer.LastName}"
      LineItems: {$each: lines, item: {TrackName: "{track.Name}", UnitPrice: "{UnitPrice}", Quantity: "{Quantity}"}}
  customer:
    table: Orders
    root: Customer
    many: {orders: {table: Invoice, on: CustomerId}}
    item:
      PK: "CUSTOMER#{CustomerId}"
      SK: PROFILE
      $columns: all
      TotalOrders: {$count: orders}
      TotalSpent: {$sum: orders.Total}
  playlist:
    table: Playlists
    root: Playlist
    many:
      entries:
        table: PlaylistTrack
        on: PlaylistId
        order_by: [track.Name, TrackId]
        one: {track: {table: Track, on: TrackId}}
    item:
      PK: "PLAYLIST#{PlaylistId}"
      SK: METADATA
      $columns: all
      TrackCount: {$count: entries}
      Tracks: {$each: entries, item: {TrackId: "{TrackId}", Name: "{track.Name}"}}
    pages:
      of: entries
      size: 50
      over: 50
      item: {PK: "PLAYLIST#{PlaylistId}", SK: "TRACKS#{$page}", Page: "{$page}", Tracks: {$each: entries, item: {TrackId: "{TrackId}", Name: "{track.Name}"}}}
)";
  std::string text = kConfig;
  auto fill = [&text](std::string_view name, const std::string& value) {
    for (auto at = text.find(name); at != std::string::npos;
         at = text.find(name, at + value.size())) {
      text.replace(at, name.size(), value);
    }
  };
  fill("@DATABASE@", database);
  fill("@DIRECTORY@", directory);
  return text;
}

}  // namespace tandem::agent
