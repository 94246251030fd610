// The demo's legacy database: a record shop with artists, albums, tracks, customers, invoices and
// playlists, made of generated names and numbers.
#pragma once

#include <cstdint>
#include <string>

namespace tandem::agent {

struct SampleSize {
  int artists = 60, albums_per_artist = 3, tracks_per_album = 10;
  int customers = 150, invoices_per_customer = 6, lines_per_invoice = 4;
  int playlists = 12, tracks_per_playlist = 60;
};

/// Makes the file anew. The same seed gives the same rows.
void make_sample_database(const std::string& path, const SampleSize& size, std::uint64_t seed);

/// The demo's config over such a database: local target, three tables.
std::string demo_config(const std::string& database, const std::string& directory);

/// A name for the n-th thing of a kind, always the same for the same n.
std::string sample_artist(std::uint64_t n);
std::string sample_title(std::uint64_t n);
std::string sample_person(std::uint64_t n);

}  // namespace tandem::agent
