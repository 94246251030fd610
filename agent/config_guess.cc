#include "agent/config_guess.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "agent/guess_names.h"
#include "agent/guess_relations.h"

namespace tandem::agent {
namespace {

/// Names of attributes that come from no column: no column of any table may have them.
struct OwnNames {
  std::string own = "_tandem";
  std::string partition = "PK", sort = "SK";
};

bool is_taken(const capture::Catalog& catalog, std::string_view name) {
  return std::any_of(catalog.tables.begin(), catalog.tables.end(), [name](const auto& table) {
    const auto& columns = table.schema.columns;
    return std::any_of(columns.begin(), columns.end(),
                       [name](const state::Column& column) { return column.name == name; });
  });
}

OwnNames own_names(const capture::Catalog& catalog) {
  OwnNames names;
  while (is_taken(catalog, names.own) || is_taken(catalog, names.own + "_ttl")) names.own += "_";
  while (is_taken(catalog, names.partition)) names.partition += "_";
  while (is_taken(catalog, names.sort)) names.sort += "_";
  return names;
}

bool is_paged(const GuessedDocument& document) {
  return std::any_of(document.lists.begin(), document.lists.end(),
                     [](const GuessedList& list) { return list.paged; });
}

std::string key_column(const capture::CatalogTable& table, std::size_t place) {
  return table.schema.columns[static_cast<std::size_t>(table.schema.key[place])].name;
}

/// Text cannot hold bytes, so a key of bytes stands alone and keeps its type.
bool is_bytes_key(const capture::CatalogTable& table) {
  if (table.schema.key.size() != 1) return false;
  const state::Column& column = table.schema.columns[static_cast<std::size_t>(table.schema.key[0])];
  return column.form == state::ColumnForm::kBytes || same_letters(column.declared_type, "BLOB");
}

class ConfigWriter {
 public:
  ConfigWriter(const capture::Catalog& catalog, const SourceConfig& source)
      : catalog_(catalog),
        source_(source),
        documents_(guess_documents(catalog)),
        names_(own_names(catalog)) {
    std::set<std::string> stores, documents;
    for (const GuessedDocument& document : documents_) {
      const std::string& table = document.table->schema.name;
      stores_.push_back(unique_name(store_name(table), stores));
      std::string name = table;
      std::replace(name.begin(), name.end(), '/', '_');
      document_names_.push_back(unique_name(std::move(name), documents));
    }
  }

  std::string write() {
    write_head();
    write_target();
    write_documents();
    write_left_out();
    return std::move(out_);
  }

 private:
  void line(int indent, const std::string& text) {
    out_.append(static_cast<std::size_t>(indent), ' ').append(text) += '\n';
  }

  void write_head() {
    line(0, "# A first config, guessed by `tandem init` from the tables and foreign keys of");
    line(0, "# " + comment_text(shown_source(source_)) + ". Every line is yours to change. Next:");
    line(0, "#");
    line(0, "#   tandem check     is everything in place?");
    line(0, "#   tandem init      make what is missing at both ends");
    line(0, "#   tandem run       keep the items equal to the database until stopped");
    line(0, "#");
    line(
        0,
        "# \"{Column}\" alone keeps the column's type; text around it makes text. An attribute of");
    line(0, "# which any part is null is left out.");
    line(0, "");
    line(0, "source:");
    if (source_.type == SourceType::kSqlite) {
      line(2, "type: sqlite");
      line(2, "path: " + yaml_text(source_.path));
    } else {
      line(2, "type: postgres");
      line(2, "url: \"${DATABASE_URL}\"   # from the environment, since it may hold a password");
    }
    line(0, "");
    line(0, "log:");
    line(2, "type: embedded");
    line(0, "");
    line(0, "state: .tandem             # a directory of Tandem's own");
    line(0, "");
  }

  void write_target() {
    line(0, "target:");
    line(2, "type: local              # items in a file: nothing to install, no account");
    line(2, "path: items.db");
    line(2, "# To go to DynamoDB, write these instead of the two lines above:");
    line(2, "# type: dynamodb");
    line(2, "# region: us-east-1");
    line(2,
         "# endpoint: \"http://127.0.0.1:8000\"    # DynamoDB Local; leave it out for AWS itself");
    if (names_.own != "_tandem") line(2, "attribute: " + yaml_text(names_.own));
    line(2, "tables:");
    for (std::size_t i = 0; i < documents_.size(); ++i) {
      line(4, yaml_text(stores_[i]) + ": {key: [" + names_.partition +
                  (has_sort_key(documents_[i]) ? ", " + names_.sort : "") + "]}");
    }
    line(0, "");
  }

  void write_documents() {
    line(0, "documents:");
    for (std::size_t i = 0; i < documents_.size(); ++i) {
      const GuessedDocument& document = documents_[i];
      if (i > 0) line(0, "");
      line(2, yaml_text(document_names_[i]) + ":");
      line(4, "table: " + yaml_text(stores_[i]));
      line(4, "root: " + yaml_text(document.table->schema.name));
      write_lookups(4, document.lookups);
      write_lists(document);
      line(4, "item:");
      write_key(6, document, "ITEM");
      line(6, i == 0 ? "$columns: all        # every column under its own name" : "$columns: all");
      for (const GuessedLookup& lookup : document.lookups) write_lookup_value(6, lookup);
      for (const GuessedList& list : document.lists) write_list_value(6, list);
      write_ideas(document);
      write_pages(document);
    }
  }

  static bool has_sort_key(const GuessedDocument& document) {
    return is_paged(document) || document.table->schema.key.size() > 1;
  }

  /// {THEIRS: OURS}, or the one column that both have.
  static std::string on_text(const std::vector<std::pair<std::string, std::string>>& on) {
    if (on.size() == 1 && on[0].first == on[0].second) return yaml_text(path_text(on[0].first));
    std::string text = "{";
    for (const auto& [theirs, ours] : on) {
      if (text.size() > 1) text += ", ";
      text += yaml_text(path_text(theirs)) + ": " + yaml_text(path_text(ours));
    }
    return text + "}";
  }

  void write_lookups(int indent, const std::vector<GuessedLookup>& lookups) {
    if (lookups.empty()) return;
    line(indent, "one:");
    for (const GuessedLookup& lookup : lookups) {
      line(indent + 2, yaml_text(lookup.relation) + ": {table: " + yaml_text(lookup.table) +
                           ", on: " + on_text(lookup.on) + "}");
    }
  }

  void write_lists(const GuessedDocument& document) {
    if (document.lists.empty()) return;
    line(4, "many:");
    for (const GuessedList& list : document.lists) {
      line(6, yaml_text(list.relation) + ":");
      line(8, "table: " + yaml_text(list.table));
      line(8, "on: " + on_text(list.on));
      write_lookups(8, list.lookups);
    }
  }

  /// The key's attributes; `page` is the sort key of a document with pages.
  void write_key(int indent, const GuessedDocument& document, const std::string& page) {
    const capture::CatalogTable& table = *document.table;
    auto placeholder = [&table](std::size_t place) {
      return "{" + path_text(key_column(table, place)) + "}";
    };
    const bool split = !is_paged(document) && table.schema.key.size() > 1;
    std::string partition, sort;
    if (is_bytes_key(table)) {
      partition = placeholder(0);
    } else {
      partition = key_prefix(table.schema.name);
      for (std::size_t i = 0; i < table.schema.key.size(); ++i) {
        if (!split || i == 0) {
          partition += "#" + placeholder(i);
        } else {
          // One column alone would keep its own type; text before it makes every key a string.
          sort += (sort.empty() ? key_prefix(key_column(table, i)) + "#" : "#") + placeholder(i);
        }
      }
    }
    line(indent, names_.partition + ": " + yaml_text(partition));
    if (split) line(indent, names_.sort + ": " + yaml_text(sort));
    if (is_paged(document)) line(indent, names_.sort + ": " + page);
  }

  void write_lookup_value(int indent, const GuessedLookup& lookup) {
    line(indent, yaml_attribute(lookup.attribute) + ": " + yaml_text(lookup.value));
  }

  void write_list_value(int indent, const GuessedList& list) {
    line(indent, yaml_attribute(list.attribute) + ":");
    line(indent + 2, "$each: " + yaml_text(list.relation));
    line(indent + 2, "item:");
    std::string except;
    for (const auto& [theirs, ours] : list.on) {
      except += (except.empty() ? "" : ", ") + yaml_text(theirs);
    }
    line(indent + 4, "$columns: " + (list.all_columns_join ? "all" : "{except: [" + except + "]}"));
    for (const GuessedLookup& lookup : list.lookups) write_lookup_value(indent + 4, lookup);
  }

  void write_pages(const GuessedDocument& document) {
    for (const GuessedList& list : document.lists) {
      if (!list.paged) continue;
      line(4, "pages:               # a list of more than 100 goes to items of its own");
      line(6, "of: " + yaml_text(list.relation));
      line(6, "size: 100");
      line(6, "over: 100");
      line(6, "item:");
      write_key(8, document, "\"PAGE#{$page}\"");
      write_list_value(8, list);
    }
  }

  /// What else hangs on the row, to copy from.
  void write_ideas(const GuessedDocument& document) {
    if (document.ideas.empty()) return;
    line(6, "# Also found, for `many:` and then {$count: …} or {$each: …, item: {…}}:");
    for (const GuessedList& idea : document.ideas) {
      line(6, "#   " + comment_text(yaml_text(idea.relation) + ": {table: " +
                                    yaml_text(idea.table) + ", on: " + on_text(idea.on) + "}"));
    }
  }

  void write_left_out() {
    for (const capture::CatalogTable& table : catalog_.tables) {
      const std::string& name = table.schema.name;
      if (name.starts_with("_tandem_")) continue;
      const bool has_document =
          std::any_of(documents_.begin(), documents_.end(),
                      [&table](const auto& document) { return document.table == &table; });
      if (has_document) continue;
      line(0, "");
      if (table.refusal.empty() && !table.schema.key.empty()) {
        line(0, "# " + comment_text(name) + " only joins other tables and is in their documents.");
      } else {
        line(0, "# " + comment_text(name) + " is left out: " +
                    comment_text(table.refusal.empty() ? "it has no key" : table.refusal) + ".");
      }
    }
  }

  const capture::Catalog& catalog_;
  const SourceConfig& source_;
  const std::vector<GuessedDocument> documents_;
  const OwnNames names_;
  std::vector<std::string> stores_, document_names_;
  std::string out_;
};

}  // namespace

std::string guess_config(const capture::Catalog& catalog, const SourceConfig& source) {
  const bool usable = std::any_of(catalog.tables.begin(), catalog.tables.end(), [](const auto& t) {
    return t.refusal.empty() && !t.schema.key.empty();
  });
  if (!usable) {
    throw state::Error("no table can be captured", shown_source(source),
                       "make a table with a primary key, or write a config with "
                       "source.tables.TABLE.key for a table with unique columns");
  }
  return ConfigWriter(catalog, source).write();
}

}  // namespace tandem::agent
