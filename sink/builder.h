// Builds a document's items from the replica's rows with prepared statements. Nothing here asks the
// source. One thread; statements live as long as the database handle.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sink/document.h"
#include "state/sqlite.h"

namespace tandem::sink {

struct BuiltItem {
  Item item;        // sorted, canonical, without our attribute
  std::string key;  // encode_key
  state::Hash hash{};
};

struct BuiltDocument {
  bool exists = false;  // false: no such root, or it does not match `where`: delete its items
  std::vector<BuiltItem> items;  // the item, then its pages
  std::string invalid;           // not empty: a dead letter with this reason; items are void
  std::string invalid_item;      // the item's key for people, where it has one
};

class Builder {
 public:
  Builder(state::Database& replica, std::shared_ptr<const Document> document,
          std::string own_attribute);
  ~Builder();

  /// The root as encode_row of its key. A root found under another spelling of its key (NOCASE, 1
  /// and 1.0) does not exist under this one.
  BuiltDocument build(const std::string& root);
  /// Builds the roots after `after` ("" for the start) in key order, at most `limit`; returns the
  /// last root visited, "" when there are no more. For first loads.
  std::string build_range(const std::string& after, std::size_t limit,
                          const std::function<void(std::string root, BuiltDocument)>& take);
  /// "Track 7" or "PlaylistTrack (1, 3402)" for people.
  std::string display_root(const std::string& root) const;
  /// The rows that make the document, for `explain`: table, key and columns as text.
  struct Part {
    std::string table;
    state::Row key;
    std::vector<std::pair<std::string, state::Value>> columns;
  };
  std::vector<Part> parts(const std::string& root);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::sink
