// Names for a guessed config: identifiers turned into YAML, templates, attributes and relations,
// whatever characters a table's or a column's name has.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace tandem::agent {

/// The text as a YAML scalar that reads back as this text: plain where that is safe.
std::string yaml_text(std::string_view text);
/// The same for a name in an item, where `$` marks operators.
std::string yaml_attribute(std::string_view name);
/// A column in a path: `Name`, `[odd name]`.
std::string path_text(std::string_view column);
/// The text as part of a comment: one line, printable.
std::string comment_text(std::string_view text);

/// The table's name without a PostgreSQL schema before it.
std::string bare_name(std::string_view table);
/// AlbumId → Album, album_id → album, ReportsTo → ReportsTo: what a foreign key's column points at.
std::string pointed_at(std::string_view column);
/// Album + Title → AlbumTitle, album + title → album_title.
std::string joined_name(std::string_view first, std::string_view second);
/// InvoiceLine → InvoiceLines, category → categories; a plural stays.
std::string plural(std::string_view name);
/// A relation's name: letters, digits and _, beginning with a small letter.
std::string relation_name(std::string_view name);
/// A name that a target takes for a table.
std::string store_name(std::string_view name);
/// The text before # in a key: ALBUM, ORDER_LINE.
std::string key_prefix(std::string_view name);
/// The name, or the name with a number, so that it is not in `taken`; it is taken from then on.
std::string unique_name(std::string name, std::set<std::string>& taken);

bool same_letters(std::string_view a, std::string_view b);

}  // namespace tandem::agent
