#include "agent/guess_relations.h"

#include <algorithm>
#include <optional>
#include <set>

#include "agent/guess_names.h"

namespace tandem::agent {
namespace {

using capture::Catalog;
using capture::CatalogTable;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// Rows of a list for each row of its owner, on average, up to which it may stand in one item, and
// up to which it is a list at all.
constexpr std::int64_t kShortList = 20;
constexpr std::int64_t kLongList = 2000;

/// A foreign key whose parent was found, with the names as the tables spell them.
struct Reference {
  const CatalogTable* child = nullptr;
  const CatalogTable* parent = nullptr;
  std::vector<int> child_columns, parent_columns;
};

bool is_usable(const CatalogTable& table) {
  return table.refusal.empty() && !table.schema.key.empty();
}

const std::string& column_name(const CatalogTable& table, int column) {
  return table.schema.columns[static_cast<std::size_t>(column)].name;
}

/// SQLite finds a parent whatever its letters' case.
const CatalogTable* find_parent(const Catalog& catalog, const std::string& name) {
  if (const CatalogTable* exact = catalog.find(name)) return exact;
  for (const CatalogTable& table : catalog.tables) {
    if (same_letters(table.schema.name, name)) return &table;
  }
  return nullptr;
}

/// Whether the replica can join the two columns as the source would.
bool is_joinable(const state::Column& theirs, const state::Column& ours) {
  return theirs.comparison != state::Comparison::kNone &&
         ours.comparison != state::Comparison::kNone && theirs.form == ours.form;
}

std::optional<Reference> resolve(const Catalog& catalog, const CatalogTable& child,
                                 const capture::ForeignKey& key) {
  Reference found;
  found.child = &child;
  found.parent = find_parent(catalog, key.parent);
  if (found.parent == nullptr || !is_usable(*found.parent)) return std::nullopt;
  const std::vector<std::string>& theirs =
      key.parent_columns.empty() ? found.parent->primary_key : key.parent_columns;
  if (key.columns.empty() || theirs.size() != key.columns.size()) return std::nullopt;
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    found.child_columns.push_back(child.schema.find(key.columns[i]));
    found.parent_columns.push_back(found.parent->schema.find(theirs[i]));
    if (found.child_columns[i] < 0 || found.parent_columns[i] < 0) return std::nullopt;
    if (!is_joinable(
            found.parent->schema.columns[static_cast<std::size_t>(found.parent_columns[i])],
            child.schema.columns[static_cast<std::size_t>(found.child_columns[i])])) {
      return std::nullopt;
    }
  }
  // A lookup finds at most one row: the columns must cover a unique key.
  auto contains = [&found](int column) {
    return std::find(found.parent_columns.begin(), found.parent_columns.end(), column) !=
           found.parent_columns.end();
  };
  for (const std::vector<int>& unique : found.parent->schema.unique_keys) {
    if (std::all_of(unique.begin(), unique.end(), contains)) return found;
  }
  return std::nullopt;
}

std::vector<Reference> references_of(const Catalog& catalog, const CatalogTable& child) {
  std::vector<Reference> references;
  for (const capture::ForeignKey& key : child.foreign_keys) {
    if (auto reference = resolve(catalog, child, key)) references.push_back(std::move(*reference));
  }
  return references;
}

bool in_key(const CatalogTable& table, int column) {
  const std::vector<int>& key = table.schema.key;
  return std::find(key.begin(), key.end(), column) != key.end();
}

/// Its key is made of foreign keys alone, at least two, and it says little beyond them.
bool is_join_table(const CatalogTable& table, const std::vector<Reference>& references) {
  std::set<int> covered;
  std::size_t within = 0;
  for (const Reference& reference : references) {
    const bool inside = std::all_of(reference.child_columns.begin(), reference.child_columns.end(),
                                    [&table](int column) { return in_key(table, column); });
    if (!inside) continue;
    ++within;
    covered.insert(reference.child_columns.begin(), reference.child_columns.end());
  }
  return within >= 2 && covered.size() == table.schema.key.size() &&
         table.schema.columns.size() <= table.schema.key.size() + 3;
}

/// InvoiceLine of Invoice, order_items of orders.
bool is_named_after(const CatalogTable& child, const CatalogTable& parent) {
  const std::string parent_name = bare_name(parent.schema.name);
  std::string_view stem = parent_name;
  if (stem.size() > 2 && (stem.back() == 's' || stem.back() == 'S')) stem.remove_suffix(1);
  const std::string name = bare_name(child.schema.name);
  return &child != &parent && name.size() > stem.size() + 1 && stem.size() >= 3 &&
         same_letters(std::string_view(name).substr(0, stem.size()), stem);
}

/// The row's key begins with its owner's, or its name says whose it is.
bool is_owned(const Reference& reference) {
  const CatalogTable& child = *reference.child;
  if (&child == reference.parent) return false;
  const bool keyed = std::all_of(reference.child_columns.begin(), reference.child_columns.end(),
                                 [&child](int column) { return in_key(child, column); });
  if (keyed && child.schema.key.size() > reference.child_columns.size()) return true;
  return is_named_after(child, *reference.parent);
}

/// The template that shows a row by name, and what to call it; nothing if no column is name-like.
std::optional<std::pair<std::string, std::string>> shown_name(const CatalogTable& table,
                                                              const std::string& relation) {
  auto placeholder = [&relation](const std::string& column) {
    return "{" + relation + "." + path_text(column) + "}";
  };
  std::string first, last;
  for (const state::Column& column : table.schema.columns) {
    if (same_letters(column.name, "FirstName") || same_letters(column.name, "first_name")) {
      first = column.name;
    }
    if (same_letters(column.name, "LastName") || same_letters(column.name, "last_name")) {
      last = column.name;
    }
  }
  if (!first.empty() && !last.empty()) {
    return std::pair(placeholder(first) + " " + placeholder(last),
                     std::string(first.find_first_of("FN") != std::string::npos ? "Name" : "name"));
  }
  for (std::string_view wanted :
       {"name", "title", "label", "display_name", "full_name", "username", "code", "email"}) {
    for (const state::Column& column : table.schema.columns) {
      if (same_letters(column.name, wanted))
        return std::pair(placeholder(column.name), column.name);
    }
  }
  for (const state::Column& column : table.schema.columns) {
    const std::size_t size = column.name.size();
    if (size > 4 && same_letters(std::string_view(column.name).substr(size - 4), "name")) {
      return std::pair(placeholder(column.name), column.name);
    }
  }
  return std::nullopt;
}

/// Makes the lookups of a row. `relations` and `attributes` hold the names that are taken.
std::vector<GuessedLookup> guess_lookups(const std::vector<Reference>& references,
                                         const Reference* except, std::set<std::string>& relations,
                                         std::set<std::string>& attributes) {
  std::vector<GuessedLookup> lookups;
  for (const Reference& reference : references) {
    if (except != nullptr && reference.child_columns == except->child_columns) continue;
    const std::string pointed =
        reference.child_columns.size() == 1
            ? pointed_at(column_name(*reference.child, reference.child_columns[0]))
            : bare_name(reference.parent->schema.name);
    GuessedLookup lookup;
    std::set<std::string> tried = relations;
    lookup.relation = unique_name(relation_name(pointed), tried);
    auto name = shown_name(*reference.parent, lookup.relation);
    if (!name) continue;
    relations.insert(lookup.relation);
    lookup.table = reference.parent->schema.name;
    for (std::size_t i = 0; i < reference.child_columns.size(); ++i) {
      lookup.on.emplace_back(column_name(*reference.parent, reference.parent_columns[i]),
                             column_name(*reference.child, reference.child_columns[i]));
    }
    lookup.attribute = unique_name(joined_name(pointed, name->second), attributes);
    lookup.value = name->first;
    lookups.push_back(std::move(lookup));
  }
  return lookups;
}

std::set<std::string> column_names(const CatalogTable& table) {
  std::set<std::string> names;
  for (const state::Column& column : table.schema.columns) names.insert(column.name);
  return names;
}

class DocumentGuesser {
 public:
  explicit DocumentGuesser(const Catalog& catalog) {
    for (const CatalogTable& table : catalog.tables) {
      if (!is_usable(table)) continue;
      for (Reference& reference : references_of(catalog, table)) {
        references_.push_back(std::move(reference));
      }
    }
  }

  std::optional<GuessedDocument> guess(const CatalogTable& table) const {
    const std::vector<Reference> own = references_from(table);
    if (!is_usable(table) || is_join_table(table, own)) return std::nullopt;
    GuessedDocument document;
    document.table = &table;
    std::set<std::string> relations, attributes = column_names(table);
    document.lookups = guess_lookups(own, nullptr, relations, attributes);
    bool paged = false;
    for (const Reference& reference : references_) {
      if (reference.parent != &table) continue;
      const std::vector<Reference> theirs = references_from(*reference.child);
      const bool joins = is_join_table(*reference.child, theirs);
      const std::int64_t length =
          reference.child->estimated_rows / std::max<std::int64_t>(1, table.estimated_rows);
      const bool wanted = (joins || is_owned(reference)) && length <= kLongList;
      const bool pages = length > kShortList;
      if (wanted && !(pages && paged)) {
        paged = paged || pages;
        document.lists.push_back(
            guess_list(reference, theirs, joins, pages, relations, attributes));
      } else {
        std::set<std::string> names = relations, unused;
        document.ideas.push_back(guess_list(reference, {}, false, false, names, unused));
      }
    }
    return document;
  }

 private:
  std::vector<Reference> references_from(const CatalogTable& table) const {
    std::vector<Reference> found;
    for (const Reference& reference : references_) {
      if (reference.child == &table) found.push_back(reference);
    }
    return found;
  }

  static GuessedList guess_list(const Reference& reference, const std::vector<Reference>& theirs,
                                bool joins, bool paged, std::set<std::string>& relations,
                                std::set<std::string>& attributes) {
    const CatalogTable& child = *reference.child;
    GuessedList list;
    list.table = child.schema.name;
    list.paged = paged;
    // A join table's list is named after what it joins with.
    std::string name = bare_name(child.schema.name);
    for (const Reference& other : theirs) {
      if (joins && other.child_columns != reference.child_columns) {
        name = bare_name(other.parent->schema.name);
        break;
      }
    }
    list.relation = unique_name(relation_name(plural(name)), relations);
    list.attribute = unique_name(plural(name), attributes);
    for (std::size_t i = 0; i < reference.child_columns.size(); ++i) {
      list.on.emplace_back(column_name(child, reference.child_columns[i]),
                           column_name(*reference.parent, reference.parent_columns[i]));
    }
    list.all_columns_join = child.schema.columns.size() == reference.child_columns.size();
    std::set<std::string> names = column_names(child);
    list.lookups = guess_lookups(theirs, &reference, relations, names);
    return list;
  }

  std::vector<Reference> references_;
};

}  // namespace

std::vector<GuessedDocument> guess_documents(const Catalog& catalog) {
  DocumentGuesser guesser(catalog);
  std::vector<GuessedDocument> documents;
  for (const CatalogTable& table : catalog.tables) {
    if (auto document = guesser.guess(table)) documents.push_back(std::move(*document));
  }
  return documents;
}

}  // namespace tandem::agent
