// Guesses how the tables of a catalog belong together: which rows a document should look up, and
// which it should embed.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "capture/source.h"

namespace tandem::agent {

/// A row found by a foreign key, of which a name is shown.
struct GuessedLookup {
  std::string relation;
  std::string table;
  std::vector<std::pair<std::string, std::string>> on;  // theirs, ours
  std::string attribute;
  std::string value;  // the template: {album.Title}
};

/// Rows of a table that belong to the document's row, as a list.
struct GuessedList {
  std::string relation;
  std::string table;
  std::vector<std::pair<std::string, std::string>> on;  // theirs, ours
  std::string attribute;
  std::vector<GuessedLookup> lookups;  // of the list's rows
  bool all_columns_join = false;       // nothing would be left of the row without them
  bool paged = false;                  // long lists are to be expected
};

struct GuessedDocument {
  const capture::CatalogTable* table = nullptr;
  std::vector<GuessedLookup> lookups;
  std::vector<GuessedList> lists;
  std::vector<GuessedList> ideas;  // lists that are possible, but not clearly wanted
};

/// One for each table with a usable key, but for tables that only join others: those are lists of
/// the tables they join.
std::vector<GuessedDocument> guess_documents(const capture::Catalog& catalog);

}  // namespace tandem::agent
